/** Requirements → sizing of the rate limiter, with the number that decided each choice. */

import { copiesFor } from '../../src/capacity/availability.ts';
import { cheapest } from '../../src/capacity/hardware.ts';
import { p99Ms } from '../../src/capacity/queueing.ts';
import type { Decision, Excuse, Json, Sized, SizeInput, Unsized } from '../../src/pattern.ts';
import * as capacity from './capacity.ts';

/** What plan.json keeps of a sized limiter. */
export type LimiterSizing = {
  readonly instances: number;
  readonly buckets: number;
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  readonly policy: { readonly name: string; readonly limit: number; readonly periodMs: number; readonly burst: number };
  readonly onStoreFailure: string;
  /** Admissions of one key that a single failover may forget; 0: none. */
  readonly failoverLossMs: number;
  readonly checksPerSecond: number;
};

export function size(input: SizeInput): Sized<LimiterSizing> | Unsized {
  const { requirements: r, hardware, measured } = input;
  const checksPerSecond = (r.rate.readPerSecond.high + r.rate.writePerSecond.high) * r.rate.peakFactor.high;
  const time = measured['limiter.check'] ?? capacity.serviceTimePriors['limiter.check'];
  // A check waits for the store's script and for its replica: two round trips, the replica's in another zone.
  const exactMs = 2 * hardware.roundTripMs.crossZone;
  const copies = copiesFor(r.availability.target, hardware.machineUnavailability, 4) ?? 4;
  const machine = cheapest(hardware, 1, 1);
  let instances = Math.max(2, copies);
  while (perInstance(checksPerSecond, instances, time.meanUs) > capacity.maxLoad) instances++;
  const checkP99Ms = p99Ms(checksPerSecond / instances, time);
  if (checkP99Ms + exactMs >= r.latency.p99Ms || machine === undefined) {
    return { kind: 'unsized', rejected: [tooSlow(r.latency.p99Ms, checkP99Ms, exactMs)] };
  }
  const sizing = sizingOf(input, instances, checksPerSecond);
  return {
    kind: 'sized',
    sizing,
    machines: [{ machine: machine.name, count: instances, for: 'api' }],
    demands: [
      {
        capability: 'kv',
        readPerSecond: 0,
        writePerSecond: checksPerSecond,
        payloadBytes: capacity.bytesPerKey,
        totalMiB: Math.max(
          1,
          Math.ceil((keysAtOnce(checksPerSecond, sizing.policy.periodMs) * capacity.bytesPerKey) / 2 ** 20),
        ),
        p99Ms: r.latency.p99Ms - checkP99Ms,
        clients: instances,
        guarantees: { evicts: false, durability: 'disk', replicas: 1, atomicScripts: true, waitsForReplica: true },
      },
    ],
    decisions: decisions(input, sizing, { exactMs, checkP99Ms, meanUs: time.meanUs }),
    predictions: [
      {
        metric: 'p99 of a check',
        predicted: checkP99Ms + exactMs,
        bound: r.latency.p99Ms,
        unit: 'ms',
        margin: r.latency.p99Ms / (checkP99Ms + exactMs),
      },
    ],
    rejected: [],
    guarantees: {},
  };
}

const perInstance = (rate: number, instances: number, meanUs: number) => (rate * meanUs) / 1e6 / instances;

/** Callers whose entries live at once: each check may be another caller's, and an entry is swept after a period. */
const keysAtOnce = (rate: number, periodMs: number) => Math.min(1e7, (rate * 2 * periodMs) / 1000);

function tooSlow(p99: number, checkMs: number, exactMs: number): Excuse {
  return {
    option: 'rate-limiter: exact',
    reason: 'the check and its replica’s acknowledgement take longer than the p99 asked',
    bottleneck: 'latency.p99Ms',
    numbers: { p99Ms: p99, checkP99Ms: checkMs, exactMs },
    relax: { key: 'latency.p99Ms', to: Math.ceil((checkMs + exactMs) * 2) },
  };
}

function sizingOf({ requirements: r, options }: SizeInput, instances: number, checksPerSecond: number): LimiterSizing {
  const policy = capacity.policyFor(asNumber(options.limit), asNumber(options.periodMs), options.hardCap === true);
  return {
    instances,
    buckets: capacity.buckets,
    waitReplicas: 1,
    waitTimeoutMs: Math.max(100, Math.round(r.latency.p99Ms * 10)),
    policy: { name: 'default', ...policy },
    onStoreFailure: String(options.onStoreFailure),
    failoverLossMs: 0,
    checksPerSecond,
  };
}

function asNumber(value: Json | undefined): number {
  if (typeof value !== 'number') throw new TypeError(`a validated option is no number: ${JSON.stringify(value)}`);
  return value;
}

interface Costs {
  readonly exactMs: number;
  readonly checkP99Ms: number;
  readonly meanUs: number;
}

function decisions({ requirements: r, options }: SizeInput, sizing: LimiterSizing, costs: Costs): readonly Decision[] {
  const { policy } = sizing;
  return [
    {
      about: 'instances',
      chosen: `${sizing.instances}`,
      because: 'one may be lost, and none is loaded above the bound of a single-threaded process',
      numbers: {
        loadOfEach: perInstance(sizing.checksPerSecond, sizing.instances, costs.meanUs),
        maxLoad: capacity.maxLoad,
      },
      from: ['rate.readPerSecond', 'rate.writePerSecond', 'availability.target'],
      source: 'prior',
    },
    {
      about: 'exactness',
      chosen: 'WAIT 1 before any 200; a failover’s buckets restart empty',
      because:
        'without it, a failover would forget admissions: for each key at most burst + rate × the unreplicated time',
      numbers: {
        costsMs: costs.exactMs,
        slackWithoutWait: capacity.slackPerFailover(policy, r.availability.recoveryMs),
      },
      from: ['limit-callers'],
    },
    {
      about: 'policy',
      chosen: `burst ${policy.burst}, then ${policy.limit} in ${policy.periodMs} ms`,
      because:
        options.hardCap === true
          ? 'a hard cap: burst and the refill of one period together stay within the limit'
          : 'a rate: in any time t at most burst + rate × t',
      numbers: { limit: asNumber(options.limit), worstWindow: policy.burst + policy.limit },
      from: ['options.limit-callers.limit', 'options.limit-callers.periodMs', 'options.limit-callers.hardCap'],
    },
  ];
}
