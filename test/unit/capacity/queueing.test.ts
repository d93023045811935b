import { describe, expect, it } from 'vitest';
import { availabilityOfQuorum, copiesFor, failoverShare, secondsAMonth } from '../../../src/capacity/availability.ts';
import { cheapest, defaultHardware, machinesFor, transferMs } from '../../../src/capacity/hardware.ts';
import {
  busiestPieces,
  hottestShare,
  leastThat,
  meanWaitGG1,
  mixOf,
  p99Ms,
  responseQuantileMG1,
  serversFor,
  waitQuantileMG1,
} from '../../../src/capacity/queueing.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

/** Waits of `count` customers of a single server: Lindley's recursion over Poisson arrivals. */
function simulate(load: number, service: (random: Random) => number, count: number, seed: number): Float64Array {
  return simulateQueue((random) => random.exponential(1 / load), service, count, seed).waits;
}

/** Any renewal process of arrivals; answers is wait and service. */
function simulateQueue(
  gap: (random: Random) => number,
  service: (random: Random) => number,
  count: number,
  seed: number,
): { readonly waits: Float64Array; readonly answers: Float64Array } {
  const random = seededRandom(seed);
  const [waits, answers] = [new Float64Array(count), new Float64Array(count)];
  let wait = 0;
  for (let n = 0; n < count; n++) {
    const served = service(random);
    waits[n] = wait;
    answers[n] = wait + served;
    wait = Math.max(0, wait + served - gap(random));
  }
  return { waits, answers };
}

