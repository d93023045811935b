/** Pure arithmetic of sharded Redis: load, memory, network, failover and loss. Figures with their sources. */

import { networkShare } from '../../src/capacity/hardware.ts';
import { busiestPieces, hottestShare, mixOf, p99Ms } from '../../src/capacity/queueing.ts';
import { usualExponent } from '../../src/key-skew.ts';
import type { Demand, Requirements, ServiceTime, SizeInput } from '../../src/pattern.ts';

/** One single-threaded redis-server, a command at a time for each connection; and the HTTP service before it. */
export const serviceTimePriors = {
  'redis.read': {
    meanUs: 11,
    scv: 1,
    source: 'published',
    citation: 'GET 92 600/s on one core without pipelining (twemproxy, notes/redis.md)',
  },
  'redis.write': {
    meanUs: 16,
    scv: 1,
    source: 'prior',
    citation: 'SET 74 000/s (Redis documentation, benchmarks), and the append-only file and two replicas on top',
  },
  'redis.replica': {
    meanUs: 8,
    scv: 1,
    source: 'prior',
    citation: 'a replica applies a write without a client of its own: about half of the primary’s time',
  },
  'kv.api': { meanUs: 65, scv: 1, source: 'prior', citation: 'a Fastify handler with one store round trip, one core' },
} as const satisfies Record<string, ServiceTime>;

export type ServiceTimes = Readonly<Record<keyof typeof serviceTimePriors, ServiceTime>>;

/**
 * What each byte of a value adds, in µs: prior, from the CPU time of redis-server 7.0 between 64 B and 256 KiB. A write
 * is copied into the append-only file and to two replicas.
 */
export const usPerByte = {
  'redis.read': 0.0003,
  'redis.write': 0.002,
  'redis.replica': 0.001,
  'kv.api': 0.001,
} as const;

/** 16384 slots are far more than enough; a cluster's gossip grows with the square of its nodes, 1000 is its limit. */
export const maxNodes = 1000;
/** A failover is voted by a majority of the primaries: with 2, one lost leaves no majority. */
export const minPrimaries = 3;
/** A larger process takes long to fork for an AOF rewrite and to sync to a new replica. */
export const maxMiBPerShard = 12 * 1024;
/** A shard above this load has no room for a burst, a rewrite or a neighbour's slots. */
export const maxLoad = 0.6;
/** Redis' own default of maxclients; the file descriptors of a process end near it. */
export const maxClients = 10_000;
/** The kit keeps two to a server: writes that wait for a replica have one of their own. */
export const connectionsPerClient = 2;
/** Tools and people that look at a server. */
export const spareConnections = 16;
/** Exponent of Zipf's law by which keys are asked, at its highest. */
export const keySkewOf = ({ rate }: Requirements) => rate.keySkew?.high ?? usualExponent;
/** Commands reach a shard in bursts: an event loop's turn writes what it gathered. Of the times between them. */
const arrivalScv = 2;
/** Memory of data in Redis ÷ its own bytes: jemalloc's classes and fragmentation. */
const fragmentation = 1.25;
/** Hash table entry, key and value headers, expiry: bytes a key. */
const bytesPerKeyOverhead = 90;
/** The fullest shard ÷ the mean. */
const imbalance = 1.15;
/** Pages copied while a child rewrites the append-only file, as a share of the data (half the pages touched). */
const copyOnWrite = 0.5;
/** Replication backlog, client buffers, the process itself. */
const fixedMiB = 96;

/** maxmemory of each of `shards`, in MiB: every demand's data with overhead and fragmentation, unevenly spread. */
export function maxmemoryMiB(demands: readonly Demand[], shards: number): number {
  const dataMiB = demands.reduce(
    (sum, demand) => sum + demand.totalMiB + (keysOf(demand) * bytesPerKeyOverhead) / 2 ** 20,
    0,
  );
  return Math.ceil((dataMiB * fragmentation * imbalance) / shards) + 16;
}

/** What a machine must have for a process with that maxmemory. */
export function processMiB(maxmemory: number, durable: boolean): number {
  return Math.ceil(maxmemory * (1 + (durable ? copyOnWrite : 0.1))) + fixedMiB;
}

export function keysOf(demand: Demand): number {
  return Math.max(1, demand.keys ?? Math.floor((demand.totalMiB * 2 ** 20) / demand.payloadBytes));
}

/** Server time of one operation on a value of `bytes`. `cost`: of a write that is more than a plain one. */
export function serviceUs(times: ServiceTimes, kind: keyof ServiceTimes, bytes: number, cost = 1): number {
  return times[kind].meanUs * cost + bytes * usPerByte[kind];
}

export interface ShardLoad {
  /** Of the busiest shard, 0 to 1 and above. */
  readonly load: number;
  /** Of a command there, wait and service, without the network. */
  readonly p99Ms: number;
  /** Each way: what clients send and are sent, and what goes to replicas. */
  readonly networkGbps: number;
}

