import { describe, expect, it } from 'vitest';
import {
  busyPoint,
  calibrationMixes,
  fitTimes,
  limitOf,
  type Observation,
  observe,
  observeNearLimits,
} from '../../../../src/bench/capacity/calibrate.ts';
import {
  generatorTime,
  type ModelInput,
  predictCapacity,
  worksAt,
} from '../../../../src/bench/capacity/machine-model.ts';
import { type Rates, sumRates, timesRates } from '../../../../src/bench/capacity/window.ts';
import type { CpuUse } from '../../../../src/bench/machine/process-cpu.ts';
import type { MeasuredTimes } from '../../../../src/capacity/measured.ts';
import { assemblePlan, isNoPlan } from '../../../../src/plan/assemble.ts';
import { type Random, seededRandom } from '../../../../src/random.ts';
import { catalogue } from '../../../../templates/index.ts';
import { rates, requirements } from '../../plan/requirements.ts';

const cores = 2;
const date = '2026-01-31';

function modelOf(needs: readonly string[]): Omit<ModelInput, 'measured'> {
  const plan = assemblePlan(requirements({ needs, ...rates(300, 100) }), catalogue, { scale: 1 });
  if (isNoPlan(plan)) throw new Error('no plan');
  const parts = plan.parts.map((part) => {
    const pattern = catalogue.find(({ id }) => id === part.pattern);
    if (pattern === undefined) throw new Error(part.pattern);
    return { part, pattern };
  });
  const offered: Rates = Object.fromEntries(
    plan.parts.filter((part) => Object.keys(part.offeredLoad).length > 0).map((part) => [part.name, part.offeredLoad]),
  );
  return { parts, plan, rates: offered, workers: 1 };
}

/** CPU of a visit at this share of the cores ÷ that at all of them: three times on a quarter, for visits share wake-ups. */
const thrift = (busyShare: number) => 1 + 3.5 * Math.max(0, 1 - busyShare) ** 2;

/** A machine whose true times are other than the priors, and what its counters would show. */
class Machine {
  readonly #model: Omit<ModelInput, 'measured'>;
  readonly #random: Random;
  readonly truth: MeasuredTimes;

  constructor(model: Omit<ModelInput, 'measured'>, seed: number) {
    this.#model = model;
    this.#random = seededRandom(seed);
    const names = new Set(worksAt(model).map(({ time }) => time));
    const times = [...names].map((name) => {
      const meanUs = 20 + 150 * this.#random.next();
      return [name, { meanUs, lowUs: meanUs, highUs: meanUs, scv: 1, windows: 9 }];
    });
    this.truth = {
      schemaVersion: 1,
      machine: { cpus: cores, model: 'x', memoryMiB: 1, node: '20.0.0' },
      date,
      times: Object.fromEntries(times),
    };
  }

