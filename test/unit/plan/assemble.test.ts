import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { explainPlan } from '../../../src/plan/explain.ts';
import { formatPlan, parsePlan } from '../../../src/plan/file.ts';
import { unmetBy } from '../../../src/plan/guarantees.ts';
import type { NoPlan, Plan } from '../../../src/plan/plan.ts';
import { summarizeNoPlan, summarizePlan } from '../../../src/plan/summary.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from '../../../templates/index.ts';
import { rates, requirements } from './requirements.ts';

function plan(changes: Partial<Requirements> = {}): Plan {
  const result = assemblePlan(requirements(changes), catalogue);
  if (isNoPlan(result)) throw new Error(summarizeNoPlan(result));
  return result;
}

function refusal(changes: Partial<Requirements>): NoPlan {
  const result = assemblePlan(requirements(changes), catalogue);
  if (!isNoPlan(result)) throw new Error(`there is a plan:\n${summarizePlan(result)}`);
  return result;
}

const part = (of: Plan, name: string) => of.parts.find((candidate) => candidate.name === name);
const sizing = (of: Plan, name: string) => part(of, name)?.sizing as Record<string, number | string>;

describe('composition by capability', () => {
  it('shares the store that the user asked for when it meets every guarantee', () => {
    const both = plan();
    expect(both.parts.map(({ name }) => name)).toEqual(['store', 'limiter']);
    expect(both.edges).toEqual([expect.objectContaining({ from: 'limiter', to: 'store', capability: 'kv' })]);
    expect(part(both, 'store')?.demands.map(({ from }) => from)).toEqual(['user', 'limiter']);
  });

  const forgetful = {
    loss: { rpoMs: 86_400_000 },
    availability: { target: 0.99, recoveryMs: 15_000 },
  };

  it('gives the limiter its own store when the user’s may forget, and says why', () => {
    // Much data: as a cluster, for the limiter's sake, it would cost three times as much.
    const cached = plan({ ...forgetful, data: { payloadBytes: exactly(2048), totalMiB: exactly(100_000) } });
    expect(sizing(cached, 'store').mode).toBe('cache');
    expect(part(cached, 'limiter-store')).toMatchObject({ need: null, sizing: { mode: 'store' } });
    expect(cached.edges[0]?.because).toMatch(/its own: store would have to grow/);
    const excuse = part(cached, 'limiter')?.rejected.find(({ option }) => option === 'share store');
    expect(excuse?.numbers.usdPerMonth).toBeGreaterThan(excuse?.numbers.chosenUsdPerMonth ?? Number.NaN);
  });

  it('makes a small cache a cluster, and shares it, where that costs less', () => {
    expect(plan({ ...forgetful, needs: ['keep-hot-data'] }).parts[0]?.sizing).toMatchObject({ mode: 'cache' });
    const shared = plan(forgetful);
    expect(shared.parts.map(({ name }) => name)).toEqual(['store', 'limiter']);
    expect(sizing(shared, 'store').mode).toBe('store');
  });

  it('gives the limiter its own store when it is alone, without an HTTP service', () => {
    const alone = plan({ needs: ['limit-callers'] });
    expect(alone.parts.map(({ name }) => name)).toEqual(['limiter-store', 'limiter']);
    expect(alone.topology.processSets.map(({ id }) => id)).toEqual(['limiter-store-redis', 'limiter-api']);
  });

  it('names the first guarantee that is not met', () => {
    const offered = part(plan(), 'store')?.guarantees.kv;
    const demand = {
      capability: 'kv',
      from: 'x',
      readPerSecond: 1,
      writePerSecond: 1,
      payloadBytes: 1,
      totalMiB: 1,
      p99Ms: 1,
    };
    expect(unmetBy(offered, { ...demand, guarantees: { replicas: 1, durability: 'disk' } })).toBeNull();
    expect(unmetBy(offered, { ...demand, guarantees: { replicas: 9 } })?.reason).toMatch(/9 replicas/);
    expect(unmetBy(offered, { ...demand, guarantees: { evicts: true } })?.reason).toMatch(/evicts/);
    expect(unmetBy(offered, { ...demand, guarantees: { failoverMs: 1 } })?.reason).toMatch(/failoverMs/);
    expect(unmetBy(undefined, { ...demand, guarantees: {} })?.reason).toMatch(/kv/);
  });
});

