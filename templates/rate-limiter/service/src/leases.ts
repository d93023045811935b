/**
 * Leases of this limiter's keys over the store: what a key's state machine (lease.ts) asks for goes out with the other
 * checks of its bucket, and what is not spent in time is given back.
 */

import type { Clock } from '@dsp/kit/clock';
import { type Answer, type Batcher, isFailure } from './batcher.ts';
import type { Buckets, Charge, Refund, Ruling } from './buckets.ts';
import { KeyLease, type LeaseTerms, type Unspent } from './lease.ts';
import type { LimiterMetrics } from './metrics.ts';
import type { Policy, PolicySource } from './policies.ts';

export interface LeasesOptions {
  readonly buckets: Pick<Buckets, 'indexOf' | 'refund'>;
  /** One a bucket. */
  readonly batchers: readonly Pick<Batcher, 'check'>[];
  readonly policies: PolicySource;
  readonly clock: Clock;
  readonly metrics: Pick<LimiterMetrics, 'leased' | 'returned'>;
  /** Limiters that lease at a time: a policy's allowed error is divided by so many. */
  readonly sharers: number;
  readonly leaseMs: number;
  readonly pollMs: number;
}

export interface Leases {
  /** The key when it is known here, so that nothing has to be made for it. */
  find(policy: Policy | undefined, key: string): Leased | undefined;
  /** The key of a charge; undefined where its policy allows too little to lease, or too many keys are known. */
  open(charge: Charge): Leased | undefined;
  /** Decided here and now, or by a call under way (a promise that never rejects), or by the store alone (undefined). */
  ask(key: Leased, cost: number): Ruling | Promise<Answer> | undefined;
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

/** A key that may lease. */
export interface Leased {
  readonly policy: Policy;
  readonly field: string;
  readonly lease: KeyLease<Waiting>;
}

/** The keys of a policy, by what the caller calls them. */
interface Table {
  /** Null when the policy allows too little to lease. */
  readonly terms: LeaseTerms | null;
  readonly keys: Map<string, Leased>;
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
  /** A policy that is loaded anew is another one, and shares nothing with the one before. */
  readonly #tables = new Map<Policy, Table>();
  #known = 0;
  #returning: Returning[] = [];

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  find(policy: Policy | undefined, key: string): Leased | undefined {
    return policy === undefined || policy.allowedError === 0 ? undefined : this.#tables.get(policy)?.keys.get(key);
  }

  open({ policy, field }: Charge): Leased | undefined {
    if (policy.allowedError === 0) return undefined;
    const { terms, keys } = this.#tableOf(policy);
    if (terms === null) return undefined;
    const key = field.slice(policy.name.length + 1);
    const known = keys.get(key);
    if (known !== undefined || this.#known >= maxKeys) return known;
    const leased = { policy, field, lease: new KeyLease<Waiting>(policy.rate, terms) };
    keys.set(key, leased);
    this.#known++;
    return leased;
  }

  ask(leased: Leased, cost: number): Ruling | Promise<Answer> | undefined {
    const { lease } = leased;
    const nowMs = this.#options.clock.monotonicMs();
    const asked = lease.ask(cost, nowMs);
    if (asked === 'exact') return undefined;
    if (asked === 'wait') {
      const answer = new Promise<Answer>((resolve) => lease.enqueue({ cost, resolve }));
      this.#callIfDue(leased);
      return answer;
    }
    if (asked === 'admitted' && lease.isLow(nowMs)) this.#callIfDue(leased);
    return rulingOf(lease, asked === 'admitted', nowMs);
  }

  async sweep(everything = false): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const current = this.#options.policies.current();
    for (const [policy, { keys }] of this.#tables) {
      const replaced = current.get(policy.name) !== policy;
      const all = everything || replaced;
      for (const [key, leased] of keys) {
        this.#giveBack(leased, leased.lease.takeBack(nowMs, all));
        // One that is being answered is looked at again.
        if (!leased.lease.isIdle(nowMs) && !everything) continue;
        keys.delete(key);
        this.#known--;
      }
      if (replaced && keys.size === 0) this.#tables.delete(policy);
    }
    const returning = this.#returning;
    this.#returning = [];
    await refundAll(this.#options, returning);
  }

  #tableOf(policy: Policy): Table {
    const known = this.#tables.get(policy);
    if (known !== undefined) return known;
    const { sharers, leaseMs, pollMs } = this.#options;
    const chunk = chunkOf(policy, sharers);
    const table = { terms: chunk >= leastChunk ? { chunk, leaseMs, pollMs } : null, keys: new Map<string, Leased>() };
    this.#tables.set(policy, table);
    return table;
  }

  #giveBack(leased: Leased, unspent: Unspent | undefined): void {
    if (unspent !== undefined) this.#returning.push({ leased, unspent });
  }

  #callIfDue(leased: Leased): void {
    const { batchers, buckets, clock, sharers } = this.#options;
    const { lease, policy, field } = leased;
    const sentMs = clock.monotonicMs();
    const call = lease.call(sentMs);
    if (call === undefined) return;
    this.#giveBack(leased, call.unspent);
    const batcher = batchers[buckets.indexOf(field)] as Pick<Batcher, 'check'>;
    const charge = { policy, field, cost: call.need, lease: { want: call.want, sharers } };
    batcher.check(charge, (answer) => {
      this.#settle(leased, answer, sentMs);
      this.#callIfDue(leased);
    });
  }

  #settle(leased: Leased, answer: Answer, sentMs: number): void {
    const { lease } = leased;
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
