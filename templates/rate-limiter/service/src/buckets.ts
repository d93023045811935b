/** The buckets in the store: which one a key is in, and the scripts (script.ts) as typed calls. */

import { type Clock, systemClock } from '@dsp/kit/clock';
import { type KvClient, KvUnavailableError, type WaitOptions } from '@dsp/kit/kv';
import { bucketName, hash32 } from './bucket-names.ts';
import type { Rate } from './gcra.ts';
import type { Policy } from './policies.ts';
import { checkScript, createScript, refundScript, sweepScript } from './script.ts';
import { createStoreClock } from './store-clock.ts';

/** One check as the store sees it. */
export interface Charge {
  readonly policy: Policy;
  /** `<policy>:<key>`; no two pairs share one, because a policy's name has no colon. */
  readonly field: string;
  readonly cost: number;
  /** The charge is a lease: what fits of `cost` units, and more of what is left, to be spent later. */
  readonly lease?: LeaseCharge;
}

export interface LeaseCharge {
  /** Units wanted in all. */
  readonly want: number;
  /** Limiters that lease from the same key: beyond its cost, a lease takes no more than its share of what is left. */
  readonly sharers: number;
}

/** What the store decided of a charge, with the rate that it decided by (a policy may change between two calls). */
export interface Ruling {
  readonly allowed: boolean;
  /** After the charge when it was admitted; as it stands when not. */
  readonly debtTicks: number;
  readonly rate: Rate;
  /** Of a lease: the units taken, and the store's time. */
  readonly leased?: { readonly units: number; readonly atUs: number };
}

export interface Rulings {
  /** The store's time, of which a refund must know. */
  readonly atUs: number;
  /** The bucket was emptied since it was last looked at, by this call or by another limiter's. */
  readonly fenced: boolean;
  /** In the order of the charges. */
  readonly rulings: readonly Ruling[];
}

/** Units of a charge that are given back, or of several: then the earliest. */
export interface Refund {
  readonly field: string;
  readonly rate: Rate;
  readonly units: number;
  /** The store's time of the charge, and the debt after it. */
  readonly atUs: number;
  readonly debtTicks: number;
}

export interface SweepStep {
  readonly cursor: string;
  readonly seen: number;
  readonly removed: number;
}

export interface Buckets {
  readonly count: number;
  /** Which bucket a field is in: 0 … count − 1. Every instance must come to the same. */
  indexOf(field: string): number;
  /** Makes the bucket if it is missing; resolves once the replicas have it. */
  create(index: number, fenced: boolean): Promise<'created' | 'present' | 'other-layout'>;
  /** Rules on the charges in order, or on all at once when `atomic`. Resolves once the replicas have what was charged. */
  check(index: number, charges: readonly Charge[], atomic: boolean): Promise<Rulings>;
  /** Gives charges back; best effort, for a charge that is not given back only refuses more. */
  refund(index: number, refunds: readonly Refund[]): Promise<void>;
  sweep(index: number, cursor: string, fields: number, ttlMs: number): Promise<SweepStep>;
}

export interface BucketsOptions {
  readonly kv: KvClient;
  readonly count: number;
  readonly wait: Required<WaitOptions>;
  readonly clock?: Clock;
}

export function createBuckets({ kv, count, wait, clock = systemClock }: BucketsOptions): Buckets {
  const names = Array.from({ length: count }, (_, index) => bucketName(index));
  const nameOf = (index: number) => names[index] as string;
  const waiting: WaitOptions = wait.waitReplicas > 0 ? wait : {};
  /** When each bucket was last fenced, as far as is known. */
  const fences = new Array<number | undefined>(count);
  const storeClock = createStoreClock(count);
  /** Empties the bucket: the script does so for whoever comes with another layout, and again for the next who comes with ours. */
  const fence = (index: number) => kv.run(checkScript, nameOf(index), [0, 0, ...encode([]).args], waiting);
  return {
    count,
    indexOf: (field) => hash32(field) % count,
    async create(index, fenced) {
      const reply = await kv.run(createScript, nameOf(index), [count, fenced ? 1 : 0], waiting);
      fences[index] = undefined;
      return reply === 0 ? 'created' : reply === 1 ? 'present' : 'other-layout';
    },
    async check(index, charges, atomic) {
      const call = encode(charges);
      const sentMs = clock.monotonicMs();
      const reply = await kv.run(checkScript, nameOf(index), [count, atomic ? 1 : 0, ...call.args], waiting);
      const { atUs, fenceUs, rulings } = decode(call, reply as readonly number[], charges);
      if (storeClock.isAhead(index, atUs, fenceUs, clock.monotonicMs())) {
        storeClock.empty(index, clock.monotonicMs());
        await fence(index);
        throw new KvUnavailableError(`the clock of the store of ${nameOf(index)} went forward`, true);
      }
      storeClock.trust(index, atUs, sentMs);
      const fenced = fenceUs !== (fences[index] ?? fenceUs) || fenceUs === atUs;
      fences[index] = fenceUs;
      return { atUs, fenced, rulings };
    },
    async refund(index, refunds) {
      const args: (string | number)[] = [count];
      for (const { field, rate, units, atUs, debtTicks } of refunds) {
        args.push(field, rate.ticksPerUs, units * rate.unitTicks, atUs, debtTicks);
      }
      if (refunds.length > 0) await kv.run(refundScript, nameOf(index), args);
    },
    async sweep(index, cursor, fields, ttlMs) {
      const reply = await kv.run(sweepScript, nameOf(index), [count, cursor, fields, ttlMs]);
      const [next, seen, removed] = reply as [string, number, number];
      return { cursor: next, seen, removed };
    },
  };
}

