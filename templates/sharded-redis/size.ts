/** Requirements and demands → sizing of sharded Redis, with the number that decided each choice. */

import { copiesFor } from '../../src/capacity/availability.ts';
import { cheapest } from '../../src/capacity/hardware.ts';
import { p99Ms } from '../../src/capacity/queueing.ts';
import type {
  Decision,
  Demand,
  Excuse,
  Guarantees,
  Prediction,
  ServiceTime,
  Sized,
  SizeInput,
  Unsized,
} from '../../src/pattern.ts';
import * as capacity from './capacity.ts';

/** What plan.json keeps of a sized store. */
export type StoreSizing = {
  readonly mode: 'store' | 'cache';
  readonly shards: number;
  readonly replicasPerShard: number;
  /** Redis' maxmemory of each process. */
  readonly maxmemoryMiB: number;
  /** What a process may take at most, rewriting its append-only file included. */
  readonly memoryMiBPerProcess: number;
  readonly nodeTimeoutMs: number;
  readonly appendFsync: 'no' | 'everysec' | 'always';
  /** Replicas that acknowledge a write before its caller hears of it. */
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  /** Instances of the HTTP service; 0 where another part alone uses the store. */
  readonly apiInstances: number;
  readonly readPerSecond: number;
  readonly writePerSecond: number;
  readonly payloadBytes: number;
  readonly totalMiB: number;
};

type Outcome = Sized<StoreSizing> | Unsized;

/** Loss of everything is tolerated from here on: an hour's data is a cache's. */
const cacheFromRpoMs = 3_600_000;

/** Both modes are sized; the cheaper one that meets every demand is taken, the other excused. */
export function size(input: SizeInput): Outcome {
  const store = sizeStore(input);
  const cache = sizeCache(input);
  if (cache.kind === 'sized' && (store.kind === 'unsized' || cost(cache, input) < cost(store, input))) {
    return withRejected(
      cache,
      store.kind === 'unsized' ? store.rejected : [dearer('Redis Cluster', store, cache, input)],
    );
  }
  if (store.kind === 'sized') {
    return withRejected(store, cache.kind === 'unsized' ? cache.rejected : [dearer('cache ring', cache, store, input)]);
  }
  return { kind: 'unsized', rejected: [...store.rejected, ...cache.rejected] };
}

function withRejected(sized: Sized<StoreSizing>, rejected: readonly Excuse[]): Sized<StoreSizing> {
  return { ...sized, rejected: [...sized.rejected, ...rejected] };
}

function dearer(option: string, loser: Sized<StoreSizing>, winner: Sized<StoreSizing>, input: SizeInput): Excuse {
  const numbers = { usdPerMonth: cost(loser, input), chosenUsdPerMonth: cost(winner, input) };
  return {
    option: `sharded-redis: ${option}`,
    reason: 'it meets the requirements too, and costs more',
    bottleneck: 'cost',
    numbers,
  };
}

function cost(sized: Sized<StoreSizing>, { hardware }: SizeInput): number {
  const price = (name: string) => hardware.machines.find((machine) => machine.name === name)?.usdPerMonth ?? 0;
  return sized.machines.reduce((sum, { machine, count }) => sum + price(machine) * count, 0);
}

function excuse(
  option: string,
  reason: string,
  bottleneck: string,
  numbers: Excuse['numbers'],
  relax?: Excuse['relax'],
): Excuse {
  return { option: `sharded-redis: ${option}`, reason, bottleneck, numbers, ...(relax ? { relax } : {}) };
}

function unsized(...rejected: [Excuse, ...Excuse[]]): Unsized {
  return { kind: 'unsized', rejected };
}

function sizeStore(input: SizeInput): Outcome {
  const { requirements: r, demands } = input;
  const option = 'Redis Cluster';
  const own = demands.some((demand) => demand.from === 'user');
  if (own && r.consistency.level === 'linearizable') {
    const reason =
      'Redis replicates asynchronously: a failover can undo a write that was read, so it is not linearizable';
    return unsized(
      excuse(option, reason, 'consistency.level', { rpoMs: r.loss.rpoMs }, { key: 'consistency.level', to: 'bounded' }),
    );
  }
  const timeoutMs = capacity.nodeTimeoutMs(r.availability.recoveryMs);
  if (timeoutMs < capacity.minNodeTimeoutMs) {
    const fastest = Math.ceil(capacity.failoverMs(capacity.minNodeTimeoutMs) / capacity.recoveryReserve);
    const reason = `a failover takes at least ${fastest} ms: detection, votes, and the clients' new map`;
    const numbers = { recoveryMs: r.availability.recoveryMs, fastestMs: fastest };
    return unsized(
      excuse(option, reason, 'availability.recoveryMs', numbers, { key: 'availability.recoveryMs', to: fastest }),
    );
  }
  const copies = copiesFor(r.availability.target, input.hardware.machineUnavailability, 4);
  if (copies === null) {
    const reason = 'four copies are not enough for the availability asked';
    return unsized(
      excuse(
        option,
        reason,
        'availability.target',
        { target: r.availability.target },
        { key: 'availability.target', to: 0.9999 },
      ),
    );
  }
  const asked = Math.max(0, ...demands.map((demand) => demand.guarantees.replicas ?? 0));
  const replicas = Math.max(1, copies - 1, asked, waits(input, timeoutMs) ? 2 : 0);
  return leastShards(input, { mode: 'store', option, replicas, minShards: capacity.minPrimaries, timeoutMs });
}

