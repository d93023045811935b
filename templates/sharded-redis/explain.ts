/** Why a store is sized so: decisions with the number that decided, predictions, and the smaller options rejected. */

import { secondsAMonth, yearMs } from '../../src/capacity/availability.ts';
import { networkShare } from '../../src/capacity/hardware.ts';
import { predictionOf } from '../../src/capacity/prediction.ts';
import type { Decision, Excuse, Prediction, Requirements, SizeInput } from '../../src/pattern.ts';
import { failoverFactor } from './availability.ts';
import * as capacity from './capacity.ts';
import { excuse } from './excuse.ts';
import { type Fitted, p99At, type Shape } from './fitted.ts';
import type { StoreSizing } from './sizing.ts';

export interface Explained {
  readonly decisions: readonly Decision[];
  readonly predictions: readonly Prediction[];
  readonly rejected: readonly Excuse[];
}

/** As the predictions name it. */
export const busiestLoadMetric = 'load of the busiest shard';

export function explain(input: SizeInput, shape: Shape, fitted: Fitted, sizing: StoreSizing): Explained {
  const { requirements: r } = input;
  const kept = sizing.mode === 'store' ? [...keeping(r, shape, sizing), ...availability(input, shape)] : [];
  return {
    decisions: [mode(r, sizing), shards(input, sizing, fitted), memory(sizing, fitted), ...kept, ...services(sizing)],
    predictions: predictions(input, shape, fitted),
    rejected: sizing.mode === 'store' ? rejected(input, sizing, fitted) : [],
  };
}

function mode(r: Requirements, sizing: StoreSizing): Decision {
  const isStore = sizing.mode === 'store';
  return {
    about: 'mode',
    chosen: isStore ? 'Redis Cluster' : 'ketama ring without ejection',
    because: isStore
      ? 'acknowledged writes are to survive the loss of a machine'
      : 'data may be lost; a ring needs no replicas, and without ejection a node that comes back serves nothing stale',
    numbers: {
      rpoMs: r.loss.rpoMs,
      cacheFromRpoMs: capacity.cacheFromRpoMs,
      ...(isStore ? {} : { shareOfKeysOnANode: 1 / sizing.shards }),
    },
    from: ['loss.rpoMs', 'consistency.level'],
  };
}

const bindings = {
  load: 'the least number that keeps the busiest shard within its load',
  p99: 'the least number that keeps the busiest shard within the p99',
  memory: 'the least number that holds the data on the machines with which it is cheapest',
  network: 'the least number whose network carries the values on the machines with which it is cheapest',
} as const;

function shards(
  { requirements, measured, options }: SizeInput,
  sizing: StoreSizing,
  { binding, busiest }: Fitted,
): Decision {
  const least =
    sizing.mode === 'store'
      ? 'a failover needs a majority of the primaries: with two, one lost leaves none; the load alone would need fewer'
      : 'the least ring: one of one would take everything with it';
  const asked = 'asked for; the load alone would need no more';
  return {
    about: 'shards',
    chosen: `${sizing.shards}`,
    because: binding !== null ? bindings[binding] : sizing.shards === options.minShards ? asked : least,
    numbers: {
      busiestLoad: busiest.load,
      maxLoad: capacity.maxLoad,
      networkGbps: busiest.networkGbps,
      keySkew: capacity.keySkewOf(requirements),
    },
    from: [
      'rate.readPerSecond',
      'rate.writePerSecond',
      'rate.peakFactor',
      'rate.keySkew',
      'data.payloadBytes',
      'data.totalMiB',
      'latency.p99Ms',
      'options',
    ],
    source: [measured['redis.read'], measured['redis.write']].every((time) => time?.source === 'measured')
      ? 'measured'
      : 'prior',
  };
}

function memory(sizing: StoreSizing, { machine }: Fitted): Decision {
  return {
    about: 'memory of a server',
    chosen: `maxmemory ${sizing.maxmemoryMiB} MiB on ${machine.name}`,
    because:
      sizing.mode === 'store'
        ? 'values, keys and fragmentation on the fullest shard; the rest for pages copied during a rewrite, and buffers'
        : 'values, keys and fragmentation on the fullest shard; the rest for buffers',
    numbers: {
      totalMiB: sizing.totalMiB,
      shards: sizing.shards,
      processMiB: sizing.memoryMiBPerProcess,
      machineGiB: machine.memoryGiB,
    },
    from: ['data.totalMiB', 'data.payloadBytes'],
    source: 'prior',
  };
}

