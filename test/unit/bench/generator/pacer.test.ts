import { describe, expect, it } from 'vitest';
import { createPacer, weightedDraw } from '../../../../src/bench/generator/pacer.ts';
import { seededRandom } from '../../../../src/random.ts';

const seed = 20_260_131;

function take(count: number, options: Partial<Parameters<typeof createPacer>[0]>): readonly number[] {
  const pacer = createPacer({ arrivals: 'constant', ratePerSecond: 100, random: seededRandom(seed), ...options });
  return Array.from({ length: count }, () => pacer.take());
}

const gaps = (times: readonly number[]) => times.slice(1).map((time, i) => time - times[i]!);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('constant arrivals', () => {
  it('have equal gaps from the start', () => {
    expect(take(4, {})).toEqual([0, 10, 20, 30]);
  });

  it('do not drift over a million arrivals', () => {
    const times = take(1_000_001, { ratePerSecond: 3 });
    expect(times.at(-1)).toBeCloseTo(1_000_000_000 / 3, 4);
  });

  it('of two workers interleave evenly', () => {
    const both = [0, 0.5].flatMap((offset) => take(50, { ratePerSecond: 50, offset })).sort((a, b) => a - b);
    for (const gap of gaps(both)) expect(gap).toBeCloseTo(10, 9);
  });
});

describe('Poisson arrivals', () => {
  const times = take(200_000, { arrivals: 'poisson', ratePerSecond: 250 });

  it('have the rate that was asked for', () => {
    // The mean of n exponential gaps is off by 1/√n: 0.22 % here; four times that is allowed.
    expect(Math.abs(mean(gaps(times)) / 4 - 1)).toBeLessThan(0.009);
  });

  it('vary as exponential gaps do', () => {
    const all = gaps(times);
    const average = mean(all);
    const scv = mean(all.map((gap) => (gap - average) ** 2)) / average ** 2;
    expect(scv).toBeGreaterThan(0.97);
    expect(scv).toBeLessThan(1.03);
  });

  it('come in numbers whose variance is their mean', () => {
    const perWindow = new Array<number>(Math.floor(times.at(-1)! / 100)).fill(0);
    for (const time of times) {
      const window = Math.floor(time / 100);
      if (window < perWindow.length) perWindow[window]! += 1;
    }
    const average = mean(perWindow);
    const dispersion = mean(perWindow.map((count) => (count - average) ** 2)) / average;
    expect(dispersion).toBeGreaterThan(0.93);
    expect(dispersion).toBeLessThan(1.07);
  });

  it('are the same for the same seed, and others for another', () => {
    const again = { arrivals: 'poisson', ratePerSecond: 250 } as const;
    expect(take(100, again)).toEqual(times.slice(0, 100));
    expect(take(100, { ...again, random: seededRandom(seed + 1) })).not.toEqual(times.slice(0, 100));
  });
});

describe('any pacer', () => {
  it.each(['constant', 'poisson'] as const)('%s: shows the next time before it is taken', (arrivals) => {
    const pacer = createPacer({ arrivals, ratePerSecond: 10, random: seededRandom(1), offset: 0.25 });
    for (let i = 0; i < 20; i++) {
      const { nextMs } = pacer;
      expect(pacer.nextMs).toBe(nextMs);
      expect(pacer.take()).toBe(nextMs);
      expect(pacer.nextMs).toBeGreaterThan(nextMs);
    }
  });

  it('never arrives at rate 0, and refuses what is no rate', () => {
    expect(createPacer({ arrivals: 'poisson', ratePerSecond: 0, random: seededRandom(1) }).nextMs).toBe(
      Number.POSITIVE_INFINITY,
    );
    for (const ratePerSecond of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createPacer({ arrivals: 'constant', ratePerSecond, random: seededRandom(1) })).toThrow(RangeError);
    }
  });
});

describe('weightedDraw', () => {
  it('draws in proportion, and never what has no weight', () => {
    const draw = weightedDraw({ get: 80, put: 20, never: 0 });
    const random = seededRandom(seed);
    const counts: Record<string, number> = {};
    for (let i = 0; i < 100_000; i++) {
      const name = draw(random);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    expect(Object.keys(counts).sort()).toEqual(['get', 'put']);
    expect(counts.get! / 100_000).toBeCloseTo(0.8, 2);
  });

  it('refuses weights that are all 0', () => {
    expect(() => weightedDraw({ get: 0 })).toThrow(RangeError);
  });
});
