/** More asked never means less planned. */

import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { NoPlan, Plan } from '../../../src/plan/plan.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from '../../../templates/index.ts';
import { draw, ordinary } from './random-requirements.ts';

const seed = 411;
const drawn = draw(250, seed, ordinary);

const times = (interval: { readonly mid: number }, factor: number) => exactly(interval.mid * factor);

/** Each asks for more, in one respect; all that may follow is more of it, or no plan. */
const harder: Readonly<Record<string, (r: Requirements) => Requirements>> = {
  'more reads': (r) => ({ ...r, rate: { ...r.rate, readPerSecond: times(r.rate.readPerSecond, 3) } }),
  'more writes': (r) => ({ ...r, rate: { ...r.rate, writePerSecond: times(r.rate.writePerSecond, 3) } }),
  'a higher peak': (r) => ({ ...r, rate: { ...r.rate, peakFactor: times(r.rate.peakFactor, 2) } }),
  'a tighter p99': (r) => ({ ...r, latency: { p99Ms: r.latency.p99Ms / 2 } }),
  'a sooner recovery': (r) => ({
    ...r,
    availability: { ...r.availability, recoveryMs: Math.round(r.availability.recoveryMs / 1.5) },
  }),
  'less loss': (r) => ({ ...r, loss: { rpoMs: Math.floor(r.loss.rpoMs / 100) } }),
  'less effort to run it': (r) => ({ ...r, operations: { effort: r.operations.effort === 'high' ? 'medium' : 'low' } }),
  'a higher availability': (r) => ({
    ...r,
    availability: { ...r.availability, target: 1 - (1 - r.availability.target) / 10 },
  }),
};

const usd = (plan: Plan | NoPlan) => (isNoPlan(plan) ? Number.POSITIVE_INFINITY : plan.cost.usdPerMonth);

function totals(plan: Plan, key: string): number {
  return plan.parts.reduce((sum, { sizing }) => sum + Number((sizing as Record<string, unknown>)[key] ?? 0), 0);
}

describe.each(Object.keys(harder))('%s', (name) => {
  const pairs = drawn.map((each) => {
    const more = (harder[name] as (r: Requirements) => Requirements)(each);
    return [each, assemblePlan(each, catalogue), assemblePlan(more, catalogue)] as const;
  });

  it('never turns a refusal into a plan, nor costs less', () => {
    expect(pairs.filter(([, before]) => !isNoPlan(before)).length).toBeGreaterThan(150);
    for (const [asked, before, after] of pairs) {
      expect(usd(after), `seed ${seed}: ${JSON.stringify(asked)}`).toBeGreaterThanOrEqual(usd(before) - 1e-6);
    }
  });

  it('never has fewer shards or instances in the same composition, mode and machines', () => {
    let compared = 0;
    for (const [asked, before, after] of pairs) {
      if (isNoPlan(before) || isNoPlan(after)) continue;
      const shape = (plan: Plan) =>
        plan.parts.map((p) => [p.name, (p.sizing as Record<string, unknown>).mode, p.machines.map((m) => m.machine)]);
      if (JSON.stringify(shape(before)) !== JSON.stringify(shape(after))) continue;
      compared++;
      for (const key of ['shards', 'instances', 'apiInstances', 'replicasPerShard']) {
        const message = `seed ${seed}, ${key}: ${JSON.stringify(asked)}`;
        expect(totals(after, key), message).toBeGreaterThanOrEqual(totals(before, key));
      }
    }
    expect(compared).toBeGreaterThan(100);
  });
});

it('more data of the same values never takes less memory', () => {
  for (const each of drawn) {
    const more = { ...each, data: { ...each.data, totalMiB: times(each.data.totalMiB, 3) } };
    const [before, after] = [assemblePlan(each, catalogue), assemblePlan(more, catalogue)];
    if (isNoPlan(before) || isNoPlan(after)) continue;
    const memory = (plan: Plan) =>
      plan.parts.reduce((sum, { sizing }) => {
        const { shards = 0, maxmemoryMiB = 0 } = sizing as { shards?: number; maxmemoryMiB?: number };
        return sum + shards * maxmemoryMiB;
      }, 0);
    // Each shard's maxmemory is rounded up to a whole MiB, and has 16 of its own.
    const slack = totals(before, 'shards') * 17;
    expect(memory(after) + slack, `seed ${seed}: ${JSON.stringify(each)}`).toBeGreaterThanOrEqual(memory(before));
  }
});
