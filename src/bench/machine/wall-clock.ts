/**
 * Steps of this machine's wall clock. What counts by it, as a store's buckets do, sees time jump where a bench, which counts
 * by the monotonic clock, sees none: somebody set it, or a hypervisor that had stopped its guest. A clock that is slewed
 * tells nothing, for then both go alike.
 */

import type { ClockStep } from '../../checkers/invariant.ts';
import { type Clock, sharedNowMs } from '../../clock.ts';

/** The wall clock is read in whole ms, cut off. */
const resolutionMs = 1;

/** So many looks back a step is searched: one that is hardly larger than the resolution may take some to be told. */
const remembered = 20;

/** Bounds of wall-clock ms less monotonic ms, which hold however long the thread was kept waiting while it read them. */
interface Reading {
  readonly leastMs: number;
  readonly mostMs: number;
  readonly beganMs: number;
  readonly endedMs: number;
}

export class WallClockWatch {
  readonly #clock: Clock;
  /** All of them hold the offset since the last step. */
  #bounds: Pick<Reading, 'leastMs' | 'mostMs'>;
  #readings: Reading[];

  constructor(clock: Clock) {
    this.#clock = clock;
    const first = this.#read();
    this.#bounds = first;
    this.#readings = [first];
  }

  /** The step since it was last looked at, and no smaller than it can have been; null: none that can be told. */
  look(): ClockStep | null {
    const reading = this.#read();
    const leastMs = Math.max(reading.leastMs, this.#bounds.leastMs);
    const mostMs = Math.min(reading.mostMs, this.#bounds.mostMs);
    if (leastMs <= mostMs) {
      this.#bounds = { leastMs, mostMs };
      this.#readings = [...this.#readings.slice(1 - remembered), reading];
      return null;
    }
    const forward = reading.leastMs > this.#bounds.mostMs;
    const overMs = forward ? reading.mostMs - this.#bounds.leastMs : this.#bounds.mostMs - reading.leastMs;
    // What was seen of the new offset before it could be told may have narrowed the bounds of the old one.
    const sizeMs = overMs + resolutionMs;
    const fromMs = this.#lastBefore(reading).beganMs;
    this.#bounds = reading;
    this.#readings = [reading];
    return { fromMs, toMs: reading.endedMs, byMs: forward ? sizeMs : -sizeMs };
  }

  /** The last reading of which it is certain that the step came after it; else the oldest. */
  #lastBefore({ leastMs, mostMs }: Reading): Reading {
    const certain = this.#readings.findLast((one) => one.mostMs < leastMs || one.leastMs > mostMs);
    return certain ?? (this.#readings[0] as Reading);
  }

  #read(): Reading {
    const beganMs = sharedNowMs(this.#clock);
    const wallMs = this.#clock.nowMs();
    const endedMs = sharedNowMs(this.#clock);
    return { leastMs: wallMs - endedMs, mostMs: wallMs + resolutionMs - beganMs, beganMs, endedMs };
  }
}
