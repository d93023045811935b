import { describe, expect, it } from 'vitest';
import {
  type Admission,
  type AdmissionWindow,
  type Allowance,
  type Bucket,
  worstWindow,
} from '../../../src/checkers/window-admission.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

/** Every window between any two of all moments that occur, straight from the definition. */
function bruteForce(admissions: readonly Admission[], bucket: Bucket, allowances: readonly Allowance[]): number {
  const moments = [
    ...admissions.flatMap((a) => [a.sentMs, a.answeredMs]),
    ...allowances.flatMap((a) => [a.fromMs, a.toMs]),
  ];
  let worst = Number.NEGATIVE_INFINITY;
  for (const from of moments) {
    for (const to of moments) {
      if (to >= from) worst = Math.max(worst, excessOf(admissions, bucket, allowances, from, to));
    }
  }
  return worst;
}

function excessOf(
  admissions: readonly Admission[],
  bucket: Bucket,
  allowances: readonly Allowance[],
  from: number,
  to: number,
): number {
  const inside = admissions.filter((a) => a.sentMs >= from && a.answeredMs <= to);
  if (inside.length === 0) return Number.NEGATIVE_INFINITY;
  const admitted = inside.reduce((sum, a) => sum + a.cost, 0);
  const allowed = allowances.filter((a) => a.fromMs <= to && a.toMs >= from).reduce((sum, a) => sum + a.units, 0);
  return admitted - bucket.burst - bucket.ratePerMs * (to - from) - allowed;
}

/** Whole milliseconds, so that equal times are frequent. */
function randomHistory(random: Random): { admissions: Admission[]; bucket: Bucket; allowances: Allowance[] } {
  const admissions = Array.from({ length: 1 + random.integer(12) }, () => {
    const sentMs = random.integer(30);
    return { sentMs, answeredMs: sentMs + random.integer(12), cost: 1 + random.integer(3) };
  }).sort((a, b) => a.sentMs - b.sentMs);
  const allowances = Array.from({ length: random.integer(3) }, () => {
    const fromMs = random.integer(40) - 5;
    return { fromMs, toMs: fromMs + random.integer(15), units: random.integer(6) };
  });
  return { admissions, bucket: { ratePerMs: random.integer(8) / 4, burst: random.integer(5) }, allowances };
}

describe('worstWindow', () => {
  it('finds the same excess as a look at every window of thousands of small histories', () => {
    let over = 0;
    for (let seed = 0; seed < 5000; seed++) {
      const { admissions, bucket, allowances } = randomHistory(seededRandom(seed));
      const found = worstWindow(admissions, bucket, allowances) as AdmissionWindow;
      const expected = bruteForce(admissions, bucket, allowances);
      expect(found.excess, `seed ${seed}`).toBeCloseTo(expected, 9);
      const shown = excessOf(admissions, bucket, allowances, found.fromMs, found.toMs);
      expect(shown, `seed ${seed}: the window shown`).toBeCloseTo(expected, 9);
      if (expected > 0) over += 1;
    }
    // Both kinds of history occur.
    expect(over).toBeGreaterThan(500);
    expect(over).toBeLessThan(4500);
  });

  it('counts an admission only in windows that hold it whole', () => {
    const bucket = { ratePerMs: 0, burst: 1 };
    const overlapping = [
      { sentMs: 0, answeredMs: 10, cost: 1 },
      { sentMs: 5, answeredMs: 15, cost: 1 },
    ];
    expect(worstWindow(overlapping, bucket)).toMatchObject({ fromMs: 0, toMs: 15, admitted: 2, allowed: 1, excess: 1 });
    const refilled = worstWindow(overlapping, { ratePerMs: 1 / 15, burst: 1 });
    expect(refilled?.excess).toBeCloseTo(0, 9);
  });

  it('sees the double burst of a fixed window at its edge', () => {
    const atEdge = [...Array(10).keys(), ...Array(10).keys()].map((_, i) => {
      const sentMs = i < 10 ? 990 + i : 1000 + i - 10;
      return { sentMs, answeredMs: sentMs + 0.5, cost: 1 };
    });
    const worst = worstWindow(atEdge, { ratePerMs: 10 / 1000, burst: 10 });
    expect(worst?.excess).toBeGreaterThan(9);
  });

  it('allows what is declared where it is declared', () => {
    const bucket = { ratePerMs: 0, burst: 1 };
    const admissions = [
      { sentMs: 100, answeredMs: 101, cost: 2 },
      { sentMs: 500, answeredMs: 501, cost: 2 },
    ];
    const during = [{ fromMs: 101, toMs: 200, units: 5 }];
    expect(worstWindow(admissions, bucket, during)).toMatchObject({ fromMs: 500, toMs: 501, excess: 1 });
    const throughout = [{ fromMs: 0, toMs: 600, units: 5 }];
    expect(worstWindow(admissions, bucket, throughout)?.excess).toBe(-2);
  });

  it('says nothing of no admission', () => {
    expect(worstWindow([], { ratePerMs: 1, burst: 1 })).toBeNull();
  });
});
