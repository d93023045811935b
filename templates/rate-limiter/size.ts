/** Requirements → sizing of the rate limiter, with the number that decided each choice. */

import { copiesFor, secondsAMonth } from '../../src/capacity/availability.ts';
import { cheapest } from '../../src/capacity/hardware.ts';
import { predictionOf } from '../../src/capacity/prediction.ts';
import { p99Ms, serversFor } from '../../src/capacity/queueing.ts';
import type {
  Decision,
  Demand,
  Excuse,
  Json,
  Prediction,
  ServiceTime,
  Sized,
  SizeInput,
  Unsized,
} from '../../src/pattern.ts';
import * as capacity from './capacity.ts';

/** What plan.json keeps of a sized limiter. */
export type LimiterSizing = {
  readonly instances: number;
  readonly buckets: number;
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  readonly policy: {
    readonly name: string;
    readonly limit: number;
    readonly periodMs: number;
    readonly burst: number;
    /** Units by which any window may pass the limit. */
    readonly allowedError: number;
  };
  /** Units of a key that each instance may lease; 0: none, every check is the store's. */
  readonly leaseChunk: number;
  readonly onStoreFailure: string;
  /** Admissions of one key that a single failover may forget; 0: none. */
  readonly failoverLossMs: number;
  readonly checksPerSecond: number;
};

/** What the sizes follow from. */
interface Figures {
  readonly checksPerSecond: number;
  readonly time: ServiceTime;
  /** A check waits for the store's script and for its replica: two round trips, the replica's in another zone. */
  readonly exactMs: number;
  readonly instances: number;
  /** Of an instance, without the store. */
  readonly checkP99Ms: number;
}

/** One may be lost. */
export const leastInstances = 2;

/** An instance is of no importance for the availability from this share of what may be lost. */
const serviceShare = 0.1;

export function size(input: SizeInput): Sized<LimiterSizing> | Unsized {
  const figures = figuresOf(input);
  const machine = cheapest(input.hardware, { vcpus: 1, memoryGiB: 1 });
  const { checkP99Ms, exactMs } = figures;
  if (machine === undefined) return { kind: 'unsized', rejected: [noMachine(input)] };
  if (checkP99Ms + exactMs >= input.requirements.latency.p99Ms) {
    return { kind: 'unsized', rejected: [tooSlow(input.requirements.latency.p99Ms, figures)] };
  }
  const sizing = sizingOf(input, figures);
  return {
    kind: 'sized',
    sizing,
    machines: [{ machine: machine.name, count: figures.instances, for: 'api' }],
    demands: [demandOf(input, sizing, figures)],
    decisions: decisions(input, sizing, figures),
    predictions: predictions(input, sizing, figures),
    rejected: rejected(input, sizing, figures),
    guarantees: {},
  };
}

function figuresOf({ requirements: r, options, hardware, measured }: SizeInput): Figures {
  const checksPerSecond = (r.rate.readPerSecond.high + r.rate.writePerSecond.high) * r.rate.peakFactor.high;
  const time = measured['limiter.check'] ?? capacity.serviceTimePriors['limiter.check'];
  const exactMs = 2 * hardware.roundTripMs.crossZone;
  const copies = copiesFor(1 - (1 - r.availability.target) * serviceShare, hardware.machineUnavailability, 8) ?? 8;
  const boundMs = (r.latency.p99Ms - exactMs) / 2;
  const instances = serversFor(checksPerSecond, time, {
    from: Math.max(askedInstances(options), copies),
    maxLoad: capacity.maxLoad,
    boundMs,
  });
  return { checksPerSecond, time, exactMs, instances, checkP99Ms: p99Ms(checksPerSecond / instances, time) };
}

function askedInstances({ minInstances }: SizeInput['options']): number {
  return typeof minInstances === 'number' ? minInstances : leastInstances;
}

function sizingOf({ requirements: r, options }: SizeInput, { instances, checksPerSecond }: Figures): LimiterSizing {
  const limit = asNumber(options.limit);
  const rates = capacity.policyFor(limit, asNumber(options.periodMs), options.hardCap === true);
  const policy = { ...rates, allowedError: Math.floor((limit * asNumber(options.allowedErrorPercent)) / 100) };
  return {
    instances,
    buckets: capacity.bucketsFor(checksPerSecond),
    waitReplicas: 1,
    waitTimeoutMs: Math.max(100, Math.round(r.latency.p99Ms * 10)),
    policy: { name: 'default', ...policy },
    leaseChunk: capacity.chunkFor(policy, instances),
    onStoreFailure: String(options.onStoreFailure),
    failoverLossMs: 0,
    checksPerSecond,
  };
}

