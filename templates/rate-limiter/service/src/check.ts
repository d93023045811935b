/** What a caller asks, and what is wrong with it when something is. */

import type { Charge } from './buckets.ts';
import type { Policies, Policy } from './policies.ts';

export interface Check {
  readonly policy: string;
  /** Who is limited: 1 to {@link maxKeyBytes} bytes of UTF-8. */
  readonly key: string;
  /** Units to take, 1 … the policy's burst; 1 unless given. */
  readonly cost?: number;
}

export const maxKeyBytes = 256;
/** Checks in one call. */
export const maxChecks = 256;

/** A check that no limiter could decide. `statusCode` is what HTTP calls it. */
export class CheckError extends Error {
  readonly code: 'unknown-policy' | 'cost-above-burst' | 'bad-cost' | 'bad-key' | 'bad-count';
  readonly statusCode: 400 | 404;

  constructor(code: CheckError['code'], message: string) {
    super(message);
    this.name = 'CheckError';
    this.code = code;
    this.statusCode = code === 'unknown-policy' ? 404 : 400;
  }
}

const plain = /^[ -~]*$/;
/** Half a surrogate pair has no UTF-8 of its own: two such keys would share one field. */
const loneSurrogate = /\p{Surrogate}/u;

/** Most keys are short plain text, of which neither the bytes nor the surrogates need counting. */
function isKey(key: string): boolean {
  if (key.length === 0 || key.length > maxKeyBytes) return false;
  if (plain.test(key)) return true;
  return Buffer.byteLength(key) <= maxKeyBytes && !loneSurrogate.test(key);
}

export function isCost(policy: Policy, cost: number): boolean {
  return Number.isSafeInteger(cost) && cost >= 1 && cost <= policy.burst;
}

/** The charge that a check asks for. Throws {@link CheckError}. */
export function chargeOf(policies: Policies, { policy: name, key, cost = 1 }: Check): Charge {
  const policy = policies.get(name);
  if (policy === undefined) throw new CheckError('unknown-policy', `no policy ${JSON.stringify(name)}`);
  if (!Number.isSafeInteger(cost) || cost < 1) throw new CheckError('bad-cost', 'cost must be a whole number from 1');
  if (cost > policy.burst)
    throw new CheckError('cost-above-burst', `cost ${cost} never fits a burst of ${policy.burst}`);
  if (!isKey(key)) {
    throw new CheckError('bad-key', `key must be 1 to ${maxKeyBytes} bytes of UTF-8`);
  }
  return { policy, field: `${policy.name}:${key}`, cost };
}

/** The charges of a call, in order. Throws {@link CheckError}, also for an atomic set that could never fit. */
export function chargesOf(policies: Policies, checks: readonly Check[], atomic: boolean): Charge[] {
  if (checks.length < 1 || checks.length > maxChecks) {
    throw new CheckError('bad-count', `1 to ${maxChecks} checks in one call, not ${checks.length}`);
  }
  const charges = checks.map((check) => chargeOf(policies, check));
  if (!atomic) return charges;
  for (const { policy, cost } of joinByField(charges)) {
    if (cost > policy.burst) {
      throw new CheckError('cost-above-burst', `${cost} units for one key never fit a burst of ${policy.burst}`);
    }
  }
  return charges;
}

/** One charge a field, of all that is asked of it: the same as the charges one by one, where all or none are taken. */
export function joinByField(charges: readonly Charge[]): Charge[] {
  const joined = new Map<string, Charge>();
  for (const charge of charges) {
    const before = joined.get(charge.field);
    joined.set(charge.field, before === undefined ? charge : { ...before, cost: before.cost + charge.cost });
  }
  return [...joined.values()];
}
