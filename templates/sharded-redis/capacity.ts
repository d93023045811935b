/** Pure arithmetic of sharded Redis: shards, memory, failover and loss. Figures with their sources. */

import { hottestShare, p99Ms } from '../../src/capacity/queueing.ts';
import type { Demand, ServiceTime } from '../../src/pattern.ts';

/** One single-threaded redis-server; without pipelining it answers 80 000 to 120 000 small commands a second. */
export const serviceTimePriors = {
  'redis.read': { meanUs: 11, scv: 1, source: 'prior', citation: 'about 90 000 GET/s on one core without pipelining' },
  'redis.write': { meanUs: 16, scv: 1, source: 'prior', citation: 'SET with an append-only file flushed every second' },
  'kv.api': { meanUs: 110, scv: 1, source: 'prior', citation: 'a Fastify handler with one store round trip, one core' },
} as const satisfies Record<string, ServiceTime>;

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
/** Exponent of Zipf's law by which keys are asked, where nothing is known. */
export const keySkew = 0.8;

/** Memory of data in Redis ÷ its own bytes: jemalloc's classes and fragmentation. */
const fragmentation = 1.25;
/** Hash table entry, key and value headers, expiry: bytes a key. */
const bytesPerKeyOverhead = 90;
/** Pages copied while a child rewrites the append-only file, as a share of the data (half the pages touched). */
const copyOnWrite = 0.5;
/** Replication backlog, client buffers, the process itself. */
const fixedMiB = 96;

/** maxmemory of each of `shards`, in MiB: data with overhead and fragmentation, spread with 15 % imbalance. */
export function maxmemoryMiB(totalMiB: number, payloadBytes: number, shards: number): number {
  const perKey = (payloadBytes + bytesPerKeyOverhead) / payloadBytes;
  return Math.ceil((totalMiB * perKey * fragmentation * 1.15) / shards) + 16;
}

/** What a machine must have for a process with that maxmemory. */
export function processMiB(maxmemory: number, durable: boolean): number {
  return Math.ceil(maxmemory * (1 + (durable ? copyOnWrite : 0.1))) + fixedMiB;
}

export interface Work {
  readonly readPerSecond: number;
  readonly writePerSecond: number;
  readonly payloadBytes: number;
  readonly totalMiB: number;
  /** The tightest of the demands. */
  readonly p99Ms: number;
}

/** All demands as one load: rates and amounts add up, the value size is the mean by rate. */
export function combine(demands: readonly Demand[]): Work {
  const sum = (of: (demand: Demand) => number) => demands.reduce((total, demand) => total + of(demand), 0);
  const rate = sum((d) => d.readPerSecond + d.writePerSecond);
  const weighted = sum((d) => d.payloadBytes * (d.readPerSecond + d.writePerSecond));
  return {
    readPerSecond: sum((d) => d.readPerSecond),
    writePerSecond: sum((d) => d.writePerSecond),
    payloadBytes: rate === 0 ? 256 : Math.max(1, Math.round(weighted / rate)),
    totalMiB: sum((d) => d.totalMiB),
    p99Ms: Math.min(...demands.map((d) => d.p99Ms)),
  };
}

export interface ShardLoad {
  /** Of the busiest shard, 0 to 1 and above. */
  readonly load: number;
  readonly p99Ms: number;
}

/** The busiest of `shards`: its load and the p99 of a command there (M/G/1), without the network. */
export function busiestShard(work: Work, shards: number, read: ServiceTime, write: ServiceTime): ShardLoad {
  const rate = work.readPerSecond + work.writePerSecond;
  if (rate === 0) return { load: 0, p99Ms: 0 };
  const keys = Math.max(1, Math.floor((work.totalMiB * 2 ** 20) / work.payloadBytes));
  const share = hottestShare(shards, keys, keySkew);
  const meanUs = (work.readPerSecond * read.meanUs + work.writePerSecond * write.meanUs) / rate;
  const time = { meanUs, scv: Math.max(read.scv, write.scv) };
  return { load: (rate * share * meanUs) / 1e6, p99Ms: p99Ms(rate * share, time) };
}

/**
 * cluster-node-timeout for service back within `recoveryMs`, with {@link recoveryReserve} to spare: a node is pinged at
 * least every half of the time-out and suspected one time-out later, then {@link electionMs}.
 */
export function nodeTimeoutMs(recoveryMs: number): number {
  const affordable = (recoveryMs * recoveryReserve - electionMs) / 1.5;
  return Math.min(15_000, Math.max(0, Math.floor(affordable / 100) * 100));
}

/** The share of the recovery time that the plan spends. */
export const recoveryReserve = 0.8;
/** Gossip to a majority (1 s), 500 ms and a random 500 ms before a replica asks for votes, the vote, the clients' new map. */
export const electionMs = 3500;
/** Below it, a busy machine's pauses would start failovers. */
export const minNodeTimeoutMs = 1000;

/** Time that a key is away when its primary is lost. */
export function failoverMs(timeoutMs: number): number {
  return Math.ceil(timeoutMs * 1.5) + electionMs;
}
