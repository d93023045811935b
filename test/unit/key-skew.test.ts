import { describe, expect, it } from 'vitest';
import { exponentFor, hottestKeyShare, type KeySkew, keyDraw, parseSkew, skewText } from '../../src/key-skew.ts';
import { seededRandom } from '../../src/random.ts';

const seed = 20_260_131;

function counts(skew: KeySkew, keys: number, draws: number): readonly number[] {
  const found = new Array<number>(keys).fill(0);
  const random = seededRandom(seed);
  const draw = keyDraw(skew, keys);
  for (let i = 0; i < draws; i++) found[draw(random)]! += 1;
  return found;
}

/** Pearson's statistic over its degrees of freedom, in standard deviations from what chance gives. */
function surprise(found: readonly number[], shares: readonly number[]): number {
  const draws = found.reduce((sum, count) => sum + count, 0);
  const statistic = found.reduce((sum, count, i) => sum + (count - shares[i]! * draws) ** 2 / (shares[i]! * draws), 0);
  const freedom = found.length - 1;
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

function zipfShares(keys: number, exponent: number): readonly number[] {
  const weights = Array.from({ length: keys }, (_, i) => (i + 1) ** -exponent);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

describe('keyDraw', () => {
  const cases = [0, 0.5, 0.99, 1, 1.00000001, 1.2, 2.5].flatMap((exponent) =>
    [2, 10, 300].map((keys) => [exponent, keys]),
  );
  it.each(cases)('follows the law of Zipf: exponent %d, %d keys', (exponent, keys) => {
    const shares = zipfShares(keys!, exponent!);
    expect(
      Math.abs(surprise(counts({ kind: 'zipf', exponent: exponent! }, keys!, 300_000), shares)),
      `seed ${seed}`,
    ).toBeLessThan(5);
    // The test can fail: a slightly different law is told apart.
    const other = counts({ kind: 'zipf', exponent: exponent! + 0.05 }, keys!, 300_000);
    expect(surprise(other, shares)).toBeGreaterThan(5);
  });

  it('needs no table: a billion keys', () => {
    const draw = keyDraw({ kind: 'zipf', exponent: 0.99 }, 1e9);
    const random = seededRandom(seed);
    const drawn = Array.from({ length: 100_000 }, () => draw(random));
    expect(drawn.every((key) => Number.isInteger(key) && key >= 0 && key < 1e9)).toBe(true);
    // Half of the mass lies within the first count^(1 − 0.99…) … keys: some are far out, many are the first.
    expect(drawn.filter((key) => key === 0).length).toBeGreaterThan(3000);
    expect(Math.max(...drawn)).toBeGreaterThan(5e8);
  });

  it('spreads evenly', () => {
    expect(Math.abs(surprise(counts({ kind: 'uniform' }, 50, 100_000), new Array(50).fill(0.02)))).toBeLessThan(5);
  });

  it('gives the hot keys their share', () => {
    const found = counts({ kind: 'hot', share: 0.3, keys: 3 }, 103, 200_000);
    const shares = [...new Array(3).fill(0.1), ...new Array(100).fill(0.007)];
    expect(Math.abs(surprise(found, shares))).toBeLessThan(5);
    expect(counts({ kind: 'hot', share: 0.3, keys: 9 }, 4, 1000).reduce((a, b) => a + b)).toBe(1000);
  });

  it('is the same for the same seed', () => {
    expect(counts({ kind: 'zipf', exponent: 0.99 }, 100, 5000)).toEqual(
      counts({ kind: 'zipf', exponent: 0.99 }, 100, 5000),
    );
  });

  it('is of one key at least', () => {
    expect(counts({ kind: 'zipf', exponent: 0.99 }, 1, 100)).toEqual([100]);
    expect(() => keyDraw({ kind: 'uniform' }, 0)).toThrow(RangeError);
  });
});

describe('skews as text', () => {
  it.each(['uniform', 'zipf:0.99', 'zipf:0', 'hot:0.3/10', 'hot:1/1'])('%s is read and written', (text) => {
    expect(skewText(parseSkew(text))).toBe(text);
  });

  it.each([
    '',
    'zipf',
    'zipf:',
    'zipf:-1',
    'zipf:11',
    'zipf:1/2',
    'hot:0.5',
    'hot:2/1',
    'hot:0/5',
    'hot:0.5/0',
    'hot:0.5/1.5',
  ])('%j is refused', (text) => {
    expect(() => parseSkew(text)).toThrow(RangeError);
  });
});

describe('the share of the hottest key', () => {
  it('is that of the first draw', () => {
    const found = counts({ kind: 'zipf', exponent: 0.9 }, 500, 200_000);
    expect(found[0]! / 200_000 / hottestKeyShare(500, 0.9)).toBeCloseTo(1, 1);
    expect(hottestKeyShare(500, 0)).toBeCloseTo(1 / 500, 9);
    expect(hottestKeyShare(1, 1.5)).toBe(1);
  });

  it.each([0.2, 0.8, 1, 1.3, 2.5])('gives the exponent %d back', (exponent) => {
    expect(exponentFor(100_000, hottestKeyShare(100_000, exponent))).toBeCloseTo(exponent, 6);
  });

  it('is no less than even', () => {
    expect(exponentFor(100, 0.001)).toBe(0);
    expect(exponentFor(100, 0.01)).toBe(0);
  });
});
