import { describe, expect, it } from 'vitest';
import { leastSquares, studentT975 } from '../../../src/capacity/regression.ts';
import { seededRandom } from '../../../src/random.ts';

describe('least squares', () => {
  it('finds exact coefficients, whatever their sizes', () => {
    const rows = [1, 2, 3, 5, 8].map((x, i) => [1, 1e4 * x, i * i]);
    const y = rows.map(([one = 0, a = 0, b = 0]) => 7 * one + 0.002 * a + 30 * b);
    const found = leastSquares(rows, y);
    expect(found?.map(({ value }) => value)).toEqual([
      expect.closeTo(7, 6),
      expect.closeTo(0.002, 9),
      expect.closeTo(30, 6),
    ]);
  });

  it('gives intervals that hold the truth in 95 of 100 cases', () => {
    const random = seededRandom(5);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    let held = 0;
    for (let trial = 0; trial < 1000; trial++) {
      const rows = [1, 2, 3, 4, 5, 6].map((x) => [1, x]);
      const slope = leastSquares(
        rows,
        rows.map(([, x = 0]) => 3 + 2 * x + normal()),
      )?.[1];
      if (slope !== undefined && Math.abs(slope.value - 2) <= slope.halfWidth) held++;
    }
    // Two standard errors of 1000 trials are 14.
    expect(held).toBeGreaterThan(930);
    expect(held).toBeLessThan(970);
  });

  it('refuses what the rows do not tell apart', () => {
    expect(
      leastSquares(
        [
          [1, 2],
          [2, 4],
          [3, 6],
        ],
        [1, 2, 3],
      ),
    ).toBeNull();
    expect(leastSquares([[1, 2]], [1])).toBeNull();
    expect(leastSquares([], [])).toBeNull();
  });

  it('tells no interval without an observation to spare', () => {
    const found = leastSquares(
      [
        [1, 1],
        [1, 2],
      ],
      [3, 5],
    );
    expect(found?.[1]).toEqual({ value: expect.closeTo(2), halfWidth: Number.POSITIVE_INFINITY });
  });

  it('knows Student’s t', () => {
    expect(studentT975(10)).toBeCloseTo(2.228, 3);
    expect(studentT975(11)).toBeCloseTo(2.201, 2);
    expect(studentT975(30)).toBeCloseTo(2.042, 2);
    expect(studentT975(1000)).toBeCloseTo(1.962, 2);
  });
});
