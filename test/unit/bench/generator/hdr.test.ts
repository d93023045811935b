import { describe, expect, it } from 'vitest';
import { Hdr } from '../../../../src/bench/generator/hdr.ts';
import { type Random, seededRandom } from '../../../../src/random.ts';

const quantiles = [0, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1];

/** The sample of rank ⌈q × n⌉. */
function exact(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length - 1e-9) - 1)]!;
}

const shapes: Record<string, (random: Random) => number> = {
  'microseconds, linear': (random) => random.integer(3000) / 1000,
  'exponential, 2 ms': (random) => random.exponential(2),
  'heavy tail': (random) => 0.2 * (1 - random.next()) ** -1.2,
  'seconds to minutes': (random) => 1000 + random.next() * 600_000,
  'two humps': (random) => (random.next() < 0.95 ? 1 + random.next() : 900 + 100 * random.next()),
};

describe('quantiles', () => {
  it.each(Object.entries(shapes))('%s: are within 0.1 % of the exact ones', (name, shape) => {
    for (const count of [1, 2, 10, 999, 20_000]) {
      const random = seededRandom(7).fork(`${name}/${count}`);
      const hdr = new Hdr();
      // What the histogram sees are whole microseconds.
      const samples = Array.from({ length: count }, () => Math.min(3_600_000, Math.round(shape(random) * 1000) / 1000));
      for (const sample of samples) hdr.record(sample);
      samples.sort((a, b) => a - b);
      for (const q of quantiles) {
        const expected = exact(samples, q);
        const found = hdr.quantileMs(q)!;
        const because = `${name}, ${count} samples, q ${q}: ${found} instead of ${expected}`;
        expect(found, because).toBeGreaterThanOrEqual(expected - 1e-9);
        expect(found, because).toBeLessThanOrEqual(expected * (1 + 1 / 1024) + 1e-9);
      }
      expect(hdr.minMs).toBe(samples[0]);
      expect(hdr.maxMs).toBe(samples.at(-1));
      expect(hdr.meanMs).toBeCloseTo(samples.reduce((sum, sample) => sum + sample, 0) / count, 6);
    }
  });

  it('are null over no sample', () => {
    const hdr = new Hdr();
    expect([hdr.quantileMs(0.5), hdr.meanMs, hdr.minMs, hdr.maxMs, hdr.count]).toEqual([null, null, null, null, 0]);
  });

  it('take what is negative as 0 and what is above an hour as an hour', () => {
    const hdr = new Hdr();
    hdr.record(-5);
    hdr.record(1e12);
    expect([hdr.minMs, hdr.maxMs, hdr.quantileMs(1)]).toEqual([0, 3_600_000, 3_600_000]);
  });
});

describe('merging', () => {
  it('gives what one histogram of all samples gives, in any order and from sparse data', () => {
    const random = seededRandom(3);
    const whole = new Hdr();
    const parts = [new Hdr(), new Hdr(), new Hdr()];
    for (let i = 0; i < 30_000; i++) {
      const sample = random.exponential(5) * 10 ** random.integer(4);
      whole.record(sample);
      parts[random.integer(3)]!.record(sample);
    }
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const merged = new Hdr();
      for (const index of order) merged.merge(Hdr.from(JSON.parse(JSON.stringify(parts[index]!.data()))));
      const { sumUs, ...rest } = merged.data();
      const { sumUs: wholeSum, ...wholeRest } = whole.data();
      expect(rest).toEqual(wholeRest);
      expect(sumUs).toBeCloseTo(wholeSum, 3);
      expect(merged.count).toBe(30_000);
    }
  });

  it('with an empty one changes nothing', () => {
    const hdr = new Hdr();
    hdr.record(4);
    const before = hdr.data();
    hdr.merge(new Hdr());
    expect(hdr.data()).toEqual(before);
  });
});
