import { type KeySkew, keyDraw } from '../../src/key-skew.ts';
import type { Random } from '../../src/random.ts';

/** A key whose write was never judged (it was dropped before it was sent) is written again after so many writes. */
const forgetAfterWrites = 2000;
/** A failure is noticed within this time, so the writes that it may have lost are younger than that. */
const recentMs = 2000;

/**
 * Which of its own keys a worker writes next: a skewed choice among those without a write under way.
 *
 * A later write hides the loss of an earlier one. So when a write fails, half of the keys that may have lost something
 * (the key itself, and those acknowledged last) are left as they are from then on, for the final reads to look at; the
 * other half goes on, so that what failed is written to again.
 */
export class WriteKeys {
  readonly #own: readonly number[];
  readonly #draw: (random: Random) => number;
  readonly #position: ReadonlyMap<number, number>;
  /** By position: the write count until which its write is waited for; infinite when it is left as it is. */
  readonly #busyUntil: Float64Array;
  /** Positions acknowledged last, in a ring. */
  readonly #recent: Int32Array;
  #acknowledged = 0;
  #acknowledgedAtFailure = Number.NEGATIVE_INFINITY;
  #writes = 0;

  /** `own` is not empty. */
  constructor(own: readonly number[], skew: KeySkew, writesPerSecond: number) {
    this.#own = own;
    this.#draw = keyDraw(skew, own.length);
    this.#position = new Map(own.map((index, at) => [index, at]));
    this.#busyUntil = new Float64Array(own.length);
    this.#recent = new Int32Array(Math.max(1, Math.ceil((writesPerSecond * recentMs) / 1000))).fill(-1);
  }

  /** The drawn key, or the next one that is free; the drawn one after all when none is. */
  next(random: Random): number {
    this.#writes += 1;
    const drawn = this.#draw(random);
    let at = drawn;
    for (let step = 1; step <= this.#own.length && this.#busyUntil[at]! > this.#writes; step++) {
      at = (drawn + step) % this.#own.length;
    }
    if (this.#busyUntil[at] !== Number.POSITIVE_INFINITY) this.#busyUntil[at] = this.#writes + forgetAfterWrites;
    return this.#own[at]!;
  }

  ended(index: number, acknowledged: boolean): void {
    const at = this.#position.get(index)!;
    if (this.#busyUntil[at] !== Number.POSITIVE_INFINITY) this.#busyUntil[at] = 0;
    if (acknowledged) {
      this.#recent[this.#acknowledged % this.#recent.length] = at;
      this.#acknowledged += 1;
      return;
    }
    this.#leave(at);
    // The first failure after a quiet time begins a disturbance.
    const sinceFailure = this.#acknowledged - this.#acknowledgedAtFailure;
    if (sinceFailure >= this.#recent.length) {
      for (const recent of this.#recent) if (recent >= 0) this.#leave(recent);
    }
    this.#acknowledgedAtFailure = this.#acknowledged;
  }

  #leave(at: number): void {
    if (at % 2 === 1) this.#busyUntil[at] = Number.POSITIVE_INFINITY;
  }
}
