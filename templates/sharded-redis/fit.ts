/** The least number of shards, and the cheapest machine, within load, latency, memory and network. */

import { cheapest } from '../../src/capacity/hardware.ts';
import { leastThat, p99Ms, serversFor } from '../../src/capacity/queueing.ts';
import type { Demand, Machine, Sized, SizeInput, Unsized } from '../../src/pattern.ts';
import { usersOf } from './access.ts';
import * as capacity from './capacity.ts';
import { excuse } from './excuse.ts';
import { explain } from './explain.ts';
import { type Fitted, type Latency, type Limit, p99At, type Shape } from './fitted.ts';
import type { StoreSizing } from './sizing.ts';

/** The search's fixed part. */
interface Search {
  readonly input: SizeInput;
  readonly shape: Shape;
  readonly times: capacity.ServiceTimes;
  readonly latencies: readonly Latency[];
}

export function fitShards(input: SizeInput, shape: Shape): Sized<StoreSizing> | Unsized {
  const times: capacity.ServiceTimes = { ...capacity.serviceTimePriors, ...input.measured };
  const user = input.demands.find((demand) => demand.from === 'user');
  const apis = user === undefined ? 0 : apiInstances(user, shape, times);
  const latencies = input.demands.map((demand) => latencyOf(demand, { input, shape, times, apis }));
  const search: Search = { input, shape, times, latencies };
  const connections = connectionsOf(input, shape, apis);
  const fitted = connections > capacity.maxClients ? null : cheapestFit(search, connections);
  return fitted === null ? refuse(search, connections) : sized(search, fitted, apis);
}

/** Of one server: every client connects to every server, as each replica does to its primary. */
function connectionsOf({ demands }: SizeInput, { replicas }: Shape, apis: number): number {
  const others = demands.reduce((sum, { from, clients }) => sum + (from === 'user' ? 0 : (clients ?? 1)), 0);
  return (apis + others) * capacity.connectionsPerClient + replicas + capacity.spareConnections;
}

/** The mode's own least number, or the user's. */
function floorOf({ options }: SizeInput, { minShards }: Shape): number {
  return Math.max(minShards, typeof options.minShards === 'number' ? options.minShards : 1);
}

const maxShardsOf = ({ replicas }: Shape) => Math.floor(capacity.maxNodes / (1 + replicas));

/**
 * The least number of shards on each machine on offer, and of these the cheapest: one shard more may fit a smaller
 * machine. With more asked, no pair of number and machine begins to fit, so that no plan ever becomes cheaper by it.
 */
function cheapestFit(search: Search, connections: number): Fitted | null {
  const { input, shape } = search;
  const floor = floorOf(input, shape);
  let best: { readonly shards: number; readonly machine: Machine; readonly usd: number } | null = null;
  for (const machine of input.hardware.machines) {
    const fits = (shards: number) => limitOf(search, shards, machine) === null;
    const shards = leastThat(fits, floor, maxShardsOf(shape));
    if (shards === null) continue;
    const usd = shards * machine.usdPerMonth;
    if (best === null || usd < best.usd || (usd === best.usd && shards < best.shards)) best = { shards, machine, usd };
  }
  if (best === null) return null;
  const { shards, machine } = best;
  const binding = shards > floor ? limitOf(search, shards - 1, machine) : null;
  return { ...loadOf(search, shards), shards, machine, latencies: search.latencies, connections, binding };
}

function loadOf({ input, shape, times }: Search, shards: number) {
  const maxmemoryMiB = capacity.maxmemoryMiB(input.demands, shards);
  return {
    busiest: capacity.busiestShard(input.demands, shards, shape.replicas, times, shape.sharesOf),
    maxmemoryMiB,
    processMiB: capacity.processMiB(maxmemoryMiB, shape.mode === 'store'),
  };
}

/** What so many shards on that machine would break; null: nothing. */
function limitOf(search: Search, shards: number, machine: Machine): Limit | null {
  const { busiest, maxmemoryMiB, processMiB } = loadOf(search, shards);
  if (maxmemoryMiB > capacity.maxMiBPerShard || machine.memoryGiB < processMiB / 1024 + systemGiB) return 'memory';
  if (busiest.load > capacity.maxLoad) return 'load';
  if (!capacity.carries(machine.networkGbps, busiest.networkGbps)) return 'network';
  return search.latencies.every((each) => p99At(each, busiest, machine) <= each.demand.p99Ms) ? null : 'p99';
}

