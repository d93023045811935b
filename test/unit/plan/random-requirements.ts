/** Requirements drawn from a seed, ordinary and absurd. */

import { type Random, seededRandom } from '../../../src/random.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';
import { requirements } from './requirements.ts';

export interface Ranges {
  /** Powers of ten. */
  readonly rate: readonly [number, number];
  readonly totalMiB: readonly [number, number];
  readonly p99Ms: readonly [number, number];
  readonly usdPerMonth: readonly [number, number];
  readonly levels: readonly Requirements['consistency']['level'][];
}

export const ordinary: Ranges = {
  rate: [0, 5],
  totalMiB: [0, 5],
  p99Ms: [0.7, 3],
  usdPerMonth: [7, 7],
  levels: ['eventual', 'bounded'],
};

export const absurd: Ranges = {
  rate: [-1, 8],
  totalMiB: [-3, 9],
  p99Ms: [-1, 3],
  usdPerMonth: [0, 6],
  levels: ['eventual', 'bounded', 'linearizable'],
};

const pick = <T>(random: Random, list: readonly T[]) => list[random.integer(list.length)] as T;

export function draw(count: number, seed: number, ranges: Ranges): readonly Requirements[] {
  const random = seededRandom(seed);
  const power = ([low, high]: readonly [number, number]) => 10 ** (low + random.next() * (high - low));
  return Array.from({ length: count }, () =>
    requirements({
      needs: pick(random, [['limit-callers'], ['keep-hot-data'], ['limit-callers', 'keep-hot-data']]),
      rate: {
        readPerSecond: exactly(power(ranges.rate)),
        writePerSecond: exactly(power(ranges.rate)),
        peakFactor: exactly(1 + random.next() * 4),
      },
      data: { payloadBytes: exactly(Math.round(power([0, 5]))), totalMiB: exactly(power(ranges.totalMiB)) },
      latency: { p99Ms: power(ranges.p99Ms) },
      consistency: { level: pick(random, ranges.levels), stalenessMs: 1000 },
      availability: {
        target: pick(random, [0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999]),
        recoveryMs: Math.round(power([ranges === absurd ? 2 : 3.8, 5])),
      },
      loss: { rpoMs: pick(random, [0, 500, 10_000, 86_400_000]) },
      cost: { usdPerMonth: power(ranges.usdPerMonth) },
      operations: { effort: pick(random, ['low', 'medium', 'high']) },
    }),
  );
}