function keeping(r: Requirements, shape: Shape, sizing: StoreSizing): readonly Decision[] {
  const failoverMs = capacity.failoverMs(sizing.nodeTimeoutMs);
  return [
    {
      about: 'replicas',
      chosen: `${sizing.replicasPerShard} a shard`,
      because: shape.waits
        ? 'writes wait for a replica: when one machine is lost, another must still be there to wait for'
        : 'copies for the availability and the loss asked',
      numbers: { target: r.availability.target, replicas: sizing.replicasPerShard },
      from: ['availability.target', 'loss.rpoMs'],
    },
    {
      about: 'cluster-node-timeout',
      chosen: `${sizing.nodeTimeoutMs} ms`,
      because: `suspected after one time-out, agreed on within half of another, then ${capacity.electionMs} ms of election and refresh${shorterBecause(r, sizing.nodeTimeoutMs)}`,
      numbers: { recoveryMs: r.availability.recoveryMs, failoverMs, rpoMs: r.loss.rpoMs },
      from: ['availability.recoveryMs', 'availability.target', 'loss.rpoMs'],
    },
    durability(r, sizing),
  ];
}

function durability(r: Requirements, sizing: StoreSizing): Decision {
  const isWaiting = sizing.waitReplicas > 0;
  const isSynced = sizing.appendFsync === 'always';
  const lost = isWaiting
    ? 'a primary cut off takes writes for up to a node time-out that a failover forgets: a write is acknowledged once a replica has it'
    : 'what a failover may forget is within the loss allowed';
  return {
    about: 'durability',
    chosen: `append-only file ${isSynced ? 'before every answer' : 'every second'}${isWaiting ? ', WAIT 1' : ''}`,
    because: isSynced ? `${lost}; a server that was without power goes on from all that it acknowledged` : lost,
    numbers: {
      rpoMs: r.loss.rpoMs,
      lossWithoutWaitMs: sizing.nodeTimeoutMs,
      lossOfAofEverySecMs: 1000,
      lossOfAofAlwaysMs: 0,
    },
    from: ['loss.rpoMs', 'options'],
  };
}

/** Where the time that failovers take is from a measurement: of what, and how sure. */
function availability({ requirements: r, hardware }: SizeInput, { measured, failovers, unavailability }: Shape) {
  if (measured === null) return [];
  const { meanMs, lowMs, highMs, samples, plannedMs, citation } = measured;
  const seconds = (ms: number) => Number((ms / 1000).toPrecision(2));
  const lossesPerYear = (hardware.machineUnavailability / hardware.machineRepairMs) * yearMs;
  const others = unavailability - failovers;
  const monthly = (ms: number) => secondsAMonth(others + (failovers * ms) / meanMs);
  const decision: Decision = {
    about: 'availability',
    chosen: `a key is away ${Number(secondsAMonth(unavailability).toPrecision(3))} s a month`,
    because: `from measured downtime of kill ${seconds(meanMs)} s (${seconds(lowMs)} to ${seconds(highMs)}) × ${Number(lossesPerYear.toPrecision(2))} a year per machine, where ${seconds(plannedMs)} s were planned, and from copies that are lost together; ${citation}`,
    numbers: {
      meanMs,
      lowMs,
      highMs,
      samples,
      lossesPerYear,
      ...(meanMs > 0 ? monthlyBounds(monthly, lowMs, highMs) : {}),
    },
    from: [
      'measured.json',
      'operations.lossesPerYear',
      ...(r.operations.effort === 'medium' ? [] : ['operations.effort']),
    ],
    source: 'measured',
  };
  return [decision];
}

const monthlyBounds = (monthly: (ms: number) => number, lowMs: number, highMs: number) => ({
  lowSecondsAMonth: monthly(lowMs),
  highSecondsAMonth: monthly(highMs),
});