const meanOf = (samples: Float64Array) => samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
const p99Of = (samples: Float64Array) =>
  Float64Array.from(samples).sort()[Math.floor(samples.length * 0.99)] ?? Number.NaN;

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
      expect(meanWaitGG1(load, 1, 1, scv) / mean).toBeGreaterThan(0.9);
      expect(meanWaitGG1(load, 1, 1, scv) / mean).toBeLessThan(1.1);
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

  it.each([0.2, 0.6, 0.8])(
    `load %f: the p99 of wait and service is bounded from above, by no more than twice`,
    (load) => {
      for (const [name, scv, service] of services) {
        const { answers } = simulateQueue((random) => random.exponential(1 / load), service, 400_000, 13);
        const ratio = responseQuantileMG1(load, 1, scv, 0.99) / p99Of(answers);
        expect(ratio, name).toBeGreaterThan(0.97);
        expect(ratio, name).toBeLessThan(2);
      }
    },
  );

  it.each([0.6, 0.8])('load %f: Kingman’s mean wait for bursts of arrivals, within a quarter', (load) => {
    // Two exponentials with balanced means: ca² = 4.
    const gap = (random: Random) =>
      (random.next() < 0.8873 ? random.exponential(0.5635) : random.exponential(4.4365)) / load;
    const { waits } = simulateQueue(gap, (random) => random.exponential(1), 400_000, 17);
    const ratio = meanWaitGG1(load, 1, 4, 1) / meanOf(waits);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.25);
  });

  it('never ends at full load', () => {
    expect(meanWaitGG1(1, 1, 1, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(waitQuantileMG1(2, 1, 1, 0.99)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('load that is split', () => {
  it('splits evenly without skew, and keeps the hottest key on one shard', () => {
    expect(hottestShare(4, 1e6, 0)).toBeCloseTo(0.25, 4);
    expect(hottestShare(1000, 1e6, 1)).toBeGreaterThan(0.06);
    expect(hottestShare(10, 1e6, 0.8)).toBeLessThan(hottestShare(5, 1e6, 0.8));
  });
});

describe('mixes and counts', () => {
  it('has the mean and the variation of what it is mixed of', () => {
    const mix = mixOf([
      { ratePerSecond: 90, meanUs: 1, scv: 0 },
      { ratePerSecond: 10, meanUs: 11, scv: 0 },
    ]);
    expect(mix).toMatchObject({ ratePerSecond: 100, meanUs: 2 });
    // E[S²] = 0.9 + 0.1 × 121 = 13; 13 ÷ 4 − 1.
    expect(mix.scv).toBeCloseTo(2.25, 9);
    expect(mixOf([{ ratePerSecond: 0, meanUs: 5, scv: 1 }])).toEqual({ ratePerSecond: 0, meanUs: 0, scv: 0 });
  });

  it('sums Zipf’s law as if term by term', () => {
    for (const [keys, skew] of [
      [31, 0.8],
      [5000, 0.8],
      [100_000, 1],
      [100_000, 1.2],
      [2000, 0],
    ] as const) {
      let sum = 0;
      for (let k = 1; k <= keys; k++) sum += k ** -skew;
      // Of one shard's share in many, next to nothing is left but the hottest key's.
      expect(hottestShare(1e12, keys, skew) * sum).toBeCloseTo(1, 4);
    }
  });

  it('has a busiest shard above the mean, and never below one piece', () => {
    expect(busiestPieces(1, 16)).toBe(1);
    expect(busiestPieces(64, 16)).toBe(1 / 16);
    // CRC16 puts 6 of 16 hash-tagged buckets on the busiest of 3 shards.
    expect(busiestPieces(3, 16)).toBeGreaterThanOrEqual(6 / 16);
    expect(busiestPieces(3, 1e9)).toBeCloseTo(1 / 3, 4);
  });

  it('finds the least that fits', () => {
    for (const edge of [3, 4, 17, 1000]) expect(leastThat((value) => value >= edge, 3, 1000)).toBe(edge);
    expect(leastThat((value) => value >= 1001, 3, 1000)).toBeNull();
    expect(leastThat(() => true, 5, 4)).toBeNull();
  });

  it('takes as many servers as load and p99 need, and no more', () => {
    const time = { meanUs: 1000, scv: 1 };
    const bounds = { from: 2, maxLoad: 0.5, boundMs: 1e9 };
    expect(serversFor(0, time, bounds)).toBe(2);
    expect(serversFor(10_000, time, bounds)).toBe(20);
    const quick = serversFor(10_000, time, { ...bounds, boundMs: 8 });
    expect(quick).toBeGreaterThan(20);
    expect(p99Ms(10_000 / quick, time)).toBeLessThanOrEqual(8);
    expect(p99Ms(10_000 / (quick - 1), time)).toBeGreaterThan(8);
    // What an idle server does not meet, no number of them does.
    expect(serversFor(10_000, time, { ...bounds, boundMs: 0.1 })).toBe(200);
  });
});

describe('hardware', () => {
  it('is the cheapest with memory and network to spare', () => {
    expect(cheapest(defaultHardware, { vcpus: 1, memoryGiB: 3 })?.name).toBe('small');
    expect(cheapest(defaultHardware, { vcpus: 1, memoryGiB: 9 })?.name).toBe('memory-large');
    expect(cheapest(defaultHardware, { vcpus: 1, memoryGiB: 1, networkGbps: 1 })?.name).toBe('large');
    expect(cheapest(defaultHardware, { vcpus: 1, memoryGiB: 65 })).toBeUndefined();
    expect(machinesFor(defaultHardware, { vcpus: 1, memoryGiB: 1 })).toHaveLength(defaultHardware.machines.length);
  });

  it('takes its time for large values', () => {
    const [machine] = machinesFor(defaultHardware, { vcpus: 1, memoryGiB: 1 });
    if (machine === undefined) throw new Error('no machine');
    expect(transferMs(1e6, { ...machine, networkGbps: 1 })).toBeCloseTo(8, 9);
    expect(transferMs(1e6, { name: 'x', vcpus: 1, memoryGiB: 1, usdPerMonth: 1 })).toBe(0);
  });
});

describe('availability', () => {
  it('loses the time of its failovers', () => {
    // Down for an hour every 1000 hours, and each takes 36 s: 36 s in 3 600 000 s.
    expect(failoverShare(0.001, 3_600_000, 36_000)).toBeCloseTo(1e-5, 12);
    expect(secondsAMonth(1e-5)).toBeCloseTo(25.92, 9);
  });

  it('multiplies unavailability by copies', () => {
    expect(availabilityOfQuorum(0.01, 1, 2)).toBeCloseTo(0.9999, 10);
    expect(availabilityOfQuorum(0.01, 2, 3)).toBeCloseTo(0.99 ** 3 + 3 * 0.99 ** 2 * 0.01, 10);
    expect(copiesFor(0.999, 0.001, 4)).toBe(1);
    expect(copiesFor(0.99999, 0.001, 4)).toBe(2);
    expect(copiesFor(1, 0.5, 3)).toBeNull();
  });
});
