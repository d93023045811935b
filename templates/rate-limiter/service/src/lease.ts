/**
 * One key's lease at one limiter: units that the store has charged already and that are spent here, without it. A pure
 * state machine: the time is passed in, and what it needs of the store comes back as a {@link LeaseCall} to make.
 *
 * What it keeps: units that are charged and not yet spent, those of a call under way counted in, are never more than one
 * chunk beyond the checks that the call was made for. A window of time admits what is charged within it, which the
 * store bounds by burst + rate × t, and what was charged before and is spent within it: at most one chunk of each limiter.
 * So limiters × chunk is the most by which any window is passed, and by which a caller may be refused too early.
 *
 * A key leases only as many units as it was asked for in the last moments; a key that is asked for seldom leases none, and
 * its checks go to the store one by one. Units that are not spent in time are given back; a limiter that dies loses those
 * it holds, never more than a chunk a key.
 */

import type { Rate } from './gcra.ts';

export interface LeaseTerms {
  /** Units that one limiter may hold for one key. */
  readonly chunk: number;
  /** Units not spent after this time are given back. */
  readonly leaseMs: number;
  /** After a refusal the store is asked again no sooner. */
  readonly pollMs: number;
}

export interface LeaseCall {
  /** For the checks that wait. */
  readonly need: number;
  /** In all. */
  readonly want: number;
  /** What was held and not spent in time. */
  readonly unspent: Unspent | undefined;
}

/** The store's answer to a call. */
export interface Grant {
  readonly units: number;
  /** After it, at the store's time `atUs`. */
  readonly debtTicks: number;
  readonly atUs: number;
}

/** Units to be given back, and the earliest charge that they may be from. */
export interface Unspent {
  readonly units: number;
  readonly charge: Grant;
}

/**
 * - `admitted`: from the units held. `refused`: the store had none a moment ago.
 * - `exact`: ask the store for this check alone. `wait`: join the queue ({@link KeyLease.enqueue}), then see to a call.
 */
export type Asked = 'admitted' | 'refused' | 'exact' | 'wait';

export interface Settled<W> {
  readonly admitted: readonly W[];
  readonly refused: readonly W[];
  readonly excess: Unspent | undefined;
}

