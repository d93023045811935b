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

/** Buckets spread the callers over the store's shards: fewer make larger batches. */
export const buckets = 16;

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

/** What a failover admits beyond the limit for one key when 200 does not wait for a replica: burst + rate × lost time. */
export function slackPerFailover(policy: Policy, lostMs: number): number {
  return policy.burst + (policy.limit / policy.periodMs) * lostMs;
}