function asNumber(value: Json | undefined): number {
  if (typeof value !== 'number') throw new TypeError(`a validated option is no number: ${JSON.stringify(value)}`);
  return value;
}

/** Callers whose entries live at once: each check may be another caller's, and an entry is swept after a period. */
const keysAtOnce = (rate: number, periodMs: number) => Math.min(1e7, Math.ceil((rate * 2 * periodMs) / 1000));

/** Of service/src/buckets.ts and script.ts; a test holds them together. */
export const storeUse = {
  keyPrefixes: ['rl:'],
  scriptCommands: ['time', 'hget', 'hmget', 'hset', 'hdel', 'hscan', 'unlink', 'pttl', 'pexpire'],
} as const;

function demandOf(
  { requirements: r, options }: SizeInput,
  sizing: LimiterSizing,
  figures: Figures,
): Omit<Demand, 'from'> {
  const keys = keysAtOnce(figures.checksPerSecond, sizing.policy.periodMs);
  return {
    capability: 'kv',
    readPerSecond: 0,
    writePerSecond: figures.checksPerSecond,
    payloadBytes: capacity.bytesPerKey,
    totalMiB: Math.max(1, Math.ceil((keys * capacity.bytesPerKey) / 2 ** 20)),
    keys: Math.max(1, keys),
    writeCost: capacity.scriptCost,
    // Not the rounded number: a little more load must never seem to spread better.
    pieces: capacity.leastBuckets(figures.checksPerSecond),
    clients: figures.instances,
    p99Ms: r.latency.p99Ms - figures.checkP99Ms,
    uses: storeUse,
    guarantees: {
      evicts: false,
      durability: 'disk',
      replicas: 1,
      atomicScripts: true,
      waitsForReplica: true,
      ...(options.tls === true ? { encrypted: true } : {}),
    },
  };
}

const loadOfEach = ({ checksPerSecond, instances, time }: Figures) => (checksPerSecond * time.meanUs) / 1e6 / instances;

function tooSlow(p99: number, { checkP99Ms, exactMs }: Figures): Excuse {
  return {
    option: 'rate-limiter: exact',
    reason: 'the check and its replica’s acknowledgement take longer than the p99 asked',
    bottleneck: 'latency.p99Ms',
    numbers: { p99Ms: p99, checkP99Ms, exactMs },
    relax: { key: 'latency.p99Ms', to: Math.ceil((checkP99Ms + exactMs) * 4) },
  };
}

function noMachine({ hardware }: SizeInput): Excuse {
  return {
    option: 'rate-limiter: exact',
    reason: 'no machine on offer carries an instance',
    bottleneck: 'memory',
    numbers: { memoryGiB: 1, machines: hardware.machines.length },
  };
}