/** Of a demand's reads and writes, the shares that meet on the busiest of so many shards. */
export type Shares = (demand: Demand, shards: number) => { readonly read: number; readonly write: number };

/** One key is on one shard, whatever is asked of it. */
export function sharesBySkew(keySkew: number): Shares {
  return (demand, shards) => {
    const share = shareOfBusiest(demand, shards, keySkew);
    return { read: share, write: share };
  };
}

/** The busiest of `shards`, if it is the busiest for every demand: a single server (M/G/1, Kingman for bursts). */
export function busiestShard(
  demands: readonly Demand[],
  shards: number,
  replicas: number,
  times: ServiceTimes,
  sharesOf: Shares,
): ShardLoad {
  const shares = demands.map((demand) => ({ demand, share: sharesOf(demand, shards) }));
  const mix = mixOf(
    shares.flatMap(({ demand: { readPerSecond, writePerSecond, payloadBytes, writeCost }, share }) => [
      {
        ratePerSecond: readPerSecond * share.read,
        meanUs: serviceUs(times, 'redis.read', payloadBytes),
        scv: times['redis.read'].scv,
      },
      {
        ratePerSecond: writePerSecond * share.write,
        meanUs: serviceUs(times, 'redis.write', payloadBytes, writeCost),
        scv: times['redis.write'].scv,
      },
    ]),
  );
  const bytesPerSecond = shares.reduce(
    (sum, { demand, share }) =>
      sum +
      demand.payloadBytes *
        (demand.readPerSecond * share.read + demand.writePerSecond * share.write * Math.max(1, replicas)),
    0,
  );
  return {
    load: (mix.ratePerSecond * mix.meanUs) / 1e6,
    p99Ms: p99Ms(mix.ratePerSecond, mix, arrivalScv),
    networkGbps: (bytesPerSecond * 8) / 1e9,
  };
}

export function shareOfBusiest(demand: Demand, shards: number, keySkew: number): number {
  const byKey = hottestShare(shards, keysOf(demand), keySkew);
  return demand.pieces === undefined ? byKey : Math.max(byKey, busiestPieces(shards, demand.pieces));
}

/** CPU seconds a second of all servers together, replicas included. */
export function totalLoad(demands: readonly Demand[], replicas: number, times: ServiceTimes): number {
  return demands.reduce((sum, { readPerSecond, writePerSecond, payloadBytes, writeCost }) => {
    const writeUs = serviceUs(times, 'redis.write', payloadBytes, writeCost);
    const readUs = serviceUs(times, 'redis.read', payloadBytes);
    return sum + (readPerSecond * readUs + writePerSecond * (1 + replicas) * writeUs) / 1e6;
  }, 0);
}

/** Whether a machine's network carries that much, at the share that a plan uses. */
export const carries = (networkGbps: number | undefined, asked: number) =>
  asked <= (networkGbps ?? Number.POSITIVE_INFINITY) * networkShare;

/**
 * cluster-node-timeout for service back within `affordableMs`: a node is pinged at least every half of the time-out and
 * suspected one time-out later, then {@link electionMs}.
 */
export function nodeTimeoutMs(affordableMs: number): number {
  return Math.min(15_000, Math.max(0, Math.floor((affordableMs - electionMs) / 1.5 / 100) * 100));
}

/** The share of the recovery time that the plan spends. */
export const recoveryReserve = 0.8;
/** Gossip to a majority (1 s), 500 ms and a random 500 ms before a replica asks for votes, the vote, the clients' new map. */
export const electionMs = 3500;
/** Below it, a busy machine's pauses would start failovers. */
export const minNodeTimeoutMs = 1000;

/**
 * A loss below this is met by waiting for a replica, not by a short time-out: a detector that is as quick as that takes
 * pauses for losses, and each failover that it starts forgets writes of its own.
 */
export const leastLossMs = 5000;

/** Loss of everything is tolerated from here on: an hour's data is a cache's. */
export const cacheFromRpoMs = 3_600_000;

/** A primary that is cut off takes writes for up to a node time-out, and a failover forgets them. */
export function mustWait(rpoMs: number, timeoutMs: number): boolean {
  return rpoMs < Math.max(timeoutMs, leastLossMs);
}

export function fsyncOf({ fsync }: SizeInput['options']): 'everysec' | 'always' {
  return fsync === 'always' ? 'always' : 'everysec';
}

/**
 * What `appendfsync always` adds to a request, in ms: a server writes and syncs what one turn of its event loop took up, so
 * that a command waits for the sync under way and, if it writes or comes with one that does, for its own.
 */
export const syncsMs = ({ diskSyncMs }: SizeInput['hardware']): number => 2 * diskSyncMs;

/** Time that a key is away when its primary is lost. */
export function failoverMs(timeoutMs: number): number {
  return Math.ceil(timeoutMs * 1.5) + electionMs;
}