describe('sizes follow requirements', () => {
  it('has at least three primaries, and more for more data and more load', () => {
    expect(sizing(plan(), 'store').shards).toBe(3);
    const large = plan({ data: { payloadBytes: exactly(1024), totalMiB: exactly(200_000) } });
    expect(sizing(large, 'store').shards).toBeGreaterThan(15);
    expect(sizing(plan(rates(400_000, 100_000)), 'store').shards).toBeGreaterThan(12);
  });

  it('has no fewer shards than asked for, at the local scale too', () => {
    const four = plan({ needs: ['keep-hot-data'], options: { 'keep-hot-data': { minShards: 4 } } });
    expect(sizing(four, 'store').shards).toBe(4);
    expect(part(four, 'store')?.localSizing).toMatchObject({ shards: 4 });
    expect(explainPlan(four, 'store')).toContain('asked for');
  });

  it('counts the connections of a node', () => {
    const of = (made: Plan) =>
      part(made, 'store')?.predictions.find(({ metric }) => metric.startsWith('connections'))?.predicted ?? 0;
    const alone = plan({ needs: ['keep-hot-data'] });
    // The limiter's two instances connect too, each twice: what waits for a replica has a connection of its own.
    expect(of(plan()) - of(alone)).toBe(4);
  });

  it('waits for a replica where a failover would lose more than allowed, and then keeps a second one', () => {
    expect(sizing(plan(), 'store')).toMatchObject({ waitReplicas: 1, replicasPerShard: 2 });
    const loose = plan({ needs: ['keep-hot-data'], loss: { rpoMs: 60_000 } });
    expect(sizing(loose, 'store')).toMatchObject({ waitReplicas: 0, replicasPerShard: 1 });
  });

  it('takes a time-out within the loss allowed rather than wait, if that is not too quick', () => {
    const of = (rpoMs: number) =>
      sizing(
        plan({ needs: ['keep-hot-data'], loss: { rpoMs }, availability: { target: 0.999, recoveryMs: 60_000 } }),
        'store',
      );
    expect(of(60_000)).toMatchObject({ nodeTimeoutMs: 15_000, waitReplicas: 0, replicasPerShard: 1 });
    expect(of(8000)).toMatchObject({ nodeTimeoutMs: 8000, waitReplicas: 0, replicasPerShard: 1 });
    expect(of(4000)).toMatchObject({ nodeTimeoutMs: 15_000, waitReplicas: 1, replicasPerShard: 2 });
    const quick = { availability: { target: 0.999, recoveryMs: 10_000 }, loss: { rpoMs: 4000 } };
    expect(sizing(plan({ needs: ['keep-hot-data'], ...quick }), 'store')).toMatchObject({
      nodeTimeoutMs: 3000,
      waitReplicas: 1,
    });
  });

  it('keeps more copies where nobody replaces a lost machine soon', () => {
    const replicas = (effort: 'low' | 'medium' | 'high') => {
      const availability = { target: 0.99999, recoveryMs: 15_000 };
      const made = plan({ needs: ['keep-hot-data'], loss: { rpoMs: 60_000 }, availability, operations: { effort } });
      return Number(sizing(made, 'store').replicasPerShard);
    };
    expect([replicas('low'), replicas('medium'), replicas('high')]).toEqual([2, 1, 1]);
  });

  it('takes the node time-out from the recovery time, and its prediction keeps it', () => {
    for (const recoveryMs of [7000, 15_000, 60_000]) {
      const made = plan({ availability: { target: 0.999, recoveryMs } });
      const recovery = part(made, 'store')?.predictions.find(({ metric }) => metric.startsWith('recovery'));
      expect(recovery?.predicted).toBeLessThanOrEqual(recoveryMs);
      expect(Number(sizing(made, 'store').nodeTimeoutMs)).toBeGreaterThanOrEqual(1000);
    }
  });

  it('splits a hard cap so that burst and refill stay within it', () => {
    for (const limit of [2, 3, 99, 100]) {
      const options = {
        'limit-callers': { limit, periodMs: 60_000, hardCap: true, allowedErrorPercent: 0, onStoreFailure: 'closed' },
      };
      const { policy } = sizing(plan({ options }), 'limiter') as unknown as { policy: Record<string, number> };
      expect((policy.burst ?? 0) + (policy.limit ?? 0)).toBeLessThanOrEqual(limit);
      expect(policy.limit).toBeGreaterThan(0);
    }
  });

  it('keeps the structure at a small local scale', () => {
    const large = plan(rates(400_000, 100_000));
    expect(large.local.scale).toBeLessThan(1);
    const local = part(large, 'store')?.localSizing as Record<string, number>;
    expect(local.shards).toBeGreaterThanOrEqual(3);
    expect(local.replicasPerShard).toBe(sizing(large, 'store').replicasPerShard);
    expect(plan().local).toMatchObject({ scale: 1, topology: plan().topology });
  });
});