/** What made the time-out shorter than the recovery time allows. */
function shorterBecause({ availability, loss }: Requirements, timeoutMs: number): string {
  if (timeoutMs >= capacity.nodeTimeoutMs(availability.recoveryMs * capacity.recoveryReserve)) return '';
  return timeoutMs === loss.rpoMs
    ? '; no longer than the loss allowed, so that no write has to wait for a replica'
    : '; shorter than the recovery time allows, for failovers count against the availability';
}

function services(sizing: StoreSizing): readonly Decision[] {
  if (sizing.apiInstances === 0) return [];
  return [
    {
      about: 'instances of the HTTP service',
      chosen: `${sizing.apiInstances}`,
      because: 'one may be lost, and each, a single-threaded process, stays within its load and half of the p99',
      numbers: { perSecondEach: (sizing.readPerSecond + sizing.writePerSecond) / sizing.apiInstances },
      from: ['rate.readPerSecond', 'rate.writePerSecond', 'availability.target', 'latency.p99Ms'],
      source: 'prior',
    },
  ];
}

function predictions({ requirements: r }: SizeInput, shape: Shape, fitted: Fitted): readonly Prediction[] {
  const { busiest, machine, latencies } = fitted;
  const network = (machine.networkGbps ?? 0) * networkShare;
  return [
    ...latencies.map((latency) =>
      predictionOf(
        latency.demand.from === 'user' ? 'p99 of a request' : `p99 for ${latency.demand.from}`,
        p99At(latency, busiest, machine),
        latency.demand.p99Ms,
        'ms',
      ),
    ),
    predictionOf('connections of a node', fitted.connections, capacity.maxClients, ''),
    predictionOf(busiestLoadMetric, busiest.load, capacity.maxLoad, ''),
    predictionOf('memory of a server', fitted.processMiB, machine.memoryGiB * 1024, 'MiB'),
    ...(network > 0 ? [predictionOf('network of the busiest shard', busiest.networkGbps, network, 'Gbit/s')] : []),
    ...(shape.mode === 'store'
      ? [
          predictionOf(
            'recovery after a lost primary',
            capacity.failoverMs(shape.timeoutMs) * failoverFactor(shape.measured),
            r.availability.recoveryMs,
            'ms',
          ),
        ]
      : []),
    predictionOf(
      'a key unavailable',
      secondsAMonth(shape.unavailability),
      secondsAMonth(1 - r.availability.target),
      's a month',
    ),
  ];
}

/** What a reader would ask for next, and why it is not done. */
function rejected(
  { requirements: r, hardware }: SizeInput,
  sizing: StoreSizing,
  { busiest }: Fitted,
): readonly Excuse[] {
  const replicaReads = excuse(
    'reads from replicas',
    r.consistency.level === 'eventual'
      ? 'the primaries carry the reads, and a replica’s answer may be older'
      : 'how far a replica lags has no bound of its own, so that no delay can be promised',
    'consistency.stalenessMs',
    { stalenessMs: r.consistency.stalenessMs, busiestLoad: busiest.load },
  );
  if (sizing.waitReplicas === 0) return [replicaReads];
  const syncs = excuse(
    'appendfsync always',
    'a server that loses its power and is back before a replica has replaced it would forget nothing; a machine takes longer to start, and all would wait for its disk',
    'latency.p99Ms',
    { addsMs: capacity.syncsMs(hardware), failoverMs: capacity.failoverMs(sizing.nodeTimeoutMs) },
  );
  return [
    replicaReads,
    ...(sizing.appendFsync === 'always' ? [] : [syncs]),
    excuse(
      'min-replicas-to-write instead of WAIT',
      'it stops a primary whose replicas have not answered for a whole number of seconds, and says nothing of one write',
      'loss.rpoMs',
      { rpoMs: r.loss.rpoMs, leastLossMs: 2000 },
    ),
    excuse(
      'appendfsync always instead of WAIT',
      'the file stays on the machine that is lost, and a failover does not wait for it',
      'loss.rpoMs',
      { rpoMs: r.loss.rpoMs, lossInAFailoverMs: sizing.nodeTimeoutMs },
    ),
  ];
}
