import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { HotKeys, SpaceSaving } from './hot-keys.ts';
import { createMetrics } from './metrics.ts';

/** Chance by mulberry32, so that a failure can be repeated by its seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ranks from 0 on, P(rank) in proportion to 1 ÷ (rank + 1)^exponent. */
function zipf(keys: number, exponent: number, random: () => number): () => number {
  const cumulated: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= keys; rank++) {
    sum += rank ** -exponent;
    cumulated.push(sum);
  }
  return () => {
    const drawn = random() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulated[middle] as number) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

class FakeClock implements Clock {
  now = 1_000;
  nowMs = () => this.now;
  monotonicMs = () => this.now;
  async sleep(durationMs: number) {
    this.now += durationMs;
  }
}

describe('Space-Saving', () => {
  it.each([0.6, 1, 1.4])('keeps its bounds against exact counts over Zipf %f', (exponent) => {
    for (let seed = 1; seed <= 5; seed++) {
      const told = `seed ${seed}`;
      const draw = zipf(20_000, exponent, seeded(seed));
      const capacity = 64;
      const sketch = new SpaceSaving(capacity);
      const exact = new Map<string, number>();
      for (let use = 0; use < 30_000; use++) {
        const key = `key-${draw()}`;
        sketch.record(key);
        exact.set(key, (exact.get(key) ?? 0) + 1);
      }
      const counted = sketch.top(capacity);
      expect(counted.length, told).toBe(capacity);
      expect(sketch.errorBound, told).toBe(Math.floor(30_000 / capacity));
      for (const { key, count, error } of counted) {
        const truth = exact.get(key) ?? 0;
        expect(count, told).toBeGreaterThanOrEqual(truth);
        expect(count - error, told).toBeLessThanOrEqual(truth);
        expect(error, told).toBeLessThanOrEqual(sketch.errorBound);
      }
      const kept = new Set(counted.map(({ key }) => key));
      for (const [key, count] of exact) if (count > 30_000 / capacity) expect(kept.has(key), told).toBe(true);
    }
  });

  it('is exact while the keys fit', () => {
    const sketch = new SpaceSaving(3);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) sketch.record(key);
    expect(sketch.errorBound).toBe(0);
    expect(sketch.top(2)).toEqual([
      { key: 'a', count: 3, error: 0 },
      { key: 'b', count: 2, error: 0 },
    ]);
  });
});

describe('HotKeys', () => {
  it('reports the last whole window, and an empty one when nobody came', () => {
    const clock = new FakeClock();
    const hot = new HotKeys({ clock, windowMs: 100, capacity: 4 });
    for (const key of ['a', 'a', 'b']) hot.record(key);
    clock.now += 40;
    expect(hot.snapshot(1)).toEqual({
      windowMs: 40,
      total: 3,
      errorBound: 0,
      keys: [{ key: 'a', count: 2, error: 0, share: 2 / 3 }],
    });
    clock.now += 60;
    hot.record('c');
    expect(hot.snapshot(9).keys.map(({ key }) => key)).toEqual(['a', 'b']);
    clock.now += 100;
    expect(hot.snapshot(9).keys.map(({ key }) => key)).toEqual(['c']);
    clock.now += 250;
    expect(hot.snapshot(9)).toMatchObject({ windowMs: 100, total: 0, keys: [] });
  });

  it('exports shares by rank, and no key', async () => {
    const metrics = createMetrics('test');
    const hot = new HotKeys({ clock: new FakeClock(), metrics });
    for (const key of ['secret', 'secret', 'secret', 'other']) hot.record(key);
    const text = await metrics.metrics();
    expect(text).toMatch(/kv_hot_key_share\{rank="1",service="test"\} 0\.75/);
    expect(text).toMatch(/kv_hot_key_share\{rank="10",service="test"\} 0\n/);
    expect(text).not.toContain('secret');
  });
});
