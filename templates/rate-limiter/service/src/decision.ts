/** What a caller is answered, and how it follows from what the store (or the lack of it) said. */

import type { Ruling } from './buckets.ts';
import { standing } from './gcra.ts';
import type { Policy } from './policies.ts';

/**
 * Why a decision is not the store's own on this check alone.
 * - `shadow`: it would have been refused, but the policy is in shadow mode.
 * - `set`: it fits, but another check of the atomic set does not.
 * - `store`: the store could not be asked, and the policy's onStoreFailure decided.
 * - `unreplicated`: too few replicas confirmed in time. The units may have been taken.
 */
export type Reason = 'shadow' | 'set' | 'store' | 'unreplicated';

export interface Decision {
  readonly policy: Policy;
  readonly allowed: boolean;
  readonly limit: number;
  /** Whole units that fit now; 0 when nobody knows. */
  readonly remaining: number;
  /** Until all of the burst is there again. */
  readonly resetMs: number;
  /** Until the cost fits if nobody else takes from the key; 0 when allowed. */
  readonly retryAfterMs: number;
  /** Until one unit more than `remaining` fits; null when nobody knows what the key has left. */
  readonly nextUnitMs: number | null;
  readonly reason?: Reason;
}

/** The decision that a ruling of the store (or of the local share, or a lease) makes on a check of `cost`. */
export function decisionOf(policy: Policy, cost: number, ruling: Ruling, reason?: Reason): Decision {
  const { allowed, debtTicks, rate } = ruling;
  const { remaining, resetMs, retryAfterMs, nextUnitMs } = standing(rate, debtTicks, allowed ? 0 : cost);
  const { limit } = policy;
  if (!allowed && policy.shadow) {
    return { policy, allowed: true, limit, remaining, resetMs, retryAfterMs: 0, nextUnitMs, reason: 'shadow' };
  }
  if (reason === undefined) return { policy, allowed, limit, remaining, resetMs, retryAfterMs, nextUnitMs };
  return { policy, allowed, limit, remaining, resetMs, retryAfterMs, nextUnitMs, reason };
}

/** A decision without any knowledge of the key. */
export function blindDecision(policy: Policy, allowed: boolean, retryMs: number, reason: Reason): Decision {
  const waitMs = allowed ? 0 : retryMs;
  const { limit } = policy;
  return { policy, allowed, limit, remaining: 0, resetMs: waitMs, retryAfterMs: waitMs, nextUnitMs: null, reason };
}
