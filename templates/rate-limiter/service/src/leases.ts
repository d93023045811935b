/**
 * Leases of this limiter's keys over the store: what a key's state machine (lease.ts) asks for goes out with the other
 * checks of its bucket, and what is not spent in time is given back.
 */

import type { Clock } from '@dsp/kit/clock';
import { type Answer, type Batcher, isFailure } from './batcher.ts';
import type { Buckets, Charge, Refund, Ruling } from './buckets.ts';
import { KeyLease, type LeaseTerms, type Unspent } from './lease.ts';
import type { LimiterMetrics } from './metrics.ts';
import type { Policy } from './policies.ts';

export interface LeasesOptions {
  readonly buckets: Pick<Buckets, 'indexOf' | 'refund'>;
  /** One a bucket. */
  readonly batchers: readonly Pick<Batcher, 'check'>[];
  readonly clock: Clock;
  readonly metrics: Pick<LimiterMetrics, 'leased' | 'returned'>;
  /** Limiters that lease at a time: a policy's allowed error is divided by so many. */
  readonly sharers: number;
  readonly leaseMs: number;
  readonly pollMs: number;
}

export interface Leases {
  /** Decided here and now, or by a call under way (a promise that never rejects), or by the store alone (undefined). */
  check(charge: Charge): Ruling | Promise<Answer> | undefined;
  /** Gives back what was not spent in time, or everything; forgets keys that nobody asks for. */
  sweep(everything?: boolean): Promise<void>;
}

/** Fewer units save no call. */
export const leastChunk = 2;
/** Keys that are remembered; further ones are decided by the store. */
const maxKeys = 100_000;

interface Waiting {
  readonly cost: number;
  readonly resolve: (answer: Answer) => void;
}

interface Leased {
  readonly policy: Policy;
  readonly field: string;
  readonly lease: KeyLease<Waiting>;
}

interface Returning {
  readonly leased: Leased;
  readonly unspent: Unspent;
}

/** Units that one limiter may hold for one key. */
export function chunkOf(policy: Pick<Policy, 'allowedError' | 'burst'>, sharers: number): number {
  return Math.min(policy.burst, Math.floor(policy.allowedError / sharers));
}

export function createLeases(options: LeasesOptions): Leases {
  return new LeaseTable(options);
}

class LeaseTable implements Leases {
  readonly #options: LeasesOptions;
  readonly #keys = new Map<string, Leased>();
  /** Null for a policy that allows too little to lease. */
  readonly #terms = new WeakMap<Policy, LeaseTerms | null>();
  #returning: Returning[] = [];

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  check(charge: Charge): Ruling | Promise<Answer> | undefined {
    const leased = this.#leaseOf(charge);
    if (leased === undefined) return undefined;
    const { lease } = leased;
    const nowMs = this.#options.clock.monotonicMs();
    const asked = lease.ask(charge.cost, nowMs);
    if (asked === 'exact') return undefined;
    if (asked === 'wait') {
      const answer = new Promise<Answer>((resolve) => lease.enqueue({ cost: charge.cost, resolve }));
      void this.#callIfDue(leased);
      return answer;
    }
    if (asked === 'admitted' && lease.isLow(nowMs)) void this.#callIfDue(leased);
    return rulingOf(lease, asked === 'admitted', nowMs);
  }

  async sweep(everything = false): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [field, leased] of this.#keys) {
      this.#giveBack(leased, leased.lease.takeBack(nowMs, everything));
      if (everything || leased.lease.isIdle(nowMs)) this.#keys.delete(field);
    }
    const returning = this.#returning;
    this.#returning = [];
    await refundAll(this.#options, returning);
  }

  /** The key's lease under the policy of now; what it held under another is given back. */
  #leaseOf({ policy, field }: Charge): Leased | undefined {
    const known = this.#keys.get(field);
    if (known?.policy === policy) return known;
    if (known !== undefined) {
      this.#giveBack(known, known.lease.takeBack(0, true));
      this.#keys.delete(field);
    }
    const terms = this.#termsOf(policy);
    if (terms === null || this.#keys.size >= maxKeys) return undefined;
    const leased = { policy, field, lease: new KeyLease<Waiting>(policy.rate, terms) };
    this.#keys.set(field, leased);
    return leased;
  }

  #termsOf(policy: Policy): LeaseTerms | null {
    const known = this.#terms.get(policy);
    if (known !== undefined) return known;
    const { sharers, leaseMs, pollMs } = this.#options;
    const chunk = chunkOf(policy, sharers);
    const terms = chunk >= leastChunk ? { chunk, leaseMs, pollMs } : null;
    this.#terms.set(policy, terms);
    return terms;
  }

  #giveBack(leased: Leased, unspent: Unspent | undefined): void {
    if (unspent !== undefined) this.#returning.push({ leased, unspent });
  }

  async #callIfDue(leased: Leased): Promise<void> {
    const { batchers, buckets, clock, sharers } = this.#options;
    const { lease, policy, field } = leased;
    const batcher = batchers[buckets.indexOf(field)] as Pick<Batcher, 'check'>;
    for (;;) {
      const sentMs = clock.monotonicMs();
      const call = lease.call(sentMs);
      if (call === undefined) return;
      this.#giveBack(leased, call.unspent);
      const answer = await batcher.check({ policy, field, cost: call.need, lease: { want: call.want, sharers } });
      this.#settle(leased, answer, sentMs);
    }
  }

  #settle(leased: Leased, answer: Answer, sentMs: number): void {
    const { lease, field } = leased;
    const nowMs = this.#options.clock.monotonicMs();
    if (isFailure(answer)) {
      for (const { resolve } of lease.fail(nowMs)) resolve(answer);
      return;
    }
    const { leased: { units, atUs } = { units: 0, atUs: 0 }, debtTicks } = answer;
    this.#options.metrics.leased(units);
    const { admitted, refused, excess } = lease.settle({ units, debtTicks, atUs }, sentMs, nowMs);
    this.#giveBack(leased, excess);
    for (const { resolve } of admitted) resolve(rulingOf(lease, true, nowMs));
    for (const { resolve } of refused) resolve(rulingOf(lease, false, nowMs));
    // Nobody will ask this one any more: the policy has changed meanwhile.
    if (this.#keys.get(field) !== leased) this.#giveBack(leased, lease.takeBack(nowMs, true));
  }
}

function rulingOf(lease: KeyLease<Waiting>, allowed: boolean, nowMs: number): Ruling {
  return { allowed, debtTicks: lease.owedTicks(nowMs), rate: lease.rate };
}

/** Best effort: what is not given back only refuses more. */
async function refundAll({ buckets, metrics }: LeasesOptions, returned: readonly Returning[]): Promise<void> {
  const byBucket = new Map<number, Refund[]>();
  for (const { leased, unspent } of returned) {
    const { field, policy } = leased;
    const { units, charge } = unspent;
    metrics.returned(units);
    const index = buckets.indexOf(field);
    const refund = { field, rate: policy.rate, units, atUs: charge.atUs, debtTicks: charge.debtTicks };
    const same = byBucket.get(index);
    if (same === undefined) byBucket.set(index, [refund]);
    else same.push(refund);
  }
  await Promise.allSettled([...byBucket].map(([index, refunds]) => buckets.refund(index, refunds)));
}