function decisions(input: SizeInput, sizing: LimiterSizing, figures: Figures): readonly Decision[] {
  const { options } = input;
  const { policy } = sizing;
  const asked = askedInstances(options);
  return [
    {
      about: 'instances',
      chosen: `${sizing.instances}`,
      because:
        sizing.instances > leastInstances && sizing.instances === asked
          ? 'as many as were asked for at least'
          : 'one may be lost, and none is loaded above the bound of a single-threaded process',
      numbers: { loadOfEach: loadOfEach(figures), maxLoad: capacity.maxLoad, checkP99Ms: figures.checkP99Ms },
      from: [
        'rate.readPerSecond',
        'rate.writePerSecond',
        'availability.target',
        'latency.p99Ms',
        'options.limit-callers.minInstances',
      ],
      source: figures.time.source,
    },
    {
      about: 'buckets',
      chosen: `${sizing.buckets}`,
      because: 'a few for each shard that the checks need: fewer make larger batches, more spread better',
      numbers: {
        checksPerSecond: figures.checksPerSecond,
        callersAtOnce: keysAtOnce(figures.checksPerSecond, policy.periodMs),
      },
      from: ['rate.readPerSecond', 'rate.writePerSecond', 'options.limit-callers.periodMs'],
      source: 'prior',
    },
    exactness(input, sizing, figures),
    {
      about: 'replication',
      chosen: 'WAIT 1 before any 200; a failover’s buckets restart empty',
      because:
        'without it, a failover would forget admissions: for each key at most burst + rate × the unreplicated time',
      numbers: { costsMs: figures.exactMs / 2, slackWithoutWait: slackWithoutWait(input, sizing) },
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

/** Exact, or leased: units charged in the store, a chunk at a time, are spent in the instances. */
function exactness({ options }: SizeInput, sizing: LimiterSizing, { exactMs }: Figures): Decision {
  const { leaseChunk, instances, policy } = sizing;
  const from = ['options.limit-callers.allowedErrorPercent'];
  if (leaseChunk === 0) {
    return {
      about: 'exactness',
      chosen: 'exact: the store decides every check',
      because: 'no window admits more than its bound; each check waits for the store and its replica',
      numbers: { allowedErrorPercent: asNumber(options.allowedErrorPercent), checkMs: exactMs },
      from,
    };
  }
  return {
    about: 'exactness',
    chosen: `leased: each instance holds up to ${leaseChunk} units of a caller`,
    because:
      'a window may pass its bound by what the instances hold, which the allowed error covers, one instance more included; ' +
      'callers who come seldom are still decided by the store, for which it is sized',
    numbers: { instances, chunk: leaseChunk, overAtMost: instances * leaseChunk, allowedError: policy.allowedError },
    from,
  };
}

/** The unreplicated interval and the node time-out are both within the time in which service is to be back. */
function slackWithoutWait({ requirements: r }: SizeInput, { policy }: LimiterSizing): number {
  return capacity.slackPerFailover(policy, r.availability.recoveryMs);
}

function predictions(
  { requirements: r, hardware }: SizeInput,
  sizing: LimiterSizing,
  figures: Figures,
): readonly Prediction[] {
  const { instances, leaseChunk, policy } = sizing;
  const down = secondsAMonth(hardware.machineUnavailability ** figures.instances);
  return [
    predictionOf('p99 of a check, an idle store', figures.checkP99Ms + figures.exactMs, r.latency.p99Ms, 'ms'),
    predictionOf('load of an instance', loadOfEach(figures), capacity.maxLoad, ''),
    predictionOf('all instances unavailable', down, secondsAMonth(1 - r.availability.target), 's a month'),
    ...(leaseChunk === 0
      ? []
      : [predictionOf('over the limit at most', instances * leaseChunk, policy.allowedError, 'units')]),
  ];
}

function rejected(input: SizeInput, sizing: LimiterSizing, figures: Figures): readonly Excuse[] {
  const { policy } = sizing;
  return [
    otherExactness(input, sizing, figures),
    {
      option: 'rate-limiter: without WAIT',
      reason:
        'it saves a round trip, and a failover admits each key up to a burst and the refill of the time lost again',
      bottleneck: 'exactness',
      numbers: { savesMs: figures.exactMs / 2, admittedAgainAtMost: slackWithoutWait(input, sizing) },
    },
    {
      option: 'rate-limiter: counted in each instance',
      reason:
        'a caller that reaches every instance is admitted by each, and a fixed share of each denies others too early',
      bottleneck: 'exactness',
      numbers: { instances: sizing.instances, worstBurst: policy.burst * sizing.instances, burst: policy.burst },
    },
  ];
}

/** The one of exact and leased that was not chosen. */
function otherExactness({ options }: SizeInput, sizing: LimiterSizing, figures: Figures): Excuse {
  const { instances, leaseChunk, policy } = sizing;
  if (leaseChunk > 0) {
    return {
      option: 'rate-limiter: exact',
      reason: 'every check would wait for the store and its replica, and an error is allowed',
      bottleneck: 'latency.p99Ms',
      numbers: { checkMs: figures.exactMs, storeChecksPerSecond: figures.checksPerSecond },
    };
  }
  const option = 'rate-limiter: leased';
  const bottleneck = 'options.limit-callers.allowedErrorPercent';
  if (policy.allowedError === 0) {
    const numbers = { allowedErrorPercent: asNumber(options.allowedErrorPercent), allowedError: 0 };
    return { option, reason: 'what instances hold passes the limit, and no error is allowed', bottleneck, numbers };
  }
  return {
    option,
    reason: 'the allowed error, divided by the instances and one more, is less than the least chunk that saves a call',
    bottleneck,
    numbers: { allowedError: policy.allowedError, instances, leastChunk: capacity.leastChunk, burst: policy.burst },
  };
}
