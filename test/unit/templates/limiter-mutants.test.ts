import { describe, expect, it } from 'vitest';
import type { CheckInput, FaultWindow, InvariantResult } from '../../../src/checkers/invariant.ts';
import { seededRandom } from '../../../src/random.ts';
import invariants from '../../../templates/rate-limiter/invariants.ts';
import {
  chargesDenials,
  failingOver,
  fixedWindow,
  type Hammering,
  hammer,
  type MakeLimiter,
  nonAtomic,
  outage,
  perInstance,
  rightLimiter,
  sharedBucket,
} from './limiter-simulation.ts';
import { requirementsOf } from './requirements.ts';

const hammering: Hammering = {
  bucket: { ratePerMs: 0.1, burst: 10 },
  checks: 300,
  everyMs: 1,
  delayMs: 0.5,
  lostShare: 0.02,
};
const sizing = { policy: { name: 'default', limit: 100, periodMs: 1000, burst: 10 } };

function check(history: CheckInput['history'], over: Partial<CheckInput> = {}): readonly InvariantResult[] {
  const common = { part: 'limiter', sizing, options: {}, requirements: requirementsOf(), faults: [], probe: null };
  return invariants.check({ ...common, history, ...over });
}

function verdicts(make: MakeLimiter, seed: number): Record<string, string> {
  const results = check(hammer(make, hammering, seededRandom(seed)));
  return Object.fromEntries(results.map(({ id, verdict }) => [id, verdict]));
}

/** The seeds in which a check was violated. */
function caught(make: MakeLimiter, id: string, seeds: number): readonly number[] {
  return [...Array(seeds).keys()].filter((seed) => verdicts(make, seed)[id] === 'violated');
}

describe('the right limiter', () => {
  it('is accused in none of six hundred schedules, and each exercises both checks', () => {
    for (let seed = 0; seed < 600; seed++) {
      const found = verdicts(rightLimiter, seed);
      expect(found, `seed ${seed}`).toEqual({ 'no-over-admission': 'held', 'no-wrong-denial': 'held' });
    }
  });
});

describe('mutants', () => {
  it('non-atomic: caught in every one of six hundred schedules', () => {
    expect(caught(nonAtomic, 'no-over-admission', 600)).toHaveLength(600);
  });

  it.each([
    ['a fixed window', fixedWindow, 'no-over-admission'],
    ['a bucket in each instance', perInstance, 'no-over-admission'],
    ['charged denials', chargesDenials, 'no-wrong-denial'],
    ['one bucket for everybody', sharedBucket, 'no-wrong-denial'],
  ])('%s: caught in nearly all of two hundred schedules', (_, make, id) => {
    expect(caught(make, id, 200).length).toBeGreaterThan(190);
  });
});

describe('a failover of the store', () => {
  const fault: FaultWindow = {
    kind: 'kill',
    instance: 'limiter-store-redis-0',
    set: 'limiter-store-redis',
    part: 'limiter-store',
    startMs: outage.fromMs,
    healedMs: outage.toMs,
    hit: true,
  };
  const requirements = requirementsOf({ availability: { target: 0.999, recoveryMs: 1 } });
  const judge = (restart: 'empty' | 'full', seed: number) =>
    check(hammer(failingOver(restart), hammering, seededRandom(seed)), { faults: [fault], requirements });

  it('is held against no limiter whose buckets restart empty, however late each is touched', () => {
    for (let seed = 0; seed < 300; seed++) {
      for (const { id, verdict, violations } of judge('empty', seed)) {
        expect(verdict, `seed ${seed}: ${id}: ${violations[0]}`).toBe('held');
      }
    }
  });

  it('is held against one whose buckets restart full', () => {
    // What a key may have after 60 ms away: a burst before, and a burst after, where 6 have come back.
    const seeds = [...Array(100).keys()];
    expect(seeds.filter((seed) => judge('full', seed)[0]?.verdict === 'violated').length).toBeGreaterThan(75);
  });
});