describe('a store', () => {
  const alone = (changes: Partial<Requirements>) => sizing(plan({ needs: ['keep-hot-data'], ...changes }), 'store');

  it('holds every demand’s data, however small the values of the busiest one are', () => {
    const data = { payloadBytes: exactly(20), totalMiB: exactly(10_240) };
    const slow = { ...rates(1, 1), data };
    expect(sizing(plan(slow), 'store').shards).toBeGreaterThanOrEqual(alone(slow).shards as number);
    const loads = [alone(slow), sizing(plan(slow), 'store')];
    for (const { shards, maxmemoryMiB } of loads) {
      // 106 bytes a key were measured for values of 20.
      expect(Number(shards) * Number(maxmemoryMiB)).toBeGreaterThan(10_240 * (106 / 20));
    }
  });

  it('counts the smallest values, for each key has its overhead', () => {
    const of = (low: number) =>
      alone({ data: { payloadBytes: { low, mid: 1000, high: 2000 }, totalMiB: exactly(1000) } });
    expect(of(50).maxmemoryMiB).toBeGreaterThan(2 * Number(of(1000).maxmemoryMiB));
  });

  it('has as many shards as the network of large values needs', () => {
    const large = plan({
      needs: ['keep-hot-data'],
      ...rates(20_000, 10),
      data: { payloadBytes: exactly(65_536), totalMiB: exactly(10_000) },
      latency: { p99Ms: 100 },
    });
    const network = part(large, 'store')?.predictions.find(({ metric }) => metric.startsWith('network'));
    // What all shards carry together is no less than what is read.
    const carried = (network?.bound ?? 0) * Number(sizing(large, 'store').shards);
    expect(carried).toBeGreaterThan((20_000 * 65_536 * 8) / 1e9);
    const text = explainPlan(large, 'store')?.replace(/\s+/g, ' ');
    expect(text).toMatch(/shards: \d+, because the least number whose network/);
  });

  it('keeps a cache’s promise: no copies, so no more than its machine’s availability', () => {
    const cache = { needs: ['keep-hot-data'], loss: { rpoMs: 86_400_000 } };
    expect(alone({ ...cache, availability: { target: 0.99, recoveryMs: 15_000 } }).mode).toBe('cache');
    const strict = plan({ ...cache, availability: { target: 0.9999, recoveryMs: 15_000 } });
    expect(sizing(strict, 'store').mode).toBe('store');
    const excuse = part(strict, 'store')?.rejected.find(({ option }) => option.includes('cache'));
    expect(excuse).toMatchObject({ bottleneck: 'availability.target' });
  });

  it('is never linearizable, in either mode', () => {
    const consistency = { level: 'linearizable', stalenessMs: 0 } as const;
    for (const rpoMs of [0, 86_400_000]) {
      const { rejected } = refusal({ needs: ['keep-hot-data'], consistency, loss: { rpoMs } });
      expect(rejected[0].bottleneck).toBe('consistency.level');
    }
  });

  it('fails over sooner than the recovery time asks where the availability asks for it', () => {
    const of = (target: number) => alone({ availability: { target, recoveryMs: 120_000 } }).nodeTimeoutMs;
    expect(of(0.999)).toBe(15_000);
    expect(Number(of(0.99999))).toBeLessThan(15_000);
  });

  it('fails over as often, however long a lost machine stays away', () => {
    const availability = { target: 0.99999, recoveryMs: 120_000 };
    const left = { availability, loss: { rpoMs: 60_000 }, operations: { effort: 'low' } } as const;
    expect(alone(left)).toMatchObject({ nodeTimeoutMs: 15_000, replicasPerShard: 2 });
  });

  it('counts the limiter’s load where it runs, though it has no HTTP service', () => {
    const busy = plan({ needs: ['limit-callers'], ...rates(20_000, 0) });
    expect(Number(sizing(busy, 'limiter-store').busyCpus)).toBeGreaterThan(0.5);
  });

  it('is asked for nothing that the user does not do', () => {
    expect(plan(rates(0, 10)).parts.map(({ offeredLoad }) => offeredLoad)).toEqual([{ write: 10 }, { check: 10 }]);
    expect(plan(rates(0, 0)).parts.map(({ offeredLoad }) => offeredLoad)).toEqual([{}, {}]);
  });
});

