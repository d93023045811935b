import { describe, expect, it } from 'vitest';
import { increasing, shareAt } from '../../../src/capacity/busy-curve.ts';
import { seededRandom } from '../../../src/random.ts';

describe('the p99 of a busy machine', () => {
  it('is kept as it was measured where it grows, in whatever order the windows came', () => {
    const points = [0.2, 0.4, 0.6].map((busyShare) => ({ busyShare, p99Ms: 10 * busyShare }));
    const curve = increasing([...points].reverse());
    for (const [i, { busyShare, p99Ms }] of points.entries()) {
      expect(curve[i]?.busyShare).toBeCloseTo(busyShare, 12);
      expect(curve[i]?.p99Ms).toBeCloseTo(p99Ms, 12);
    }
  });

  it('pools what falls into its geometric mean, back to where it grows again', () => {
    const points = [1, 8, 4, 2, 16].map((p99Ms, i) => ({ busyShare: i / 10, p99Ms }));
    const curve = increasing(points);
    expect(curve.map(({ busyShare }) => Number(busyShare.toFixed(9)))).toEqual([0, 0.2, 0.4]);
    expect(curve[1]?.p99Ms).toBeCloseTo(4, 9);
  });

  it('is nearer in log p99 than any other increasing curve that was tried', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 20; round++) {
      const points = Array.from({ length: 12 }, (_, i) => ({ busyShare: i, p99Ms: Math.exp(4 * random.next()) }));
      const curve = increasing(points);
      // Every point's level on the curve: pools keep the order, so that each takes as many points as its mean share says.
      const levels: number[] = [];
      for (const { busyShare, p99Ms } of curve) {
        const first = levels.length;
        const count = Math.round(2 * (busyShare - first)) + 1;
        for (let i = 0; i < count; i++) levels.push(Math.log(p99Ms));
      }
      expect(levels).toHaveLength(points.length);
      const error = (tried: readonly number[]) =>
        points.reduce((sum, { p99Ms }, i) => sum + (Math.log(p99Ms) - (tried[i] ?? 0)) ** 2, 0);
      for (let other = 0; other < 50; other++) {
        const tried = levels.map((level) => level + 0.3 * (random.next() - 0.5)).sort((a, b) => a - b);
        expect(error(tried)).toBeGreaterThanOrEqual(error(levels) - 1e-9);
      }
    }
  });

  it('reaches a bound between two points, on a log scale; nowhere above what was seen', () => {
    const curve = [
      { busyShare: 0.6, p99Ms: 4 },
      { busyShare: 0.8, p99Ms: 16 },
    ];
    expect(shareAt(curve, 8)).toBeCloseTo(0.7, 12);
    expect(shareAt(curve, 16)).toBeNull();
    expect(shareAt(curve, 1)).toBe(0.6);
    expect(shareAt([], 5)).toBeNull();
  });
});
