import { describe, expect, it } from 'vitest';
import { seededRandom, shuffled } from '../../src/random.ts';

describe('shuffled', () => {
  it('keeps every item, leaves what it was given, and follows from the seed', () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const first = shuffled(items, seededRandom(7));
    expect(first).not.toEqual(items);
    expect(first.toSorted((a, b) => a - b)).toEqual(items);
    expect(shuffled(items, seededRandom(7))).toEqual(first);
    expect(shuffled(items, seededRandom(8))).not.toEqual(first);
    expect(shuffled([], seededRandom(7))).toEqual([]);
  });

  it('makes every order as often as any other', () => {
    const random = seededRandom(1);
    const counts = new Map<string, number>();
    const draws = 12_000;
    for (let i = 0; i < draws; i++) {
      const order = shuffled(['a', 'b', 'c'], random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    // Six orders: each 2000 times, give or take five standard deviations.
    expect(counts.size).toBe(6);
    for (const [order, count] of counts) expect(Math.abs(count - draws / 6), order).toBeLessThan(205);
  });
});