describe('a limiter', () => {
  it('has buckets for as many shards as its checks need, a power of two', () => {
    expect(sizing(plan(), 'limiter').buckets).toBe(16);
    const many = sizing(plan(rates(400_000, 0)), 'limiter').buckets as number;
    expect(many).toBeGreaterThanOrEqual(5 * 16);
    expect(Math.log2(many) % 1).toBe(0);
  });

  it('asks for no fewer shards as its checks grow, with whatever number of buckets', () => {
    let least = 0;
    for (let rate = 20_000; rate < 800_000; rate *= 1.07) {
      const { shards } = sizing(plan({ needs: ['limit-callers'], ...rates(rate, 0) }), 'limiter-store');
      expect(Number(shards), `${rate} checks a second`).toBeGreaterThanOrEqual(least);
      least = Number(shards);
    }
    expect(least).toBeGreaterThan(20);
  });

  it('loads its store with a script, which is more than a write', () => {
    const checks = plan({ needs: ['limit-callers'], ...rates(0, 10_000) });
    // Three copies of each write, 16 µs each; the script takes 1.4 times as long.
    const plainCpus = (10_000 * 3 * 16) / 1e6;
    expect(Number(sizing(checks, 'limiter-store').busyCpus)).toBeGreaterThan(1.3 * plainCpus);
  });

  it('has more instances where the p99 leaves little', () => {
    const of = (p99Ms: number) => Number(sizing(plan({ ...rates(8000, 0), latency: { p99Ms } }), 'limiter').instances);
    expect(of(4)).toBeGreaterThan(of(50));
  });

  it('says what each way that it does not take would cost', () => {
    const rejected = part(plan(), 'limiter')?.rejected ?? [];
    expect(rejected.find(({ option }) => option.includes('WAIT'))?.numbers).toEqual({
      savesMs: 1,
      admittedAgainAtMost: 125,
    });
    expect(rejected.every(({ numbers }) => Object.keys(numbers).length > 0)).toBe(true);
  });
});