describe('what it says', () => {
  const entry = (sentMs: number, result: number, over: object = {}) => ({
    part: 'limiter',
    operation: 'check',
    key: 'k',
    value: 1,
    sentMs,
    answeredMs: sentMs + 1,
    outcome: 'ok' as const,
    result,
    phase: 'steady' as const,
    ...over,
  });
  const burstOf = (count: number, from = 0) => Array.from({ length: count }, (_, i) => entry(from + i / 100, 1));
  const denied = entry(5, 0);
  const kill: FaultWindow = {
    kind: 'kill',
    instance: 'limiter-store-redis-0',
    set: 'limiter-store-redis',
    part: 'limiter-store',
    startMs: 0,
    healedMs: 1000,
    hit: true,
  };

  it('names key, window and excess, the worst first', () => {
    const other = burstOf(14).map((e) => ({ ...e, key: 'worse' }));
    const [over] = check([...burstOf(12), ...other, denied]);
    expect(over).toMatchObject({ verdict: 'violated', violationCount: 2, checked: 26 });
    expect(over?.violations[0]).toMatch(/^key worse was admitted 14 units within 1\.13 ms where 10\.113 are allowed/);
    expect(over?.violations[1]).toMatch(/^key k was admitted 12 units/);
  });

  it('is unexercised where nobody was denied, and where nothing happened', () => {
    expect(check(burstOf(5)).map(({ verdict }) => verdict)).toEqual(['unexercised', 'held']);
    expect(check([]).map(({ verdict }) => verdict)).toEqual(['unexercised', 'unexercised']);
  });

  it('counts no check without an answer as an admission', () => {
    const unanswered = burstOf(30).map((e) => ({ ...e, answeredMs: null, outcome: 'unknown' as const, result: 0 }));
    expect(check([...burstOf(10), ...unanswered, denied])[0]?.verdict).toBe('held');
  });

  it('allows a failover what the plan declares and no more', () => {
    const failover = { faults: [kill], sizing: { ...sizing, failoverLossMs: 100 } };
    // 10 + 100 × 0.1 more.
    expect(check([...burstOf(30), denied], failover)[0]?.verdict).toBe('held');
    expect(check([...burstOf(31), denied], failover)[0]?.verdict).toBe('violated');
    expect(check([...burstOf(11), denied], { faults: [kill] })[0]?.verdict).toBe('violated');
    expect(check([...burstOf(30), denied], { ...failover, faults: [{ ...kill, hit: false }] })[0]?.verdict).toBe(
      'violated',
    );
    // A fault of the limiter's own process forgives nothing.
    const own = { ...kill, part: 'limiter', set: 'limiter-api' };
    expect(check([...burstOf(30), denied], { ...failover, faults: [own] })[0]?.verdict).toBe('violated');
  });

  it('judges what was decided without the store as the policy says', () => {
    const without = burstOf(12).map((e) => ({ ...e, result: 2 }));
    const history = [...burstOf(10), ...without, denied];
    const by = (onStoreFailure: string, entries: CheckInput['history'] = history) =>
      check(entries, { options: { onStoreFailure } })[0]?.verdict;
    expect(by('open')).toBe('held');
    expect(by('closed')).toBe('violated');
    expect(by('local')).toBe('violated');
    expect(by('local', [...burstOf(10), ...without.slice(0, 10), denied])).toBe('held');
    expect(by('open', [...burstOf(12), denied])).toBe('violated');
  });

  it('forgives denials while the store is disturbed and until the bucket has filled again, and no later', () => {
    const denials = (...atMs: readonly number[]) => {
      const history = [entry(-5000, 1), ...atMs.map((at) => entry(at, 0))];
      return check(history, { faults: [kill] })[1]?.verdict;
    };
    // Disturbed until 1000 + recovery 2000, and emptied at the first check after that; a token is back 10 ms later.
    expect(denials(500, 1500, 2900)).toBe('held');
    expect(denials(2900, 3100, 3105)).toBe('held');
    expect(denials(2900, 3100, 3115)).toBe('violated');
  });

  it('takes the level at the start of the history for unknown', () => {
    expect(check([entry(0, 0), entry(5, 0)])[1]?.verdict).toBe('held');
    expect(check([entry(0, 0), entry(50, 0)])[1]?.verdict).toBe('violated');
  });

  it('bears the share of wrong denials that the availability allows', () => {
    const good = Array.from({ length: 4000 }, (_, i) => entry(1000 + i * 20, 1, { key: `k${i}` }));
    const wrong = entry(200_000, 0);
    expect(check([...good, wrong])[1]).toMatchObject({ verdict: 'held', violationCount: 0 });
    // The first check of a key meets an unknown level.
    const many = Array.from({ length: 11 }, (_, i) => entry(200_000 + i * 100, 0));
    expect(check([...good, ...many])[1]).toMatchObject({ verdict: 'violated', violationCount: 10 });
  });
});
