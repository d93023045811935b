import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { unmetBy } from '../../../src/plan/compose.ts';
import { describeChange, diffPlans } from '../../../src/plan/diff.ts';
import { explainPlan } from '../../../src/plan/explain.ts';
import { formatPlan, parsePlan } from '../../../src/plan/file.ts';
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

  it('gives the limiter its own store when the user’s may forget, and says why', () => {
    const cached = plan({ loss: { rpoMs: 86_400_000 }, consistency: { level: 'eventual', stalenessMs: 60_000 } });
    const own = part(cached, 'limiter-store');
    if (own !== undefined) {
      expect(own.need).toBeNull();
      expect(sizing(cached, 'store').mode).toBe('cache');
      expect(cached.edges[0]?.because).toMatch(/its own/);
    } else {
      expect(sizing(cached, 'store').mode).toBe('store');
    }
    expect(plan({ needs: ['keep-hot-data'], loss: { rpoMs: 86_400_000 } }).parts[0]?.sizing).toMatchObject({
      mode: 'cache',
    });
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
    expect(unmetBy(offered, { ...demand, guarantees: { replicas: 9 } })).toMatch(/9 replicas/);
    expect(unmetBy(offered, { ...demand, guarantees: { evicts: true } })).toMatch(/evicts/);
    expect(unmetBy(offered, { ...demand, guarantees: { failoverMs: 1 } })).toMatch(/failoverMs/);
    expect(unmetBy(undefined, { ...demand, guarantees: {} })).toMatch(/kv/);
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
    // The limiter's two instances connect too.
    expect(of(plan()) - of(alone)).toBe(2);
  });

  it('waits for a replica where a failover would lose more than allowed, and then keeps a second one', () => {
    expect(sizing(plan(), 'store')).toMatchObject({ waitReplicas: 1, replicasPerShard: 2 });
    const loose = plan({ needs: ['keep-hot-data'], loss: { rpoMs: 60_000 } });
    expect(sizing(loose, 'store')).toMatchObject({ waitReplicas: 0, replicasPerShard: 1 });
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
      const options = { 'limit-callers': { limit, periodMs: 60_000, hardCap: true, onStoreFailure: 'closed' } };
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

  it('refuses with a number and a way out', () => {
    const none = plans.filter(isNoPlan);
    for (const { rejected, relax } of none) {
      expect(rejected[0].reason).not.toBe('');
      expect(relax.length).toBeGreaterThan(0);
    }
  });

  it('needs no fewer shards for twice the load', () => {
    for (const each of drawn.slice(0, 300)) {
      const twice = { ...each, rate: { ...each.rate, readPerSecond: exactly(each.rate.readPerSecond.mid * 2) } };
      const [one, two] = [assemblePlan(each, catalogue), assemblePlan(twice, catalogue)];
      if (isNoPlan(one) || isNoPlan(two)) continue;
      const shards = (of: Plan) =>
        of.parts.reduce((sum, p) => sum + (Number((p.sizing as Record<string, unknown>).shards) || 0), 0);
      const modes = (of: Plan) => of.parts.map((p) => (p.sizing as Record<string, unknown>).mode).join();
      if (modes(one) === modes(two)) expect(shards(two)).toBeGreaterThanOrEqual(shards(one));
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
    }
  });
});

describe('plan.json', () => {
  it.each(['', '{', '[]', '{"schemaVersion": 2}', '{"schemaVersion": 1, "parts": []}'])('refuses %j', (text) => {
    expect(() => parsePlan(text, 'plan.json')).toThrow(/cannot be read/);
  });

  it('is compared by name, not by place', () => {
    const from = plan({ needs: ['keep-hot-data'] });
    const to = plan();
    expect(diffPlans(from, from)).toEqual([]);
    const paths = diffPlans(from, to).map(describeChange);
    expect(paths.some((line) => line.startsWith('+ parts.limiter.'))).toBe(true);
    expect(paths.some((line) => line.startsWith('~ parts.store.name'))).toBe(false);
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