/** `W` is whoever waits for a decision. */
export class KeyLease<W extends { readonly cost: number }> {
  readonly rate: Rate;
  readonly terms: LeaseTerms;
  #held = 0;
  #expiresMs = 0;
  #charge: Grant | undefined;
  #calling = false;
  /** The checks that the call under way was made for, and those that have come since. */
  #batch: W[] = [];
  #queue: W[] = [];
  /** What the store said last, and when; nothing is asked before `#pollMs` after a refusal. */
  #debtTicks = 0;
  #debtMs = 0;
  #pollMs = Number.NEGATIVE_INFINITY;
  /** What the call under way wants; when it gets less, none is made before `#aheadMs` unless checks wait. */
  #want = 0;
  #aheadMs = Number.NEGATIVE_INFINITY;
  /** Units asked for since `#windowMs`, and in the window before. */
  #asked = 0;
  #askedBefore = 0;
  #windowMs = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate, terms: LeaseTerms) {
    this.rate = rate;
    this.terms = terms;
  }

  get held(): number {
    return this.#held;
  }

  /** Nothing is held, wanted or remembered any more. */
  isIdle(nowMs: number): boolean {
    return this.#held === 0 && !this.#calling && this.#queue.length === 0 && this.#demand(nowMs) === 0;
  }

  ask(cost: number, nowMs: number): Asked {
    this.#count(cost, nowMs);
    if (this.#queue.length > 0 || this.#batch.length > 0) return 'wait';
    if (this.#held >= cost && nowMs < this.#expiresMs) {
      this.#held -= cost;
      return 'admitted';
    }
    if (this.#calling) return 'wait';
    if (this.#debt(nowMs) + (cost - this.#held) * this.rate.unitTicks > this.rate.capacityTicks) return 'refused';
    if (nowMs < this.#pollMs) return 'refused';
    return this.#held === 0 && this.#share(nowMs) <= cost ? 'exact' : 'wait';
  }

  /** Less than half of what will be asked for soon is left: time to make a call, before anybody has to wait for it. */
  isLow(nowMs: number): boolean {
    if (this.#calling || nowMs < this.#aheadMs) return false;
    const share = this.#share(nowMs);
    return share >= 2 && 2 * this.#held < share;
  }

  enqueue(waiting: W): void {
    this.#queue.push(waiting);
  }

  /** The call that is due, if one is; it counts as under way until {@link settle} or {@link fail}. */
  call(nowMs: number): LeaseCall | undefined {
    if (this.#calling || (this.#queue.length === 0 && !this.isLow(nowMs))) return undefined;
    const unspent = this.takeBack(nowMs);
    this.#batch = this.#queue;
    this.#queue = [];
    const asked = this.#batch.reduce((sum, { cost }) => sum + cost, 0);
    const need = Math.max(0, asked - this.#held);
    const spare = Math.max(0, this.#held - asked);
    this.#calling = true;
    this.#want = need + Math.max(0, this.#share(nowMs) - spare);
    return { need, want: this.#want, unspent };
  }

  /** What becomes of those who waited for the call. `sentMs` is when it was made. */
  settle(grant: Grant, sentMs: number, nowMs: number): Settled<W> {
    this.#calling = false;
    this.#learn(grant, nowMs);
    if (grant.units > 0) {
      if (this.#held === 0) this.#charge = grant;
      this.#held += grant.units;
      this.#expiresMs = sentMs + this.terms.leaseMs;
    }
    const admitted: W[] = [];
    const refused: W[] = [];
    for (const waiting of this.#batch) (this.#spend(waiting.cost, nowMs) ? admitted : refused).push(waiting);
    this.#batch = [];
    // Only those that the call was made for may have more than a chunk.
    const excess = this.#cut(this.terms.chunk);
    const left = this.#queue;
    this.#queue = [];
    for (const waiting of left) {
      if (this.#spend(waiting.cost, nowMs)) admitted.push(waiting);
      else this.#queue.push(waiting);
    }
    return { admitted, refused, excess };
  }

  /** The call came to nothing; what it may have charged is lost. Everybody who waits. */
  fail(nowMs: number): readonly W[] {
    this.#calling = false;
    this.#aheadMs = nowMs + this.terms.pollMs;
    const waiting = [...this.#batch, ...this.#queue];
    this.#batch = [];
    this.#queue = [];
    return waiting;
  }

  /** Takes out what was not spent in time, or all of it. */
  takeBack(nowMs: number, all = false): Unspent | undefined {
    return all || nowMs >= this.#expiresMs ? this.#cut(0) : undefined;
  }

  /** What the key owes as far as is known here: what is held has not been spent yet. */
  owedTicks(nowMs: number): number {
    return Math.max(0, this.#debt(nowMs) - this.#held * this.rate.unitTicks);
  }

  #spend(cost: number, nowMs: number): boolean {
    if (this.#held < cost || nowMs >= this.#expiresMs) return false;
    this.#held -= cost;
    return true;
  }

  #cut(keep: number): Unspent | undefined {
    const units = this.#held - keep;
    if (units <= 0 || this.#charge === undefined) return undefined;
    this.#held = keep;
    return { units, charge: this.#charge };
  }

  #learn({ units, debtTicks }: Grant, nowMs: number): void {
    this.#debtTicks = debtTicks;
    this.#debtMs = nowMs;
    const { unitTicks, capacityTicks, ticksPerUs } = this.rate;
    // Until a chunk may have come back, or as long as the store may be left alone.
    const chunkMs = (this.terms.chunk * unitTicks) / ticksPerUs / 1000;
    const laterMs = nowMs + Math.min(this.terms.pollMs, chunkMs);
    if (units < this.#want) this.#aheadMs = laterMs;
    if (debtTicks + unitTicks > capacityTicks) this.#pollMs = laterMs;
  }

  /** Since the store's last word, which may be long ago: at least nothing. */
  #debt(nowMs: number): number {
    return Math.max(0, this.#debtTicks - (nowMs - this.#debtMs) * 1000 * this.rate.ticksPerUs);
  }

  #count(cost: number, nowMs: number): void {
    const windowMs = this.terms.leaseMs / 2;
    const sinceMs = nowMs - this.#windowMs;
    if (sinceMs >= windowMs) {
      this.#askedBefore = sinceMs < 2 * windowMs ? this.#asked : 0;
      this.#asked = 0;
      this.#windowMs = nowMs;
    }
    this.#asked += cost;
  }

  /** Units asked for in the half of a lease's time that has just passed. */
  #demand(nowMs: number): number {
    const windowMs = this.terms.leaseMs / 2;
    const sinceMs = nowMs - this.#windowMs;
    if (sinceMs >= 2 * windowMs) return 0;
    if (sinceMs >= windowMs) return this.#asked * (2 - sinceMs / windowMs);
    return this.#asked + this.#askedBefore * (1 - sinceMs / windowMs);
  }

  /** Units to hold: as many as will be asked for in about half of a lease's time. */
  #share(nowMs: number): number {
    return Math.min(this.terms.chunk, Math.floor(this.#demand(nowMs)));
  }
}