/**
 * Whether a write waits for a replica before it is acknowledged: a primary that is cut off takes writes for up to a node
 * time-out, and a failover forgets them. Then a second replica is needed: once a machine is lost, one must still be there
 * to wait for.
 */
function waits({ requirements, demands }: SizeInput, timeoutMs: number): boolean {
  return requirements.loss.rpoMs < timeoutMs || demands.some((demand) => demand.guarantees.waitsForReplica === true);
}

function sizeCache(input: SizeInput): Outcome {
  const { requirements: r, demands } = input;
  const option = 'cache ring';
  const keeps = demands.find((demand) => demand.guarantees.evicts === false || demand.guarantees.durability === 'disk');
  if (keeps || r.loss.rpoMs < cacheFromRpoMs) {
    const numbers = { rpoMs: r.loss.rpoMs, cacheFromRpoMs };
    const who = keeps ? `${keeps.from} needs data to stay` : 'acknowledged writes must not be lost';
    const reason = `${who}; a ring of caches evicts, and a lost node takes its keys with it`;
    return unsized(excuse(option, reason, 'loss.rpoMs', numbers, { key: 'loss.rpoMs', to: cacheFromRpoMs }));
  }
  return leastShards(input, { mode: 'cache', option, replicas: 0, minShards: 2, timeoutMs: 0 });
}

interface Shape {
  readonly mode: 'store' | 'cache';
  readonly option: string;
  readonly replicas: number;
  readonly minShards: number;
  readonly timeoutMs: number;
}

/** Connections of one node: a client process has one to each node, as has each replica, and people look at it. */
function clientsOfNode(input: SizeInput, { replicas }: Shape): number {
  const user = input.demands.find((demand) => demand.from === 'user');
  const others = input.demands.reduce((sum, { from, clients }) => sum + (from === 'user' ? 0 : (clients ?? 1)), 0);
  return others + (user === undefined ? 0 : apiInstances(input, user)) + replicas + 16;
}

/**
 * What a command takes beside the shard itself: a round trip to it, one more to its replica where writes wait for it,
 * and the p99 of the HTTP service where the user asked for one.
 */
function aroundMs(input: SizeInput, shape: Shape, api: ServiceTime): number {
  const { crossZone } = input.hardware.roundTripMs;
  const user = input.demands.find((demand) => demand.from === 'user');
  const waited = shape.mode === 'store' && waits(input, shape.timeoutMs) ? crossZone : 0;
  if (user === undefined) return crossZone + waited;
  const rate = user.readPerSecond + user.writePerSecond;
  return crossZone + waited + p99Ms(rate / apiInstances(input, user), api);
}

