/**
 * How the rate of a run changes over its time: a factor on the planned rate, linear between points and able to jump.
 * Pure: the points in, the number of arrivals expected by any time out, and the time by which so many are expected.
 */

export interface RatePoint {
  /** Since the steady load began. */
  readonly atMs: number;
  /** On the planned rate; ≥ 0. */
  readonly factor: number;
}

/** Points in order of time, the first at 0; two at one time are a jump. */
export interface RateShape {
  readonly points: readonly RatePoint[];
  /** Begins anew after the last point (a recorded day does); else the last factor stays. */
  readonly repeats: boolean;
}

export const steadyShape: RateShape = { points: [{ atMs: 0, factor: 1 }], repeats: false };

/** From one factor to another over `durationMs`. */
export function rampShape(from: number, to: number, durationMs: number): RateShape {
  return checkedShape({
    points: [
      { atMs: 0, factor: from },
      { atMs: durationMs, factor: to },
    ],
    repeats: false,
  });
}

/** Factors that follow one another, each for an equal part of `durationMs`. */
export function stepShape(factors: readonly number[], durationMs: number): RateShape {
  const eachMs = durationMs / factors.length;
  const points = factors.flatMap((factor, i) => [
    { atMs: i * eachMs, factor },
    { atMs: (i + 1) * eachMs, factor },
  ]);
  return checkedShape({ points, repeats: false });
}

/** Throws RangeError for points out of order, factors that are none, and a shape in which nothing ever arrives. */
export function checkedShape(shape: RateShape): RateShape {
  const { points } = shape;
  let beforeMs = 0;
  for (const { atMs, factor } of points) {
    if (!(atMs >= beforeMs) || !Number.isFinite(atMs)) throw new RangeError(`time ${atMs} ms after ${beforeMs} ms`);
    if (!(factor >= 0) || !Number.isFinite(factor)) throw new RangeError(`rate factor ${factor}`);
    beforeMs = atMs;
  }
  if (points[0]?.atMs !== 0) throw new RangeError('a shape begins at 0');
  if (points.every(({ factor }) => factor === 0)) throw new RangeError('nothing ever arrives');
  return shape;
}

/** The inverse of a shape's integral. */
export interface ExpectedArrivals {
  /** The time, ms after the run's start, by which `count` ms of the full rate have passed; may be infinite. */
  timeOf(count: number): number;
}

/**
 * A run whose first `leadMs` (the warm-up) have the shape's first factor. Arrivals of any process are made by drawing
 * them at rate 1 and mapping them through the inverse of the integral: for Poisson arrivals this is exact (Çinlar,
 * Introduction to Stochastic Processes, 4.7).
 */
export function expectedArrivals(shape: RateShape, leadMs: number): ExpectedArrivals {
  const segments = segmentsOf(shape, leadMs);
  const last = segments.at(-1);
  const periodMs = shape.repeats ? (shape.points.at(-1)?.atMs ?? 0) : 0;
  const period = last === undefined ? 0 : last.count - (segments[1]?.count ?? 0);
  const firstOfShape = segments[1]?.count ?? 0;
  let at = 0;
  return {
    timeOf(count) {
      let rounds = 0;
      let rest = count;
      if (periodMs > 0 && last !== undefined && count >= last.count) {
        rounds = Math.floor((count - firstOfShape) / period);
        rest = count - rounds * period;
      }
      // Asked for in rising order, the segment is the same or the next.
      if ((segments[at]?.count ?? 0) > rest) at = 0;
      while (at + 1 < segments.length && (segments[at + 1]?.count ?? 0) <= rest) at += 1;
      const segment = segments[at];
      return segment === undefined ? Number.POSITIVE_INFINITY : rounds * periodMs + timeWithin(segment, rest);
    },
  };
}

interface Segment {
  readonly startMs: number;
  /** Expected before it, in ms of the full rate. */
  readonly count: number;
  readonly factor: number;
  /** Change of the factor per ms. */
  readonly slope: number;
}

/** The warm-up first, then each stretch between two points, then what stays for ever. */
function segmentsOf({ points }: RateShape, leadMs: number): readonly Segment[] {
  const first = points[0]?.factor ?? 0;
  const segments: Segment[] = [{ startMs: 0, count: 0, factor: first, slope: 0 }];
  let count = leadMs * first;
  points.forEach((point, i) => {
    const startMs = leadMs + point.atMs;
    const next = points[i + 1];
    const lengthMs = next === undefined ? 0 : next.atMs - point.atMs;
    const slope = next === undefined || lengthMs === 0 ? 0 : (next.factor - point.factor) / lengthMs;
    segments.push({ startMs, count, factor: point.factor, slope });
    count += next === undefined ? 0 : (lengthMs * (point.factor + next.factor)) / 2;
  });
  return segments;
}

/** Solves count + factor·t + slope·t²/2 = wanted for the time t, in the form that does not cancel. */
function timeWithin({ startMs, count, factor, slope }: Segment, wanted: number): number {
  const missing = wanted - count;
  if (missing <= 0) return startMs;
  const root = Math.sqrt(Math.max(0, factor * factor + 2 * slope * missing));
  return startMs + (2 * missing) / (factor + root);
}