/** All charges to one field, so that the script sees each of them after the one before. */
interface Entry {
  rate: Rate;
  /** Where its first charge is in the caller's order. */
  readonly first: number;
  /** Where further ones are, in order: of most fields there are none. */
  further: number[] | undefined;
}

interface Call {
  readonly args: readonly (string | number)[];
  /** In the order in which the script rules on them. */
  readonly entries: readonly Entry[];
}

function encode(charges: readonly Charge[]): Call {
  const byField = new Map<string, Entry>();
  for (let at = 0; at < charges.length; at++) {
    const { field, policy } = charges[at] as Charge;
    const entry = byField.get(field);
    if (entry === undefined) {
      byField.set(field, { rate: policy.rate, first: at, further: undefined });
      continue;
    }
    if (entry.further === undefined) entry.further = [at];
    else entry.further.push(at);
    entry.rate = policy.rate;
  }
  const byRate = new Map<Rate, Entry[]>();
  for (const entry of byField.values()) {
    const same = byRate.get(entry.rate);
    if (same === undefined) byRate.set(entry.rate, [entry]);
    else same.push(entry);
  }
  const entries = byRate.size === 1 ? ([...byRate.values()][0] as Entry[]) : [...byRate.values()].flat();
  const args: (string | number)[] = [byRate.size];
  for (const [rate, { length }] of byRate) args.push(rate.ticksPerUs, rate.unitTicks, rate.capacityTicks, length);
  pushSpecial(args, entries, charges);
  for (const { first } of entries) args.push((charges[first] as Charge).field);
  return { args, entries };
}

/** What is asked of the keys that ask for anything else than one unit once. */
function pushSpecial(args: (string | number)[], entries: readonly Entry[], charges: readonly Charge[]): void {
  const countAt = args.push(0) - 1;
  let special = 0;
  for (let place = 0; place < entries.length; place++) {
    const { first, further } = entries[place] as Entry;
    const charge = charges[first] as Charge;
    if (further === undefined && charge.cost === 1 && charge.lease === undefined) continue;
    special++;
    args.push(place + 1);
    const lengthAt = args.push(0) - 1;
    pushAsked(args, charge);
    if (further !== undefined) for (const position of further) pushAsked(args, charges[position] as Charge);
    args[lengthAt] = args.length - lengthAt - 1;
  }
  args[countAt] = special;
}

function pushAsked(args: (string | number)[], { cost, lease }: Charge): void {
  if (lease === undefined) args.push(cost);
  else args.push(-1 - cost, lease.want, lease.sharers);
}

interface Reply {
  readonly atUs: number;
  readonly fenceUs: number;
  readonly rulings: readonly Ruling[];
}

function decode({ entries }: Call, reply: readonly number[], charges: readonly Charge[]): Reply {
  const [atUs, fenceUs] = reply;
  const rulings = new Array<Ruling>(charges.length);
  let next = 2;
  const read = (position: number, rate: Rate) => {
    const number = reply[next++] as number;
    if (charges[position]?.lease !== undefined) {
      const leased = { units: number, atUs: atUs as number };
      rulings[position] = { allowed: number > 0, debtTicks: reply[next++] as number, rate, leased };
    } else {
      const allowed = number >= 0;
      rulings[position] = { allowed, debtTicks: allowed ? number : -1 - number, rate };
    }
  };
  for (const { rate, first, further } of entries) {
    read(first, rate);
    if (further !== undefined) for (const position of further) read(position, rate);
  }
  if (atUs === undefined || fenceUs === undefined || reply.length !== next)
    throw new Error('the store answered something else than asked');
  return { atUs, fenceUs, rulings };
}