/** Left to the operating system. */
const systemGiB = 0.5;

interface Around extends Omit<Search, 'latencies'> {
  readonly apis: number;
}

function latencyOf(demand: Demand, { input, shape, times, apis }: Around): Latency {
  const { crossZone } = input.hardware.roundTripMs;
  const isUsers = demand.from === 'user';
  const isWaiting = isUsers ? waitsForUser(input, shape) : demand.guarantees.waitsForReplica === true;
  const syncsMs = capacity.fsyncOf(input.options) === 'always' ? capacity.syncsMs(input.hardware) : 0;
  const beyond = crossZone * (isWaiting ? 2 : 1) + syncsMs;
  if (!isUsers) return { demand, aroundMs: beyond };
  return { demand, aroundMs: beyond + p99Ms(rateOf(demand) / apis, apiTime(demand, times)) };
}

const rateOf = ({ readPerSecond, writePerSecond }: Demand) => readPerSecond + writePerSecond;

/** The user's own writes wait only where their loss asks for it. */
export function waitsForUser({ requirements }: SizeInput, { mode, timeoutMs }: Shape): boolean {
  return mode === 'store' && capacity.mustWait(requirements.loss.rpoMs, timeoutMs);
}

function apiTime(user: Demand, times: capacity.ServiceTimes) {
  return { ...times['kv.api'], meanUs: capacity.serviceUs(times, 'kv.api', user.payloadBytes) };
}

/** One Node process is one server; half of the p99 is left to the store. */
function apiInstances(user: Demand, { minApis }: Shape, times: capacity.ServiceTimes): number {
  const bounds = { from: minApis, maxLoad: capacity.maxLoad, boundMs: user.p99Ms / 2 };
  return serversFor(rateOf(user), apiTime(user, times), bounds);
}

/** Why nothing fits, on the machine that is best at what is lacking, and what to relax; generously: the planner tightens it. */
function refuse(search: Search, connections: number): Unsized {
  const { input, shape, latencies } = search;
  const of = (...args: Parameters<typeof excuse>): Unsized => ({ kind: 'unsized', rejected: [excuse(...args)] });
  const lowerRate = (factor: number) => {
    const { key, perSecond } = heaviest(input.requirements);
    return { key, to: Math.max(1, Math.floor(perSecond * factor)) };
  };
  if (connections > capacity.maxClients) {
    const numbers = { connections, maxClients: capacity.maxClients };
    const reason = 'every client connects to every server, whatever the number of shards';
    return of(shape.option, reason, 'connections', numbers, lowerRate((capacity.maxClients / connections) * 0.5));
  }
  const shards = maxShardsOf(shape);
  const { busiest, maxmemoryMiB } = loadOf(search, shards);
  const { limit, machine } = nearest(search, shards);
  if (limit === 'p99') {
    const slowest = latencies.reduce((a, b) => (b.aroundMs - b.demand.p99Ms > a.aroundMs - a.demand.p99Ms ? b : a));
    const numbers = { leastMs: p99At(slowest, busiest, machine), p99Ms: slowest.demand.p99Ms };
    const reason = 'the network, the service before it and the busiest shard take longer than the p99 asked';
    const to = Math.ceil(numbers.leastMs * 20 + slowest.demand.p99Ms);
    return of(shape.option, reason, 'latency.p99Ms', numbers, { key: 'latency.p99Ms', to });
  }
  if (limit === 'memory') {
    const to = Math.max(1, Math.floor((totalMiB(input.demands) * capacity.maxMiBPerShard) / maxmemoryMiB / 8));
    const numbers = { maxmemoryMiB, maxMiBPerShard: capacity.maxMiBPerShard, shards };
    return of(shape.option, `even ${shards} shards do not hold it`, limit, numbers, { key: 'data.totalMiB', to });
  }
  const numbers = { load: busiest.load, maxLoad: capacity.maxLoad, networkGbps: busiest.networkGbps, shards };
  const carried = (machine.networkGbps ?? Number.MAX_VALUE) / Math.max(busiest.networkGbps, 1e-9);
  const reason = `even ${shards} shards do not carry it: the hottest key stays on one`;
  return of(shape.option, reason, limit, numbers, lowerRate(Math.min(capacity.maxLoad / busiest.load, carried) * 0.1));
}