/** The least number of shards within load, latency and memory. */
function leastShards(input: SizeInput, shape: Shape): Outcome {
  const { demands } = input;
  const work = capacity.combine(demands);
  const times = { ...capacity.serviceTimePriors, ...input.measured };
  const networkMs = aroundMs(input, shape, times['kv.api']);
  const maxShards = Math.floor(capacity.maxNodes / (1 + shape.replicas));
  const floorMs =
    networkMs +
    capacity.busiestShard(
      { ...work, readPerSecond: 1, writePerSecond: 0 },
      1,
      times['redis.read'],
      times['redis.write'],
    ).p99Ms;
  if (floorMs > work.p99Ms) {
    const reason = 'the network and an idle server alone take longer than the p99 asked';
    return unsized(
      excuse(
        shape.option,
        reason,
        'latency.p99Ms',
        { floorMs, p99Ms: work.p99Ms },
        { key: 'latency.p99Ms', to: Math.ceil(floorMs * 2) },
      ),
    );
  }
  const clients = clientsOfNode(input, shape);
  if (clients > capacity.maxClients) {
    const reason = 'every client connects to every node, whatever the number of shards';
    return unsized(excuse(shape.option, reason, 'connections', { clients, maxClients: capacity.maxClients }));
  }
  const floor = Math.max(shape.minShards, Number(input.options.minShards ?? 1));
  for (let shards = floor; shards <= maxShards; shards = Math.max(shards + 1, Math.floor(shards * 1.02))) {
    const busiest = capacity.busiestShard(work, shards, times['redis.read'], times['redis.write']);
    const memory = capacity.maxmemoryMiB(work.totalMiB, work.payloadBytes, shards);
    if (busiest.load > capacity.maxLoad || busiest.p99Ms + networkMs > work.p99Ms || memory > capacity.maxMiBPerShard)
      continue;
    return sized(input, shape, { work, shards, busiest, networkMs, memory });
  }
  const last = capacity.busiestShard(work, maxShards, times['redis.read'], times['redis.write']);
  const reason = `even ${maxShards} shards do not carry it: the hottest key stays on one`;
  const rate = work.readPerSecond + work.writePerSecond;
  const fits = Math.floor((rate * capacity.maxLoad) / Math.max(last.load, 1e-9) / 2);
  return unsized(
    excuse(
      shape.option,
      reason,
      'rate',
      { load: last.load, maxLoad: capacity.maxLoad, rate },
      { key: 'rate.readPerSecond', to: fits },
    ),
  );
}

interface Fit {
  readonly work: capacity.Work;
  readonly shards: number;
  readonly busiest: capacity.ShardLoad;
  readonly networkMs: number;
  readonly memory: number;
}

function sized(input: SizeInput, shape: Shape, fitted: Fit): Outcome {
  const { requirements: r, hardware } = input;
  const { shards, memory } = fitted;
  const durable = shape.mode === 'store';
  const perProcess = capacity.processMiB(memory, durable);
  const machine = cheapest(hardware, 1, perProcess / 1024 + 0.5);
  const api = cheapest(hardware, 1, 1);
  if (!machine || !api) {
    const reason = 'no machine on offer has the memory of one shard';
    return unsized(excuse(shape.option, reason, 'memory', { perProcessMiB: perProcess }));
  }
  const sizing = sizingOf(input, shape, fitted, perProcess);
  const nodes = shards * (1 + shape.replicas);
  const apis = sizing.apiInstances;
  return {
    kind: 'sized',
    sizing,
    machines: [
      { machine: machine.name, count: nodes, for: 'redis' },
      ...(apis > 0 ? [{ machine: api.name, count: apis, for: 'api' }] : []),
    ],
    demands: [],
    decisions: decisions(input, shape, sizing, fitted),
    predictions: predictions(r, sizing, fitted, clientsOfNode(input, shape)),
    rejected: [],
    guarantees: { kv: guarantees(sizing) },
  };
}

function sizingOf(input: SizeInput, shape: Shape, { work, shards, memory }: Fit, perProcess: number): StoreSizing {
  const { requirements: r, demands } = input;
  const durable = shape.mode === 'store';
  const user = demands.find((demand) => demand.from === 'user');
  const waited = durable && r.loss.rpoMs < shape.timeoutMs;
  return {
    mode: shape.mode,
    shards,
    replicasPerShard: shape.replicas,
    maxmemoryMiB: memory,
    memoryMiBPerProcess: perProcess,
    nodeTimeoutMs: shape.timeoutMs,
    appendFsync: durable ? 'everysec' : 'no',
    waitReplicas: waited ? 1 : 0,
    waitTimeoutMs: Math.max(100, Math.round(r.latency.p99Ms * 10)),
    apiInstances: user ? apiInstances(input, user) : 0,
    readPerSecond: user?.readPerSecond ?? 0,
    writePerSecond: user?.writePerSecond ?? 0,
    payloadBytes: work.payloadBytes,
    totalMiB: work.totalMiB,
  };
}

/** One Node process is one server; a second instance so that one may be lost. */
function apiInstances(input: SizeInput, user: Demand): number {
  const time = input.measured['kv.api'] ?? capacity.serviceTimePriors['kv.api'];
  const busy = ((user.readPerSecond + user.writePerSecond) * time.meanUs) / 1e6;
  return Math.max(2, Math.ceil(busy / capacity.maxLoad));
}

function guarantees(sizing: StoreSizing): Guarantees {
  const durable = sizing.mode === 'store';
  return {
    evicts: !durable,
    durability: durable ? 'disk' : 'none',
    replicas: sizing.replicasPerShard,
    atomicScripts: true,
    waitsForReplica: durable && sizing.replicasPerShard > 0,
    failoverLossMs: durable ? sizing.nodeTimeoutMs : Number.MAX_SAFE_INTEGER,
    failoverMs: durable ? capacity.failoverMs(sizing.nodeTimeoutMs) : 0,
  };
}

