/**
 * When requests are meant to leave. A pacer is arithmetic on a rate: it never looks at a clock, so a generator (or a
 * system) that falls behind does not move the intended times, and latency counted from them omits nothing.
 */

import type { Random } from '../random.ts';

/** `constant`: equal gaps; `poisson`: exponential gaps, as independent callers make. */
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
}

/** Throws RangeError when the rate is negative or not finite. */
export function createPacer(options: PacerOptions): Pacer {
  const { arrivals, ratePerSecond, random, offset = 0 } = options;
  if (!Number.isFinite(ratePerSecond) || ratePerSecond < 0) throw new RangeError(`rate ${ratePerSecond} per second`);
  if (ratePerSecond === 0) return { nextMs: Number.POSITIVE_INFINITY, take: () => Number.POSITIVE_INFINITY };
  const gapMs = 1000 / ratePerSecond;
  return arrivals === 'constant' ? constantPacer(gapMs, offset) : poissonPacer(gapMs, random);
}

/** The n-th arrival is a product, not a sum, so that rounding does not drift over a long run. */
function constantPacer(gapMs: number, offset: number): Pacer {
  let taken = 0;
  return {
    get nextMs() {
      return (taken + offset) * gapMs;
    },
    take() {
      const intendedMs = (taken + offset) * gapMs;
      taken += 1;
      return intendedMs;
    },
  };
}

function poissonPacer(gapMs: number, random: Random): Pacer {
  let nextMs = random.exponential(gapMs);
  return {
    get nextMs() {
      return nextMs;
    },
    take() {
      const intendedMs = nextMs;
      nextMs += random.exponential(gapMs);
      return intendedMs;
    },
  };
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