  /** Ticks are 10 ms and others disturb: the counters are off by a few percent. */
  observe(offered: Rates): Observation | null {
    const used = new Map<string, number>();
    for (const work of worksAt({ ...this.#model, rates: offered })) {
      const kind = work.role === undefined ? work.set : `${work.set}/${work.role}`;
      const us = work.visitsPerSecond * (this.truth.times[work.time]?.meanUs ?? 0) + work.extraUsPerSecond;
      used.set(kind, (used.get(kind) ?? 0) + us);
    }
    const atLimitUs = [...used.values()].reduce((a, b) => a + b, 0);
    for (const [kind, us] of used) used.set(kind, us * thrift(atLimitUs / 1e6 / cores));
    const noisy = (us: number) => us * (1 + 0.03 * (2 * this.#random.next() - 1));
    const roleOf = new Map([...used.keys()].map((kind, i) => [`${kind.split('/')[0]}-${i}`, kind.split('/')[1] ?? '']));
    const ids = [...used.keys()].map((kind, i): [string, number] => [
      `${kind.split('/')[0]}-${i}`,
      3 * noisy(used.get(kind) ?? 0),
    ]);
    const generator = ids.find(([id]) => id.startsWith('load generator'));
    const total = ids.reduce((sum, [, us]) => sum + us, 0) / 3e6;
    const cpu: CpuUse = {
      benchUs: generator?.[1] ?? 0,
      instanceUs: new Map(ids.filter((each) => each !== generator)),
      ownShare: Math.min(1, total / cores),
      foreignShare: 0,
      stolenShare: 0,
    };
    const p99Ms = total / cores > 0.98 ? Number.POSITIVE_INFINITY : 1;
    return observe({ measured: offered, cpu, durationMs: 3000, p99Ms }, this.#model, roleOf);
  }
}

const observations = (machine: Machine, model: Omit<ModelInput, 'measured'>) =>
  observeNearLimits(
    model,
    async (offered) => machine.observe(offered),
    (windows) => windows,
  );

describe.each([[['keep-hot-data']], [['limit-callers']], [['keep-hot-data', 'limit-callers']]])(
  'calibrating %j',
  (needs) => {
    const model = modelOf(needs);

    it('predicts the capacity within 15 %, and closer than priors do', async () => {
      let closer = 0;
      const machines = 40;
      for (let seed = 1; seed <= machines; seed++) {
        const machine = new Machine(model, seed);
        const real = predictCapacity({ ...model, measured: machine.truth }, 0, cores).factor;
        const first = predictCapacity({ ...model, measured: null }, 0, cores).factor;
        const measured = fitTimes(await observations(machine, model), model, date);
        const second = predictCapacity({ ...model, measured }, 0, cores).factor;
        expect(Math.abs(second / real - 1), `seed ${seed}: ${second} of ${real}`).toBeLessThan(0.15);
        if (Math.abs(Math.log(second / real)) < Math.abs(Math.log(first / real))) closer++;
      }
      expect(closer).toBeGreaterThan(0.9 * machines);
    });

    it('measures every service time that the load exercises, nearly as it is at the limit', async () => {
      for (let seed = 1; seed <= 40; seed++) {
        const machine = new Machine(model, seed);
        const { times } = fitTimes(await observations(machine, model), model, date);
        expect(Object.keys(times).sort()).toEqual(Object.keys(machine.truth.times).sort());
        const generator = times[generatorTime];
        const truth = machine.truth.times[generatorTime]?.meanUs ?? 0;
        if (generator === undefined) throw new Error('the generator took no time');
        expect(generator.meanUs / truth, `seed ${seed}`).toBeGreaterThan(0.95);
        expect(generator.meanUs / truth, `seed ${seed}`).toBeLessThan(1.25);
        expect(generator.lowUs).toBeLessThan(generator.meanUs);
        expect(generator.highUs).toBeGreaterThan(generator.meanUs);
      }
    });
  },
);

describe('a prediction from priors', () => {
  const model = modelOf(['limit-callers']);
  const carried = (changes: Partial<ModelInput>) =>
    predictCapacity({ ...model, measured: null, ...changes }, 0, cores).factor;

  it('is less on a slower machine, as much as visits take more there', () => {
    expect(carried({ slowness: 2 }) / carried({})).toBeGreaterThan(0.4);
    expect(carried({ slowness: 2 }) / carried({})).toBeLessThan(0.5);
    expect(carried({ slowness: 1 })).toBe(carried({}));
  });

  it('leaves measured times as they are', () => {
    const { truth } = new Machine(model, 1);
    expect(carried({ measured: truth, slowness: 3 })).toBe(carried({ measured: truth }));
  });
});

describe('a calibration', () => {
  const model = modelOf(['limit-callers']);

  it('leaves windows out in which the cores were used up, and fails when too few are left', () => {
    const machine = new Machine(model, 1);
    const real = predictCapacity({ ...model, measured: machine.truth }, 0, cores).factor;
    expect(machine.observe(timesRates(model.rates, real * 0.9))).not.toBeNull();
    expect(machine.observe(timesRates(model.rates, real * 10))).toBeNull();
    expect(() => fitTimes([], model, date)).toThrow('it takes 5');
  });

  it.each([0.001, 0.3, 1, 1.5, 40])(
    'climbs to a limit at %d of the first rate, whatever a window spoils',
    async (edge) => {
      const asked = new Map<number, number>();
      const keepsUp = async (factor: number) => {
        const times = (asked.get(factor) ?? 0) + 1;
        asked.set(factor, times);
        // Every first window of a rate is spoilt by something else.
        return factor <= edge && times > 1;
      };
      const limit = await limitOf(keepsUp, { first: 1, raise: 1.25, resolution: 1.07, most: 60 });
      expect(limit).toBeLessThanOrEqual(edge);
      expect(limit).toBeGreaterThan(edge / 1.0701);
      expect(await limitOf(async () => false, { first: 1, raise: 1.25, resolution: 1.07, most: 12 })).toBeNull();
    },
  );

  it('keeps the p99 of windows that the system did not keep up with, and of none that others spoilt', () => {
    const cpu: CpuUse = { benchUs: 0, instanceUs: new Map(), ownShare: 0.7, foreignShare: 0.1, stolenShare: 0 };
    const seen = { measured: model.rates, cpu, durationMs: 3000, p99Ms: 400 };
    expect(busyPoint(seen)).toEqual({ busyShare: expect.closeTo(0.8, 12), p99Ms: 400 });
    expect(busyPoint({ ...seen, cpu: { ...cpu, foreignShare: 0.3 } })).toBeNull();
    expect(busyPoint({ ...seen, p99Ms: null })).toBeNull();
    expect(busyPoint({ ...seen, cpu: null })).toBeNull();
  });

  it('offers each operation more than its share, at the same number of operations', () => {
    const mixes = calibrationMixes({ store: { read: 90, write: 10 } });
    expect(mixes).toHaveLength(3);
    expect(mixes.filter(({ store }) => (store?.write ?? 0) > (store?.read ?? 0))).toHaveLength(1);
    for (const mix of mixes) expect(sumRates(mix)).toBeCloseTo(100);
  });
});