/** The machine on which the search comes furthest: past memory, then load, then network. */
function nearest(search: Search, shards: number): { readonly limit: Limit; readonly machine: Machine } {
  const order: readonly Limit[] = ['memory', 'load', 'network', 'p99'];
  const tried = search.input.hardware.machines.map((machine) => ({
    machine,
    limit: limitOf(search, shards, machine) ?? 'p99',
  }));
  const best = tried.reduce((a, b) => (order.indexOf(b.limit) > order.indexOf(a.limit) ? b : a));
  const speed = ({ machine }: { readonly machine: Machine }) => machine.networkGbps ?? Number.MAX_VALUE;
  return tried.filter(({ limit }) => limit === best.limit).reduce((a, b) => (speed(b) > speed(a) ? b : a), best);
}

const totalMiB = (demands: readonly Demand[]) => demands.reduce((sum, demand) => sum + demand.totalMiB, 0);

/** The rate that is to be relaxed first: of the user's two, the higher. */
function heaviest({ rate }: SizeInput['requirements']): { readonly key: string; readonly perSecond: number } {
  const [read, write] = [rate.readPerSecond.high, rate.writePerSecond.high];
  return read > write
    ? { key: 'rate.readPerSecond', perSecond: read }
    : { key: 'rate.writePerSecond', perSecond: write };
}

function sized({ input, shape, times }: Search, fitted: Fitted, apis: number): Sized<StoreSizing> | Unsized {
  const api = cheapest(input.hardware, { vcpus: 1, memoryGiB: 1 });
  if (api === undefined) {
    const numbers = { memoryGiB: 1, machines: input.hardware.machines.length };
    return {
      kind: 'unsized',
      rejected: [excuse(shape.option, 'no machine on offer carries the service', 'memory', numbers)],
    };
  }
  const sizing = sizingOf({ input, shape, times }, fitted, apis);
  return {
    kind: 'sized',
    sizing,
    machines: [
      { machine: fitted.machine.name, count: fitted.shards * (1 + shape.replicas), for: 'redis' },
      ...(apis > 0 ? [{ machine: api.name, count: apis, for: 'api' }] : []),
    ],
    demands: [],
    ...explain(input, shape, fitted, sizing),
    guarantees: {
      kv: {
        evicts: shape.mode === 'cache',
        durability: shape.mode === 'store' ? 'disk' : 'none',
        replicas: shape.replicas,
        atomicScripts: true,
        waitsForReplica: shape.replicas > 0,
        encrypted: sizing.tls,
        failoverLossMs: shape.mode === 'store' ? shape.timeoutMs : Number.MAX_SAFE_INTEGER,
        failoverMs: shape.mode === 'store' ? capacity.failoverMs(shape.timeoutMs) : input.hardware.machineRepairMs,
      },
    },
  };
}

function sizingOf({ input, shape, times }: Omit<Search, 'latencies'>, fitted: Fitted, apis: number): StoreSizing {
  const { requirements: r, demands } = input;
  const user = demands.find((demand) => demand.from === 'user');
  const isWaiting = waitsForUser(input, shape);
  return {
    mode: shape.mode,
    shards: fitted.shards,
    replicasPerShard: shape.replicas,
    maxmemoryMiB: fitted.maxmemoryMiB,
    memoryMiBPerProcess: fitted.processMiB,
    nodeTimeoutMs: shape.timeoutMs,
    appendFsync: shape.mode === 'store' ? capacity.fsyncOf(input.options) : 'no',
    waitReplicas: isWaiting ? 1 : 0,
    waitTimeoutMs: Math.max(100, Math.round(r.latency.p99Ms * 10)),
    apiInstances: apis,
    readPerSecond: user?.readPerSecond ?? 0,
    writePerSecond: user?.writePerSecond ?? 0,
    busyCpus: Number(capacity.totalLoad(demands, shape.replicas, times).toPrecision(6)),
    payloadBytes: (user ?? demands[0])?.payloadBytes ?? 1,
    totalMiB: totalMiB(demands),
    users: usersOf(demands),
    tls: isEncrypted(input),
    ambassador: input.options.ambassador === true && apis > 0,
  };
}

/** The user's wish for this part, or another part's for what it keeps here. */
function isEncrypted({ options, demands }: SizeInput): boolean {
  return options.tls === true || demands.some(({ guarantees }) => guarantees.encrypted === true);
}
