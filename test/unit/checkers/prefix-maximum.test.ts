import { describe, expect, it } from 'vitest';
import { PrefixMaximum } from '../../../src/checkers/prefix-maximum.ts';
import { seededRandom } from '../../../src/random.ts';

describe('PrefixMaximum', () => {
  it('agrees with sums made by hand, whatever the order of arrival', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = seededRandom(seed);
      const size = 1 + random.integer(20);
      const tree = new PrefixMaximum(size);
      const amounts = new Array<number>(size).fill(0);
      const weights = new Array<number>(size).fill(Number.NEGATIVE_INFINITY);
      const prefixes = () => amounts.map((_, p) => amounts.slice(0, p + 1).reduce((a, b) => a + b, 0) + weights[p]!);
      for (let step = 0; step < 30; step++) {
        const position = random.integer(size);
        amounts[position] = random.integer(11) - 5;
        weights[position] = random.next() < 0.2 ? Number.NEGATIVE_INFINITY : random.integer(21) - 10;
        tree.set(position, amounts[position]!, weights[position]!);
        const all = prefixes();
        const from = random.integer(size + 1);
        expect(tree.max(), `seed ${seed}`).toBe(Math.max(...all));
        expect(tree.maxFrom(from), `seed ${seed}`).toBe(Math.max(Number.NEGATIVE_INFINITY, ...all.slice(from)));
        expect(tree.sumBefore(from), `seed ${seed}`).toBe(amounts.slice(0, from).reduce((a, b) => a + b, 0));
        const best = tree.argMax();
        if (best >= 0) expect(all[best], `seed ${seed}`).toBe(tree.max());
        else expect(tree.max()).toBe(Number.NEGATIVE_INFINITY);
      }
    }
  });

  it('holds one position and none', () => {
    expect(new PrefixMaximum(0).max()).toBe(Number.NEGATIVE_INFINITY);
    const one = new PrefixMaximum(1);
    one.set(0, 2, 3);
    expect([one.max(), one.maxFrom(0), one.maxFrom(1), one.argMax()]).toEqual([5, 5, Number.NEGATIVE_INFINITY, 0]);
  });
});
