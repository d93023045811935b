/** The `local` fallback: this instance's share of each limit, held in memory while the store cannot be asked. */

import {
  compileRate,
  debtAt,
  type KeyState,
  maxRefillMs,
  type Quota,
  type Rate,
  refillMs,
  stateOf,
  take,
} from './gcra.ts';
import type { Policy } from './policies.ts';

/** Keys that are remembered; beyond it the one that was added first is forgotten. */
const maxKeys = 100_000;

export interface LocalRuling {
  readonly allowed: boolean;
  readonly debtTicks: number;
  readonly rate: Rate;
}

export interface LocalLimiter {
  /** Rules on the checks in order; with `atomic` either every one is charged or none. */
  check(
    checks: readonly { policy: Policy; field: string; cost: number }[],
    nowUs: number,
    atomic: boolean,
  ): LocalRuling[];
}

/** `instances` share the limit: limit ÷ instances, and a burst of burst ÷ instances, at least 1. */
export function createLocalLimiter(instances: number): LocalLimiter {
  const rates = new WeakMap<Policy, Rate>();
  const states = new Map<string, KeyState>();

  const rateOf = (policy: Policy) => {
    const known = rates.get(policy);
    if (known !== undefined) return known;
    const rate = compileRate(shareOf(policy, instances));
    rates.set(policy, rate);
    return rate;
  };
  const keep = (field: string, state: KeyState) => {
    if (states.size >= maxKeys && !states.has(field)) {
      for (const first of states.keys()) {
        states.delete(first);
        break;
      }
    }
    states.set(field, state);
  };

  return {
    check(checks, nowUs, atomic) {
      const before = new Map(checks.map(({ field }) => [field, states.get(field)]));
      const rulings = checks.map(({ policy, field, cost }) => {
        const rate = rateOf(policy);
        const taken = take(rate, debtAt(rate, states.get(field), nowUs), cost);
        if (taken.allowed) keep(field, stateOf(rate, taken.debtTicks, nowUs));
        return { ...taken, rate };
      });
      if (atomic && rulings.some(({ allowed }) => !allowed)) {
        for (const [field, state] of before) {
          if (state === undefined) states.delete(field);
          else states.set(field, state);
        }
      }
      return rulings;
    },
  };
}

/** One instance's part of a quota. */
export function shareOf(quota: Quota, instances: number): Quota {
  const share = {
    limit: quota.limit,
    periodMs: quota.periodMs * instances,
    burst: Math.max(1, Math.floor(quota.burst / instances)),
  };
  // A unit a year, shared by a hundred: each instance's own unit would come back after a century.
  return refillMs(share) <= maxRefillMs
    ? share
    : { ...share, periodMs: Math.floor((maxRefillMs * share.limit) / share.burst) };
}
