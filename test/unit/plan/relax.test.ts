/** A refusal names what to relax, and doing so gives a plan: for every refusal. */

import { describe, expect, it } from 'vitest';
import type { Excuse } from '../../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { NoPlan } from '../../../src/plan/plan.ts';
import { apply, relaxationsFor } from '../../../src/plan/relax.ts';
import { summarizeNoPlan } from '../../../src/plan/summary.ts';
import type { Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from '../../../templates/index.ts';
import { absurd, draw } from './random-requirements.ts';
import { rates, requirements } from './requirements.ts';

const isPlanned = (r: Requirements) => !isNoPlan(assemblePlan(r, catalogue));

describe('every refusal of a thousand absurd requirements', () => {
  const seed = 77;
  const refused = draw(1000, seed, absurd).flatMap((asked) => {
    const result = assemblePlan(asked, catalogue);
    return isNoPlan(result) ? [[asked, result] as const] : [];
  });

  it('is not rare here', () => {
    expect(refused.length).toBeGreaterThan(500);
    expect(refused.filter(([, { together }]) => together).length).toBeGreaterThan(100);
    expect(refused.filter(([, { together }]) => !together).length).toBeGreaterThan(100);
  });

  it('names a relaxation that gives a plan', () => {
    for (const [asked, { relax, together }] of refused) {
      const message = `seed ${seed}: ${JSON.stringify(asked)} ${JSON.stringify(relax)}`;
      expect(relax.length, message).toBeGreaterThan(0);
      if (together) expect(isPlanned(relax.reduce(apply, asked)), message).toBe(true);
      else for (const each of relax) expect(isPlanned(apply(asked, each)), message).toBe(true);
    }
  });

  it('names none that is not needed', () => {
    for (const [asked, { relax, together }] of refused.filter(([, each]) => each.together)) {
      expect(together).toBe(true);
      for (const each of relax) {
        const others = relax.filter((other) => other !== each).reduce(apply, asked);
        expect(isPlanned(others), `seed ${seed}: ${each.key} ${JSON.stringify(asked)}`).toBe(false);
      }
    }
  });

  it('gives every excuse a reason and finite numbers, so that JSON holds it', () => {
    for (const [, result] of refused) {
      expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      for (const { reason, numbers } of result.rejected) {
        expect(reason).not.toBe('');
        expect(Object.keys(numbers).length).toBeGreaterThan(0);
        expect(Object.values(numbers).every(Number.isFinite)).toBe(true);
      }
    }
  });

  it('fits a screen', () => {
    for (const [, result] of refused) {
      const lines = summarizeNoPlan(result).split('\n');
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    }
  });
});

describe('how far', () => {
  const refusal = (changes: Partial<Requirements>): NoPlan => {
    const result = assemblePlan(requirements({ needs: ['keep-hot-data'], ...changes }), catalogue);
    if (!isNoPlan(result)) throw new Error('there is a plan');
    return result;
  };

  it('is no further than needed', () => {
    const asked = { latency: { p99Ms: 0.5 } };
    const { relax } = refusal(asked);
    const said = Number(relax.find(({ key }) => key === 'latency.p99Ms')?.to);
    expect(isPlanned(requirements({ needs: ['keep-hot-data'], latency: { p99Ms: said } }))).toBe(true);
    expect(isPlanned(requirements({ needs: ['keep-hot-data'], latency: { p99Ms: said * 0.9 } }))).toBe(false);
  });

  it('of a rate that is too high is a rate below it', () => {
    const { relax } = refusal(rates(5e7, 10));
    const to = Number(relax.find(({ key }) => key === 'rate.readPerSecond')?.to);
    expect(to).toBeGreaterThan(1e5);
    expect(to).toBeLessThan(5e7);
  });

  it('of an availability that is too strict is said in what is left out of 1', () => {
    const availability = { target: 0.999_999, recoveryMs: 15_000 };
    const { relax, together } = refusal({ availability });
    expect(together).toBe(false);
    const to = Number(relax.find(({ key }) => key === 'availability.target')?.to);
    expect(to).toBeGreaterThan(0.9999);
    expect(to).toBeLessThan(0.999_999);
  });
});

it('gives no advice where none helps', () => {
  const rejected: readonly Excuse[] = [
    { option: 'x', reason: 'never', bottleneck: 'x', numbers: { x: 1 }, relax: { key: 'latency.p99Ms', to: 100 } },
  ];
  expect(relaxationsFor(requirements(), rejected, () => rejected)).toEqual({ relax: [], together: true });
  expect(summarizeNoPlan({ kind: 'no-plan', rejected: [rejected[0] as Excuse], relax: [], together: true })).toContain(
    'nothing that was tried',
  );
});
