import { describe, expect, it } from 'vitest';
import type { Bucket } from '../../../src/checkers/window-admission.ts';
import { type Consumption, type Denial, wrongDenials } from '../../../src/checkers/wrong-denial.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

/** The level at the denial, least over every moment s before it, straight from the definition. */
function tokensAt(denial: Denial, consumptions: readonly Consumption[], bucket: Bucket): number {
  const before = consumptions.filter((c) => c.fromMs <= denial.answeredMs);
  const starts = [denial.sentMs, ...before.map((c) => c.byMs).filter((byMs) => byMs <= denial.sentMs)];
  const levels = starts.map((start) => {
    const taken = before.filter((c) => c.byMs >= start).reduce((sum, c) => sum + c.units, 0);
    return bucket.burst + bucket.ratePerMs * (denial.sentMs - start) - taken;
  });
  return Math.min(bucket.burst, ...levels);
}

function randomCase(random: Random): { consumptions: Consumption[]; denials: Denial[]; bucket: Bucket } {
  const span = () => {
    const from = random.integer(30);
    return [from, from + random.integer(8)] as const;
  };
  const consumptions = Array.from({ length: random.integer(10) }, () => {
    const [fromMs, byMs] = span();
    return { fromMs, byMs, units: 1 + random.integer(3) };
  });
  const denials = Array.from({ length: 1 + random.integer(6) }, () => {
    const [sentMs, answeredMs] = span();
    return { sentMs, answeredMs, cost: 1 + random.integer(3) };
  });
  return { consumptions, denials, bucket: { ratePerMs: random.integer(4) / 4, burst: 1 + random.integer(6) } };
}

describe('wrongDenials', () => {
  it('finds the same denials as the definition does in thousands of small histories', () => {
    let wrong = 0;
    let right = 0;
    for (let seed = 0; seed < 5000; seed++) {
      const { consumptions, denials, bucket } = randomCase(seededRandom(seed));
      const expected = denials
        .map((denial) => ({ ...denial, tokens: tokensAt(denial, consumptions, bucket) }))
        .filter(({ tokens, cost }) => tokens >= cost + 0.1);
      const found = wrongDenials(consumptions, denials, bucket, 0.1);
      const sorted = (list: readonly object[]) => list.map((item) => JSON.stringify(item)).sort();
      expect(sorted(found), `seed ${seed}`).toEqual(sorted(expected));
      wrong += found.length;
      right += denials.length - found.length;
    }
    expect(wrong).toBeGreaterThan(1000);
    expect(right).toBeGreaterThan(1000);
  });

  it('gives the limiter every doubt about when a check took effect', () => {
    const bucket = { ratePerMs: 0.01, burst: 1 };
    const taken = { fromMs: 0, byMs: 100, units: 1 };
    // At 150, at least 50 ms have passed since the token was taken: half a token is back. At 200 all of it is.
    const at = (sentMs: number) => wrongDenials([taken], [{ sentMs, answeredMs: sentMs + 1, cost: 1 }], bucket, 0);
    expect(at(150)).toEqual([]);
    expect(at(200)).toEqual([{ sentMs: 200, answeredMs: 201, cost: 1, tokens: 1 }]);
  });

  it('counts what may have been taken while the denial was under way', () => {
    const bucket = { ratePerMs: 0, burst: 1 };
    const denial = { sentMs: 10, answeredMs: 20, cost: 1 };
    expect(wrongDenials([{ fromMs: 19, byMs: 40, units: 1 }], [denial], bucket, 0)).toEqual([]);
    expect(wrongDenials([{ fromMs: 21, byMs: 40, units: 1 }], [denial], bucket, 0)).toHaveLength(1);
  });
});
