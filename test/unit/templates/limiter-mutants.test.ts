import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../src/checkers/history.ts';
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
  onSteppedClock,
  outage,
  perInstance,
  rightLimiter,
  sharedBucket,
  stepMs,
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
  const common = {
    part: 'limiter',
    sizing,
    options: {},
    requirements: requirementsOf(),
    faults: [],
    clockSteps: [],
    probe: null,
  };
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

describe('a step of the wall clock that the store counts by', () => {
  const judge = (byMs: number, seed: number, clockSteps: CheckInput['clockSteps'], make = onSteppedClock(byMs)) =>
    check(hammer(make, hammering, seededRandom(seed)), { clockSteps });
  const seen = (byMs: number) => [{ fromMs: stepMs - 5, toMs: stepMs + 5, byMs: byMs + Math.sign(byMs) }];
  const seeds = [...Array(100).keys()];

  it.each([40, -40, 3, -3])('is held against no limiter where the bench saw it: %d ms', (byMs) => {
    for (const seed of seeds) {
      for (const { id, verdict, violations } of judge(byMs, seed, seen(byMs))) {
        expect(verdict, `seed ${seed}: ${id}: ${violations[0]}`).toBe('held');
      }
    }
  });

  it('allows no more than it explains', () => {
    const violated = (byMs: number, steps: CheckInput['clockSteps'], id: number) =>
      seeds.filter((seed) => judge(byMs, seed, steps)[id]?.verdict === 'violated').length;
    expect(violated(90, [], 0)).toBe(100);
    expect(violated(90, seen(20), 0)).toBe(100);
    expect(violated(90, [{ fromMs: 1e6, toMs: 1e6, byMs: 91 }], 0)).toBe(100);
    expect(violated(-90, [], 1)).toBeGreaterThan(60);
    expect(violated(-90, seen(-20), 1)).toBeGreaterThan(40);
    const broken = seeds.filter((seed) => judge(40, seed, seen(40), nonAtomic)[0]?.verdict === 'violated');
    expect(broken).toHaveLength(100);
  });

  it('says how far it went, and judges nobody where a step empties the buckets', () => {
    expect(judge(40, 1, seen(40))[0]?.note).toContain('; the machine’s wall clock went forward by up to 41 ms');
    const clockSteps = [{ fromMs: 1000, toMs: 1050, byMs: 3_600_000 }];
    const denials = (fromMs: number) => [...Array(40).keys()].map((i) => denial(fromMs + i));
    const soon = check(denials(1500), { clockSteps });
    expect(soon.map(({ verdict }) => verdict)).not.toContain('violated');
    const later = check([denial(50_000), ...denials(100_000)], { clockSteps });
    expect(later.map(({ verdict }) => verdict)).toContain('violated');
  });

  function denial(sentMs: number): HistoryEntry {
    const timing = { sentMs, answeredMs: sentMs + 1, phase: 'steady' } as const;
    return { part: 'limiter', operation: 'check', key: 'k', value: 1, outcome: 'ok', result: 0, ...timing };
  }
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

  it('takes no denial without the store for a ruling, and says how many there were', () => {
    const history = [entry(0, 1), ...Array.from({ length: 20 }, (_, i) => entry(500 + i, -1)), entry(2000, 1)];
    expect(check(history)[1]).toMatchObject({
      verdict: 'held',
      note: expect.stringContaining('; 20 more were denied'),
    });
    expect(check(history.map((e) => ({ ...e, result: Math.max(0, e.result) })))[1]?.verdict).toBe('violated');
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