function decisions(input: SizeInput, shape: Shape, sizing: StoreSizing, fitted: Fit): readonly Decision[] {
  const { requirements: r } = input;
  const { busiest } = fitted;
  const shards: Decision = {
    about: 'shards',
    chosen: `${sizing.shards}`,
    because: whyShards(input, sizing),
    numbers: { busiestLoad: busiest.load, maxLoad: capacity.maxLoad, maxmemoryMiB: sizing.maxmemoryMiB },
    from: ['rate.readPerSecond', 'rate.writePerSecond', 'rate.peakFactor', 'data.totalMiB', 'latency.p99Ms', 'options'],
    source: 'prior',
  };
  const mode: Decision = {
    about: 'mode',
    chosen: sizing.mode === 'store' ? 'Redis Cluster' : 'ketama ring without ejection',
    because:
      sizing.mode === 'store'
        ? 'acknowledged writes are to survive the loss of a machine'
        : 'data may be lost; a ring needs no replicas, and without ejection a node that comes back serves nothing stale',
    numbers: { rpoMs: r.loss.rpoMs, cacheFromRpoMs },
    from: ['loss.rpoMs', 'consistency.level'],
  };
  return sizing.mode === 'cache' ? [mode, shards] : [mode, shards, ...durability(r, shape, sizing)];
}

function whyShards({ options }: SizeInput, { mode, shards }: StoreSizing): string {
  if (shards > capacity.minPrimaries && shards === options.minShards)
    return 'asked for; the load alone would need no more';
  if (mode === 'store' && shards === capacity.minPrimaries) {
    return 'a failover needs a majority of the primaries: with two, one lost leaves none; the load alone would need fewer';
  }
  return 'the least number within load, p99 and memory of the busiest shard';
}

function durability(r: SizeInput['requirements'], shape: Shape, sizing: StoreSizing): readonly Decision[] {
  return [
    {
      about: 'replicas',
      chosen: `${sizing.replicasPerShard} a shard`,
      because:
        sizing.replicasPerShard > 1
          ? 'writes wait for a replica: when one machine is lost, another must still be there to wait for'
          : 'copies for the availability and the loss asked',
      numbers: { target: r.availability.target, replicas: sizing.replicasPerShard },
      from: ['availability.target', 'loss.rpoMs'],
    },
    {
      about: 'cluster-node-timeout',
      chosen: `${shape.timeoutMs} ms`,
      because: `suspected after one time-out, agreed on within half of another, then ${capacity.electionMs} ms of election and refresh`,
      numbers: { recoveryMs: r.availability.recoveryMs, failoverMs: capacity.failoverMs(shape.timeoutMs) },
      from: ['availability.recoveryMs'],
    },
    {
      about: 'durability',
      chosen: sizing.waitReplicas > 0 ? 'append-only file every second, WAIT 1' : 'append-only file every second',
      because:
        sizing.waitReplicas > 0
          ? 'a primary cut off takes writes for up to a node time-out that a failover forgets: a write is acknowledged once a replica has it'
          : 'what a failover may forget is within the loss allowed',
      numbers: {
        rpoMs: r.loss.rpoMs,
        lossWithoutWaitMs: shape.timeoutMs,
        lossOfAofEverySecMs: 1000,
        lossOfAofAlwaysMs: 0,
      },
      from: ['loss.rpoMs'],
    },
  ];
}

function predictions(
  r: SizeInput['requirements'],
  sizing: StoreSizing,
  fitted: Fit,
  clients: number,
): readonly Prediction[] {
  const of = (metric: string, predicted: number, bound: number, unit: string): Prediction => ({
    metric,
    predicted,
    bound,
    unit,
    margin: predicted > 0 ? bound / predicted : Number.MAX_SAFE_INTEGER,
  });
  const recovery =
    sizing.mode === 'store'
      ? [
          of(
            'recovery after a lost primary',
            capacity.failoverMs(sizing.nodeTimeoutMs),
            r.availability.recoveryMs,
            'ms',
          ),
        ]
      : [];
  return [
    of('p99 of a request', fitted.busiest.p99Ms + fitted.networkMs, fitted.work.p99Ms, 'ms'),
    of('connections of a node', clients, capacity.maxClients, ''),
    of('load of the busiest shard', fitted.busiest.load, capacity.maxLoad, ''),
    ...recovery,
  ];
}
