/**
 * When requests are meant to leave. A pacer is arithmetic on a rate: it never looks at a clock, so a generator (or a
 * system) that falls behind does not move the intended times, and latency counted from them omits nothing.
 */

import type { Random } from '../../random.ts';
import { type ExpectedArrivals, expectedArrivals, type RateShape, steadyShape } from './rate-shape.ts';

/** `constant`: equal gaps; `poisson`: exponential gaps, as independent callers make. Both while the rate stays. */
export type Arrivals = 'constant' | 'poisson';

export interface Pacer {
  /** Intended time of the next arrival, ms after the pacer's start; `Infinity` at rate 0. */
  readonly nextMs: number;
  /** Takes the next arrival and returns its intended time. */
  take(): number;
}

export interface PacerOptions {
  readonly arrivals: Arrivals;
  /** ≥ 0; 0 never arrives. */
  readonly ratePerSecond: number;
  readonly random: Random;
  /** Constant arrivals start at this fraction of a gap, so that the streams of several workers interleave. */
  readonly offset?: number;
  /** How the rate changes from `leadMs` on; absent: not at all. */
  readonly shape?: RateShape;
  readonly leadMs?: number;
}

/** Throws RangeError when the rate is negative or not finite. */
export function createPacer(options: PacerOptions): Pacer {
  const { arrivals, ratePerSecond, random, offset = 0, shape = steadyShape, leadMs = 0 } = options;
  if (!Number.isFinite(ratePerSecond) || ratePerSecond < 0) throw new RangeError(`rate ${ratePerSecond} per second`);
  if (ratePerSecond === 0) return { nextMs: Number.POSITIVE_INFINITY, take: () => Number.POSITIVE_INFINITY };
  const gapMs = 1000 / ratePerSecond;
  const next = arrivals === 'constant' ? constantGaps(gapMs, offset) : poissonGaps(gapMs, random);
  return new TimesPacer(shape === steadyShape ? next : shaped(next, expectedArrivals(shape, leadMs)));
}

/** Intended times, one a call. */
type Times = () => number;

/** The n-th arrival is a product, not a sum, so that rounding does not drift over a long run. */
function constantGaps(gapMs: number, offset: number): Times {
  let taken = 0;
  return () => (taken++ + offset) * gapMs;
}

function poissonGaps(gapMs: number, random: Random): Times {
  let atMs = 0;
  return () => {
    atMs += random.exponential(gapMs);
    return atMs;
  };
}

function shaped(steady: Times, expected: ExpectedArrivals): Times {
  return () => expected.timeOf(steady());
}

class TimesPacer implements Pacer {
  readonly #times: Times;
  nextMs: number;

  constructor(times: Times) {
    this.#times = times;
    this.nextMs = times();
  }

  take(): number {
    const intendedMs = this.nextMs;
    this.nextMs = this.#times();
    return intendedMs;
  }
}

/** Draws names in proportion to their weights; weights of 0 are never drawn. */
export function weightedDraw(weights: Readonly<Record<string, number>>): (random: Random) => string {
  const names = Object.keys(weights).filter((name) => (weights[name] ?? 0) > 0);
  const last = names.at(-1);
  if (last === undefined) throw new RangeError('no operation has a rate');
  let sum = 0;
  const bounds = names.map((name) => {
    sum += weights[name] ?? 0;
    return sum;
  });
  return (random) => {
    const at = random.next() * sum;
    return names[bounds.findIndex((bound) => at < bound)] ?? last;
  };
}
