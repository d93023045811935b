/** What the bench needs to know of the limiter, read back from the part's sizing. */

import * as z from 'zod';
import type { Bucket } from '../../src/checkers/window-admission.ts';
import type { Json } from '../../src/pattern.ts';
import { bucketName, hash32 } from './service/src/bucket-names.ts';

const sizing = z.looseObject({
  policy: z.looseObject({
    name: z.string().min(1),
    limit: z.number().positive(),
    periodMs: z.number().positive(),
    burst: z.number().positive(),
  }),
  /** What a failover of the store may forget: the time that is not yet replicated, and the node time-out. */
  failoverLossMs: z.number().nonnegative().default(0),
  instances: z.number().int().positive().default(1),
  /** Units that one instance may hold for one key; 0: none, exact. */
  leaseChunk: z.number().int().nonnegative().default(0),
  buckets: z.number().int().positive().default(1),
});

export interface BenchPolicy extends Bucket {
  readonly name: string;
  /** A failover admits at most burst + rate × this more for each key; 0: it admits nothing more. */
  readonly failoverLossMs: number;
  /** Processes that share a limit while the store is away (onStoreFailure: local). */
  readonly instances: number;
  /** Units of a key that each instance may have leased and not spent; 0: exact. */
  readonly leaseChunk: number;
}

/** Throws ZodError when the sizing holds no policy. */
export function policyOf(partSizing: Json): BenchPolicy {
  const { policy, failoverLossMs, instances, leaseChunk } = sizing.parse(partSizing);
  const { name, limit, periodMs, burst } = policy;
  return { name, ratePerMs: limit / periodMs, burst, failoverLossMs, instances, leaseChunk };
}

/** The store's key of a caller's bucket; null where instances decide on leased units without the store. */
export function storedKey(key: string, partSizing: Json): string | null {
  const { policy, leaseChunk, buckets } = sizing.parse(partSizing);
  return leaseChunk > 0 ? null : bucketName(hash32(`${policy.name}:${key}`) % buckets);
}