describe('what does not fit', () => {
  const impossible: readonly (readonly [string, Partial<Requirements>])[] = [
    ['consistency.level', { consistency: { level: 'linearizable', stalenessMs: 0 } }],
    ['availability.recoveryMs', { availability: { target: 0.999, recoveryMs: 500 } }],
    ['cost.usdPerMonth', { cost: { usdPerMonth: 10 } }],
    ['latency.p99Ms', { latency: { p99Ms: 0.5 } }],
  ];

  it.each(impossible)('names %s, and relaxing it as said gives a plan', (key, changes) => {
    const { relax, rejected } = refusal({ ...changes, needs: ['keep-hot-data'] });
    expect(rejected.every((excuse) => Object.keys(excuse.numbers).length > 0)).toBe(true);
    const said = relax.find((candidate) => candidate.key === key);
    const [section = '', name = ''] = key.split('.');
    const base = requirements({ ...changes, needs: ['keep-hot-data'] });
    const old = (base as unknown as Record<string, object>)[section];
    const relaxed = { ...base, [section]: { ...old, [name]: said?.to } };
    expect(isNoPlan(assemblePlan(relaxed, catalogue))).toBe(false);
  });

  it('says what to relax on one screen', () => {
    const text = summarizeNoPlan(refusal({ cost: { usdPerMonth: 10 } }));
    expect(text).toContain('relax cost.usdPerMonth');
    expect(text.split('\n').length).toBeLessThanOrEqual(24);
  });
});

describe('every plan of a thousand random requirements', () => {
  const pick = <T>(random: Random, list: readonly T[]) => list[random.integer(list.length)] as T;
  const random = seededRandom(20_261);
  const drawn = Array.from({ length: 1000 }, () => {
    const powers = (low: number, high: number) => 10 ** (low + random.next() * (high - low));
    return requirements({
      needs: pick(random, [['limit-callers'], ['keep-hot-data'], ['limit-callers', 'keep-hot-data']]),
      rate: {
        readPerSecond: exactly(powers(0, 5)),
        writePerSecond: exactly(powers(0, 5)),
        peakFactor: exactly(1 + random.next() * 4),
      },
      data: { payloadBytes: exactly(Math.round(powers(1, 4))), totalMiB: exactly(powers(0, 5)) },
      latency: { p99Ms: powers(0.7, 3) },
      availability: { target: pick(random, [0.99, 0.999, 0.9999, 0.99999]), recoveryMs: Math.round(powers(3.5, 5)) },
      loss: { rpoMs: pick(random, [0, 500, 10_000, 86_400_000]) },
    });
  });
  const plans = drawn.map((each) => assemblePlan(each, catalogue));

  it('meets its own predictions, adds up, and connects only what is there', () => {
    const made = plans.filter((result): result is Plan => !isNoPlan(result));
    expect(made.length).toBeGreaterThan(600);
    for (const each of made) {
      for (const { metric, predicted, bound } of each.parts.flatMap((p) => p.predictions))
        expect(predicted, metric).toBeLessThanOrEqual(bound);
      expect(each.parts.reduce((sum, p) => sum + p.usdPerMonth, 0)).toBeCloseTo(each.cost.usdPerMonth, 6);
      expect(each.edges.every(({ to }) => each.parts.some((p) => p.name === to))).toBe(true);
      expect(each.tightest?.margin).toBeGreaterThanOrEqual(1);
    }
  });

  it('is the same each time, and survives its file', () => {
    for (const [index, result] of plans.slice(0, 100).entries()) {
      expect(assemblePlan(drawn[index] as Requirements, catalogue)).toEqual(result);
      if (!isNoPlan(result)) expect(formatPlan(parsePlan(formatPlan(result), 'plan.json'))).toBe(formatPlan(result));
    }
  });

  it('fits its summary on a screen', () => {
    for (const result of plans) {
      const lines = (isNoPlan(result) ? summarizeNoPlan(result) : summarizePlan(result)).split('\n');
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    }
  });
});

describe('explaining', () => {
  it('gives each decision with its number, and each rejected option', () => {
    const text = explainPlan(plan(), 'store') ?? '';
    expect(text).toContain('cluster-node-timeout: 5600 ms');
    expect(text).toContain('rejected: sharded-redis: cache ring');
    expect(explainPlan(plan(), 'nothing')).toBeNull();
  });
});
