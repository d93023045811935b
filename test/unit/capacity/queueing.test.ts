import { describe, expect, it } from 'vitest';
import { availabilityOfCopies, availabilityOfQuorum, copiesFor } from '../../../src/capacity/availability.ts';
import {
  hottestShare,
  meanWaitMG1,
  meanWaitMMc,
  quantileOfEach,
  waitQuantileMG1,
} from '../../../src/capacity/queueing.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

/** Waits of `count` customers of a single server: Lindley's recursion over Poisson arrivals. */
function simulate(load: number, service: (random: Random) => number, count: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  const waits = new Float64Array(count);
  let wait = 0;
  for (let n = 0; n < count; n++) {
    waits[n] = wait;
    wait = Math.max(0, wait + service(random) - random.exponential(1 / load));
  }
  return waits;
}

/** Service times of mean 1 and the given squared coefficient of variation. */
const services: readonly (readonly [string, number, (random: Random) => number])[] = [
  ['constant', 0, () => 1],
  ['exponential', 1, (random) => random.exponential(1)],
  // Two exponentials with balanced means.
  ['bursty', 4, (random) => (random.next() < 0.8873 ? random.exponential(0.5635) : random.exponential(4.4365))],
];

describe('the single server against a simulated one', () => {
  for (const [name, scv, service] of services) {
    it.each([0.3, 0.6, 0.8])(`${name} service, load %f: the mean wait`, (load) => {
      const waits = simulate(load, service, 400_000, 7);
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
      expect(meanWaitMG1(load, 1, scv) / mean).toBeGreaterThan(0.9);
      expect(meanWaitMG1(load, 1, scv) / mean).toBeLessThan(1.1);
    });

    it.each([0.6, 0.8])(
      `${name} service, load %f: the p99 wait, within a quarter and not below four fifths`,
      (load) => {
        const waits = simulate(load, service, 400_000, 11).sort();
        const measured = waits[Math.floor(waits.length * 0.99)] ?? Number.NaN;
        const ratio = waitQuantileMG1(load, 1, scv, 0.99) / measured;
        expect(ratio).toBeGreaterThan(0.8);
        expect(ratio).toBeLessThan(1.25);
      },
    );
  }

  it('never ends at full load', () => {
    expect(meanWaitMG1(1, 1, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(waitQuantileMG1(2, 1, 1, 0.99)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('shared queues and fan-out', () => {
  it('one worker is M/M/1, and eight at the same load wait far less', () => {
    expect(meanWaitMMc(0.7, 1, 1)).toBeCloseTo(meanWaitMG1(0.7, 1, 1), 9);
    expect(meanWaitMMc(5.6, 1, 8)).toBeLessThan(meanWaitMMc(0.7, 1, 1) / 5);
  });

  it('asks each of 100 leaves for the 0.9999 quantile to meet the p99', () => {
    expect(quantileOfEach(0.99, 100)).toBeCloseTo(0.9999, 4);
  });

  it('splits evenly without skew, and keeps the hottest key on one shard', () => {
    expect(hottestShare(4, 1e6, 0)).toBeCloseTo(0.25, 4);
    expect(hottestShare(1000, 1e6, 1)).toBeGreaterThan(0.06);
    expect(hottestShare(10, 1e6, 0.8)).toBeLessThan(hottestShare(5, 1e6, 0.8));
  });
});

describe('availability', () => {
  it('multiplies unavailability by copies', () => {
    expect(availabilityOfCopies(0.01, 2)).toBeCloseTo(0.9999, 10);
    expect(availabilityOfQuorum(0.01, 2, 3)).toBeCloseTo(0.99 ** 3 + 3 * 0.99 ** 2 * 0.01, 10);
    expect(copiesFor(0.999, 0.001, 4)).toBe(1);
    expect(copiesFor(0.99999, 0.001, 4)).toBe(2);
    expect(copiesFor(1, 0.5, 3)).toBeNull();
  });
});
