import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { explainPlan } from '../../../src/plan/explain.ts';
import { formatPlan } from '../../../src/plan/file.ts';
import { leastRegret, regretOf } from '../../../src/plan/least-regret.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { drawWorlds, type Known, worldCount } from '../../../src/plan/worlds.ts';
import { seededRandom } from '../../../src/random.ts';
import { exactly, type Interval, type Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from '../../../templates/index.ts';
import { requirements } from './requirements.ts';

const about = (mid: number, spread: number): Interval => ({ low: mid / spread, mid, high: mid * spread });

/** Unsure by `spread` in every interval. */
const unsure = (mid: number, spread: number, changes: Partial<Requirements> = {}) =>
  requirements({
    rate: { readPerSecond: about(mid, spread), writePerSecond: about(mid / 5, spread), peakFactor: about(2, 1.2) },
    data: { payloadBytes: about(512, 1.5), totalMiB: about(mid * 2, spread) },
    ...changes,
  });

const plan = (asked: Requirements, options = {}) => {
  const planned = assemblePlan(asked, catalogue, options);
  if (isNoPlan(planned)) throw new Error(JSON.stringify(planned.rejected));
  return planned;
};

const worldsOf = ({ decisions }: Plan) => decisions.find((decision) => decision.about === 'worlds')?.numbers;

const priors = Object.assign({}, ...catalogue.map(({ serviceTimes }) => serviceTimes)) as Known['priors'];
const known = (changes: Partial<Known> = {}): Known => ({ measured: {}, downtimes: {}, priors, ...changes });

describe('worlds', () => {
  it('are one where everything is sure', () => {
    expect(drawWorlds(requirements(), known())).toEqual([
      { requirements: requirements(), measured: {}, downtimes: {}, count: worldCount },
    ]);
  });

  it('are 512, the same each time, within their intervals, half of them below the middle', () => {
    const asked = unsure(1000, 3);
    const drawn = drawWorlds(asked, known());
    expect(drawWorlds(asked, known())).toEqual(drawn);
    expect(drawn.reduce((sum, { count }) => sum + count, 0)).toBe(worldCount);
    const reads = drawn.flatMap(({ requirements: { rate }, count }) => Array(count).fill(rate.readPerSecond));
    for (const { low, high } of reads) {
      expect(low).toBe(high);
      expect(low).toBeGreaterThanOrEqual(asked.rate.readPerSecond.low);
      expect(high).toBeLessThanOrEqual(asked.rate.readPerSecond.high);
    }
    expect(reads.filter(({ mid }) => mid < 1000)).toHaveLength(worldCount / 2);
  });

  it('draw measured times within their interval, and each quantity by itself', () => {
    const time = { meanUs: 100, lowUs: 80, highUs: 120, scv: 1, source: 'measured' as const, citation: '' };
    const drawn = drawWorlds(unsure(1000, 3), known({ measured: { 'kv.api': time } }));
    const times = drawn.map(({ measured }) => measured['kv.api']?.meanUs ?? 0);
    expect(Math.min(...times)).toBeLessThan(82);
    expect(Math.max(...times)).toBeGreaterThan(118);
    const rates = drawn.map(({ requirements: { rate } }) => Math.log(rate.readPerSecond.mid));
    const mean = (of: readonly number[]) => of.reduce((a, b) => a + b, 0) / of.length;
    const [a, b] = [mean(times), mean(rates)];
    const covariance = mean(times.map((each, i) => (each - a) * ((rates[i] ?? 0) - b)));
    const deviation = (of: readonly number[], m: number) => Math.sqrt(mean(of.map((each) => (each - m) ** 2)));
    expect(Math.abs(covariance / deviation(times, a) / deviation(rates, b))).toBeLessThan(0.15);
  });

  it('draw times that nobody measured, by how much is known of them, and leave out those that were', () => {
    const time = { meanUs: 100, scv: 1, source: 'measured' as const, citation: '' };
    const drawn = drawWorlds(unsure(1000, 3), known({ measured: { 'kv.api': time } }));
    const ratios = (name: string) =>
      drawn.map(({ measured }) => (measured[name]?.meanUs ?? 0) / (priors[name]?.meanUs ?? 1)).sort((a, b) => a - b);
    expect(priors['redis.read']?.source).toBe('published');
    expect(ratios('redis.read').at(-1)).toBeCloseTo(1.5, 1);
    expect(ratios('redis.read')[0]).toBeCloseTo(1 / 1.5, 1);
    expect(priors['limiter.check']?.source).toBe('prior');
    expect(ratios('limiter.check').at(-1)).toBeGreaterThan(1.9);
    expect(ratios('limiter.check')[0]).toBeLessThan(0.53);
    // Half above and half below what the priors say.
    expect(ratios('limiter.check')[worldCount / 2]).toBeCloseTo(1, 1);
    expect(drawn.every(({ measured }) => measured['kv.api']?.meanUs === 100)).toBe(true);
  });

  it('draw measured downtimes within their interval', () => {
    const downtime = { meanMs: 8000, lowMs: 6000, highMs: 9000, samples: 5, plannedMs: 10_000, citation: '' };
    const drawn = drawWorlds(requirements(), known({ downtimes: { 'kill:store.primary': downtime } }));
    const drawnMs = drawn.map(({ downtimes }) => downtimes['kill:store.primary']?.meanMs ?? 0);
    expect(Math.min(...drawnMs)).toBeGreaterThanOrEqual(6000);
    expect(Math.max(...drawnMs)).toBeLessThanOrEqual(9000);
    expect(Math.max(...drawnMs) - Math.min(...drawnMs)).toBeGreaterThan(2500);
  });

  it('are more in every world when more is asked', () => {
    const [few, many] = [drawWorlds(unsure(1000, 3), known()), drawWorlds(unsure(1500, 3), known())];
    few.forEach(({ requirements: { rate } }, i) => {
      expect(many[i]?.requirements.rate.readPerSecond.mid).toBeGreaterThan(rate.readPerSecond.mid);
    });
  });
});

describe('regret', () => {
  const outlay = (usdPerMonth: number, memoryGiB = 0) => ({ usdPerMonth, memoryGiB });

  it('is none of what was needed; of lacking more than of having too much; of memory most', () => {
    expect(regretOf(outlay(100, 8), outlay(100, 8))).toBe(0);
    expect(regretOf(outlay(110), outlay(100))).toBeCloseTo(10 ** 1.2);
    expect(regretOf(outlay(90), outlay(100))).toBeCloseTo(12.5 ** 1.2);
    expect(regretOf(outlay(100, 0), outlay(100, 10))).toBeCloseTo(15 ** 1.2);
    expect(regretOf(outlay(100, 20), outlay(100, 10))).toBe(0);
  });

  it('chooses what no other candidate is regretted less than', () => {
    const random = seededRandom(3);
    for (let trial = 0; trial < 200; trial++) {
      const candidates = Array.from({ length: 1 + random.integer(9) }, (_, i) => ({
        ...{ plan: i, count: 1 + random.integer(50) },
        outlay: outlay(random.integer(1000), random.integer(100)),
      }));
      const found = leastRegret(candidates);
      const mean = (of: number) =>
        candidates.reduce(
          (sum, each) => sum + each.count * regretOf(candidates[of]?.outlay ?? outlay(0), each.outlay),
          0,
        );
      for (const each of candidates) expect(mean(found?.chosen.plan ?? 0)).toBeLessThanOrEqual(mean(each.plan) + 1e-6);
    }
    expect(leastRegret([])).toBeNull();
  });

  it('leans to the side of having more', () => {
    const half = [
      { plan: 'few', outlay: outlay(100), count: 50 },
      { plan: 'many', outlay: outlay(200), count: 50 },
    ];
    expect(leastRegret(half)?.chosen.plan).toBe('many');
    expect(leastRegret(half)?.enoughIn).toBe(100);
  });
});

describe.each([[['keep-hot-data']], [['limit-callers']], [['keep-hot-data', 'limit-callers']]])(
  'plans for %j',
  (needs) => {
    it('are the same bytes each time, and say what they were chosen from', () => {
      const asked = unsure(20_000, 4, { needs });
      expect(formatPlan(plan(asked))).toBe(formatPlan(plan(asked)));
      const numbers = worldsOf(plan(asked));
      expect(numbers).toMatchObject({ worlds: 512, withPlan: 512 });
      expect(numbers?.enoughIn).toBeGreaterThan(150);
      expect(numbers?.regret).toBeLessThanOrEqual(numbers?.regretOfMost ?? 0);
      expect(explainPlan(plan(asked))).toContain('in 512 of 512 worlds');
    });

    it('cost something, within what the surest worlds cost', () => {
      for (const mid of [3000, 20_000]) {
        const asked = unsure(mid, 4, { needs });
        const bound = (of: 'low' | 'high') =>
          plan({
            ...asked,
            rate: {
              readPerSecond: exactly(asked.rate.readPerSecond[of]),
              writePerSecond: exactly(asked.rate.writePerSecond[of]),
              peakFactor: exactly(asked.rate.peakFactor[of]),
            },
            data: { payloadBytes: exactly(asked.data.payloadBytes[of]), totalMiB: exactly(asked.data.totalMiB[of]) },
          }).cost.usdPerMonth;
        const { usdPerMonth } = plan(asked).cost;
        expect(usdPerMonth).toBeGreaterThan(0);
        expect(usdPerMonth).toBeGreaterThanOrEqual(bound('low'));
        expect(usdPerMonth).toBeLessThanOrEqual(bound('high'));
      }
    });

    it('never cost less for a higher rate', () => {
      let before = 0;
      for (const mid of [100, 5000, 20_000]) {
        const { usdPerMonth } = plan(unsure(mid, 3, { needs })).cost;
        expect(usdPerMonth, `${mid}/s`).toBeGreaterThanOrEqual(before);
        before = usdPerMonth;
      }
    });
  },
);

it('leaves more open where service times are priors than where they were measured', () => {
  const asked = unsure(20_000, 1.1, { needs: ['keep-hot-data'] });
  const measured = Object.fromEntries(
    Object.entries(priors).map(([name, time]) => [name, { ...time, source: 'measured' as const }]),
  );
  const open = (options: object) => {
    const { leastUsd = 0, mostUsd = 0 } = worldsOf(plan(asked, options)) ?? {};
    return mostUsd / leastUsd;
  };
  expect(open({})).toBeGreaterThan(1.05 * open({ measured }));
  // What was chosen is planned with the times that the plan names, not with ones that a world drew.
  const shown = plan(asked).parts[0]?.decisions.find(({ about }) => about === 'shards');
  expect(shown?.source).toBe('prior');
});

it('plans a store for 10 million requests a second over all worlds', () => {
  const asked = unsure(4.5e6, 1.1, { needs: ['keep-hot-data'], loss: { rpoMs: 10_000 } });
  const planned = plan({ ...asked, data: { payloadBytes: about(64, 1.1), totalMiB: about(500_000, 1.1) } });
  const asking = Object.values(planned.parts[0]?.offeredLoad ?? {}).reduce((a, b) => a + b, 0);
  expect(asking).toBeGreaterThan(1e7);
  expect(worldsOf(planned)?.worlds).toBe(512);
});

it('refuses where half of the worlds or more have no plan, and says in how many', () => {
  const asked = unsure(20_000, 6, { needs: ['keep-hot-data'] });
  const { usdPerMonth } = plan(asked).cost;
  const refused = assemblePlan({ ...asked, cost: { usdPerMonth: usdPerMonth / 3 } }, catalogue);
  if (!isNoPlan(refused)) throw new Error('it was planned');
  expect(refused.rejected[0].worlds?.of).toBe(512);
  expect(refused.rejected[0].worlds?.rejectedIn).toBeGreaterThan(256);
});
