/** Pure arithmetic of the rate limiter. Figures with their sources. */

import type { ServiceTime } from '../../src/pattern.ts';

export const serviceTimePriors = {
  'limiter.check': {
    meanUs: 120,
    scv: 1,
    source: 'prior',
    citation: 'a Fastify handler with a batched script call, one core',
  },
} as const satisfies Record<string, ServiceTime>;

/** A Node process above this load has no room for garbage collection or a burst. */
export const maxLoad = 0.5;

/** Bytes of one caller's entry in a bucket's hash. */
export const bytesPerKey = 120;

/**
 * Server time of one check in the store ÷ that of a plain write: prior, 22 µs of CPU for the script with one check and 3 µs
 * with 64 (redis-server 7.0). Taken as if no two checks ever shared a call.
 */
export const scriptCost = 1.4;

/** Checks a second that one shard of a store carries at a sensible load, by which the buckets are counted. */
const checksPerShard = 25_000;
/** Fewer make larger batches, more spread better: five a shard keep the busiest within a seventh of the mean. */
const bucketsPerShard = 5;

/** The least: for as many shards as the checks alone need, and at least for a cluster's three. */
export function leastBuckets(checksPerSecond: number): number {
  return Math.max(3, checksPerSecond / checksPerShard) * bucketsPerShard;
}

/** {@link leastBuckets}, rounded up to a power of two, so that small changes of the rate do not move every key. */
export function bucketsFor(checksPerSecond: number): number {
  return 2 ** Math.ceil(Math.log2(leastBuckets(checksPerSecond)));
}

export interface Policy {
  readonly limit: number;
  readonly periodMs: number;
  readonly burst: number;
}

/**
 * GCRA admits at most burst + limit × t / periodMs in any time t. As a rate, the limit is the rate and the burst. As a
 * hard cap, burst + limit ≤ cap in one period: half of it may be used at once, the other half comes back over the period.
 */
export function policyFor(cap: number, periodMs: number, hardCap: boolean): Policy {
  if (!hardCap) return { limit: cap, periodMs, burst: cap };
  const burst = Math.max(1, Math.floor(cap / 2));
  return { limit: cap - burst, periodMs, burst };
}

/** Fewer units leased at a time save no call of the store. */
export const leastChunk = 2;

/**
 * Units that each instance may lease of a key, as the service works it out: the allowed error divided by the instances, and
 * by one more, for while they are replaced one after the other there is one more of them.
 */
export function chunkFor({ allowedError, burst }: { allowedError: number; burst: number }, instances: number): number {
  const chunk = Math.min(burst, Math.floor(allowedError / (instances + 1)));
  return chunk < leastChunk ? 0 : chunk;
}

/** What a failover admits beyond the limit for one key when 200 does not wait for a replica: burst + rate × lost time. */
export function slackPerFailover(policy: Policy, lostMs: number): number {
  return policy.burst + (policy.limit / policy.periodMs) * lostMs;
}
