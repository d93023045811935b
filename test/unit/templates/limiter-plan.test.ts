import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { catalogue } from '../../../templates/index.ts';
import { chunkFor, leastChunk } from '../../../templates/rate-limiter/capacity.ts';
import { chunkOf, leastChunk as leastLeased } from '../../../templates/rate-limiter/service/src/leases.ts';
import type { LimiterSizing } from '../../../templates/rate-limiter/size.ts';
import { rates, requirements } from '../plan/requirements.ts';

function limiterAt(allowedErrorPercent: number, limit = 1000) {
  const limits = { limit, periodMs: 60_000, hardCap: false, allowedErrorPercent, onStoreFailure: 'closed' };
  const plan = assemblePlan(requirements({ options: { 'limit-callers': limits } }), catalogue);
  if (isNoPlan(plan)) throw new Error('no plan');
  const limiter = plan.parts.find(({ name }) => name === 'limiter')!;
  const sizing = limiter.sizing as unknown as LimiterSizing;
  const chosen = limiter.decisions.find(({ about }) => about === 'exactness')!;
  const excuse = limiter.rejected.find(({ option }) => /: (leased|exact)$/.test(option))!;
  return { limiter, sizing, chosen, excuse };
}

describe('the number of instances', () => {
  const limiterOf = (minInstances: number, readPerSecond = 100) => {
    const limits = { limit: 1000, periodMs: 60_000, hardCap: false, allowedErrorPercent: 20, onStoreFailure: 'closed' };
    const options = { 'limit-callers': { ...limits, minInstances } };
    const cost = { usdPerMonth: 100_000 };
    const plan = assemblePlan(requirements({ options, cost, ...rates(readPerSecond, 0) }), catalogue);
    if (isNoPlan(plan)) throw new Error('no plan');
    const { sizing, decisions } = plan.parts.find(({ name }) => name === 'limiter')!;
    return { sizing: sizing as unknown as LimiterSizing, why: decisions.find(({ about }) => about === 'instances')! };
  };

  it('is never below what was asked for, and says so; what they lease is shared by all', () => {
    expect(limiterOf(2).sizing.instances).toBe(2);
    expect(limiterOf(2).why.because).toMatch(/^one may be lost/);
    const four = limiterOf(4);
    expect(four.sizing.instances).toBe(4);
    expect(four.sizing.leaseChunk).toBe(chunkFor(four.sizing.policy, 4));
    expect(four.why.because).toBe('as many as were asked for at least');
  });

  it('is what the load needs where that is more', () => {
    const needed = limiterOf(2, 50_000).sizing.instances;
    expect(needed).toBeGreaterThan(4);
    expect(limiterOf(4, 50_000).sizing.instances).toBe(needed);
  });
});

describe('exact or leased', () => {
  it('is exact where no error is allowed, and says why not leased', () => {
    const { sizing, chosen, excuse } = limiterAt(0);
    expect(sizing).toMatchObject({ leaseChunk: 0, policy: { allowedError: 0 } });
    expect(chosen.chosen).toMatch(/^exact/);
    expect(excuse).toMatchObject({ option: 'rate-limiter: leased', numbers: { allowedError: 0 } });
  });

  it('is leased where an error is allowed, and says what exact would cost', () => {
    const { limiter, sizing, chosen, excuse } = limiterAt(10);
    const { instances, leaseChunk } = sizing;
    expect(leaseChunk).toBeGreaterThanOrEqual(leastChunk);
    expect((instances + 1) * leaseChunk).toBeLessThanOrEqual(sizing.policy.allowedError);
    expect(chosen.chosen).toMatch(/^leased/);
    expect(chosen.numbers).toMatchObject({ overAtMost: instances * leaseChunk });
    expect(excuse).toMatchObject({ option: 'rate-limiter: exact', bottleneck: 'latency.p99Ms' });
    expect(limiter.predictions.some(({ metric }) => metric === 'over the limit at most')).toBe(true);
  });

  it('is exact where the error does not give every instance the least chunk', () => {
    const { sizing, excuse } = limiterAt(5, 100);
    expect(sizing).toMatchObject({ leaseChunk: 0, policy: { allowedError: 5 } });
    expect(excuse).toMatchObject({ option: 'rate-limiter: leased', numbers: { allowedError: 5, leastChunk } });
  });

  it('counts the chunk as the service does', () => {
    expect(leastChunk).toBe(leastLeased);
    for (const allowedError of [0, 1, 5, 6, 7, 100, 1e6]) {
      for (const instances of [1, 2, 3, 40]) {
        const policy = { allowedError, burst: 50 };
        const leased = chunkOf(policy, instances + 1);
        expect(chunkFor(policy, instances)).toBe(leased < leastLeased ? 0 : leased);
      }
    }
  });
});
