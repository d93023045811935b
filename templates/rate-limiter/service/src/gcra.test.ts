import { describe, expect, it } from 'vitest';
import { compileRate, debtAt, type KeyState, type Quota, standing, stateOf, take } from './gcra.ts';
import { seeded } from './seeded.testing.ts';

const epochUs = 1_763_000_000_000_000;

interface Admission {
  readonly atUs: number;
  readonly cost: number;
}

/**
 * The most that any window [s, e] admits beyond burst + rate × (e − s), in unit × µs × limit so that it is exact.
 * Only windows that begin and end at an admission can be the worst.
 */
function worstExcess(quota: Quota, admissions: readonly Admission[]): bigint {
  const periodUs = BigInt(quota.periodMs) * 1000n;
  let before = 0n;
  let least: bigint | undefined;
  let worst = -BigInt(quota.burst) * periodUs;
  for (const { atUs, cost } of admissions) {
    const drained = BigInt(atUs - epochUs) * BigInt(quota.limit);
    const start = before - drained;
    least = least === undefined || start < least ? start : least;
    before += BigInt(cost) * periodUs;
    const excess = before - drained - least - BigInt(quota.burst) * periodUs;
    if (excess > worst) worst = excess;
  }
  return worst;
}

type Step = (quota: Quota, state: KeyState | undefined, nowUs: number, cost: number) => KeyState | undefined | 'denied';

const correct: Step = (quota, state, nowUs, cost) => {
  const rate = compileRate(quota);
  const taken = take(rate, debtAt(rate, state, nowUs), cost);
  return taken.allowed ? stateOf(rate, taken.debtTicks, nowUs) : 'denied';
};

function admissionsOf(step: Step, quota: Quota, random: (bound: number) => number, length: number): Admission[] {
  const admissions: Admission[] = [];
  const intervalUs = Math.max(1, Math.ceil((quota.periodMs * 1000) / quota.limit));
  let state: KeyState | undefined;
  let nowUs = epochUs;
  for (let i = 0; i < length; i++) {
    // Mostly floods, sometimes a pause that refills part or all of the burst.
    nowUs += random(10) === 0 ? random(intervalUs * quota.burst * 2) : random(Math.ceil(intervalUs / 2) + 1);
    const cost = 1 + random(Math.min(quota.burst, 3));
    const next = step(quota, state, nowUs, cost);
    if (next === 'denied') continue;
    state = next;
    admissions.push({ atUs: nowUs, cost });
  }
  return admissions;
}

function randomQuota(random: (bound: number) => number): Quota {
  const periods = [1, 7, 100, 1000, 60_000, 3_600_000, 86_400_000];
  const limits = [1, 2, 3, 7, 10, 60, 100, 997, 12_345, 1_000_003];
  return {
    limit: limits[random(limits.length)]!,
    periodMs: periods[random(periods.length)]!,
    burst: 1 + random(50),
  };
}

describe('any window', () => {
  it('admits at most burst + rate × t, whatever the schedule', () => {
    for (let seed = 0; seed < 3000; seed++) {
      const random = seeded(seed);
      const quota = randomQuota(random);
      const admissions = admissionsOf(correct, quota, random, 120);
      expect(worstExcess(quota, admissions) <= 0n, `seed ${seed} ${JSON.stringify(quota)}`).toBe(true);
    }
  });

  it('is seen to admit more when the interval is rounded down, or the clock is let back', () => {
    const roundsDown: Step = (quota, state, nowUs, cost) => {
      const intervalUs = Math.floor((quota.periodMs * 1000) / quota.limit);
      const tatUs = Math.max(state?.tatUs ?? 0, nowUs) + cost * intervalUs;
      return tatUs - nowUs <= quota.burst * intervalUs ? { tatUs, ticks: 0 } : 'denied';
    };
    const forgets: Step = (quota, state, nowUs, cost) =>
      correct(quota, nowUs % 7 === 0 ? undefined : state, nowUs, cost);
    for (const mutant of [roundsDown, forgets]) {
      const random = seeded(1);
      const quota = { limit: 7, periodMs: 1, burst: 5 };
      expect(worstExcess(quota, admissionsOf(mutant, quota, random, 2000)) > 0n).toBe(true);
    }
  });
});

describe('a caller who keeps to the rate', () => {
  /** Whether every one of 300 units, due at the given µs, is admitted. */
  const neverRefused = (quota: Quota, dueUs: (unit: number) => number) => {
    const rate = compileRate(quota);
    let state: KeyState | undefined;
    for (let unit = 0; unit < 300; unit++) {
      const taken = take(rate, debtAt(rate, state, dueUs(unit)), 1);
      if (!taken.allowed) return false;
      state = stateOf(rate, taken.debtTicks, dueUs(unit));
    }
    return true;
  };

  it('is never refused, however odd the interval', () => {
    for (let seed = 0; seed < 400; seed++) {
      const quota = { ...randomQuota(seeded(seed)), burst: 1 };
      const intervalUs = Math.ceil((quota.periodMs * 1000) / quota.limit);
      expect(
        neverRefused(quota, (unit) => epochUs + unit * intervalUs),
        `seed ${seed} ${JSON.stringify(quota)}`,
      ).toBe(true);
      if (quota.limit > quota.periodMs * 1000) continue;
      // On a clock of whole µs, units of 333⅓ µs come 333 or 334 apart: a second unit of burst covers that, for ever.
      const nthUs = (unit: number) => epochUs + Math.floor((unit * quota.periodMs * 1000) / quota.limit);
      expect(neverRefused({ ...quota, burst: 2 }, nthUs), `seed ${seed} ${JSON.stringify(quota)}`).toBe(true);
    }
  });

  it('gets the whole rate over a long time', () => {
    const quota = { limit: 700_001, periodMs: 1000, burst: 10 };
    const rate = compileRate(quota);
    let state: KeyState | undefined;
    let admitted = 0;
    for (let us = 0; us < 200_000; us++) {
      for (;;) {
        const taken = take(rate, debtAt(rate, state, epochUs + us), 1);
        if (!taken.allowed) break;
        state = stateOf(rate, taken.debtTicks, epochUs + us);
        admitted++;
      }
    }
    expect(admitted).toBe(10 + Math.floor(0.199_999 * 700_001));
  });
});

describe('compileRate', () => {
  it('is exact where the numbers allow', () => {
    expect(compileRate({ limit: 100, periodMs: 60_000, burst: 100 })).toEqual({
      ticksPerUs: 1,
      unitTicks: 600_000,
      capacityTicks: 60_000_000,
      burst: 100,
    });
    expect(compileRate({ limit: 3, periodMs: 1000, burst: 1 })).toMatchObject({ ticksPerUs: 3, unitTicks: 1_000_000 });
    expect(compileRate({ limit: 2_000_000, periodMs: 1000, burst: 5 })).toMatchObject({ ticksPerUs: 2, unitTicks: 1 });
  });

  it('rounds the interval up where they do not, by next to nothing, and stays below 2^53', () => {
    const quota = { limit: 999_999_937, periodMs: 366 * 86_400_000, burst: 1_000_000_000 };
    const rate = compileRate(quota);
    const exactUs = (quota.periodMs * 1000) / quota.limit;
    expect(
      BigInt(rate.unitTicks) * BigInt(quota.limit) >= BigInt(rate.ticksPerUs) * BigInt(quota.periodMs) * 1000n,
    ).toBe(true);
    expect(rate.unitTicks / rate.ticksPerUs / exactUs).toBeCloseTo(1, 5);
    expect(rate.capacityTicks * 2).toBeLessThan(Number.MAX_SAFE_INTEGER);
  });

  it('refuses a burst that never comes back', () => {
    expect(() => compileRate({ limit: 1, periodMs: 366 * 86_400_000, burst: 11 })).toThrow(RangeError);
  });

  it('keeps every quota in range within whole numbers', () => {
    for (let seed = 0; seed < 2000; seed++) {
      const random = seeded(seed);
      const quota = { limit: 1 + random(1e9), periodMs: 1 + random(366 * 86_400_000), burst: 1 + random(1e9) };
      if ((quota.burst * quota.periodMs) / quota.limit > 10 * 366 * 86_400_000) continue;
      const rate = compileRate(quota);
      expect(rate.ticksPerUs, JSON.stringify(quota)).toBeGreaterThanOrEqual(1);
      expect(rate.unitTicks).toBeGreaterThanOrEqual(1);
      for (const value of Object.values(rate))
        expect(Number.isSafeInteger(value * 2), JSON.stringify(quota)).toBe(true);
    }
  });
});

describe('standing', () => {
  const rate = compileRate({ limit: 10, periodMs: 1000, burst: 5 });

  it('says what is left, and until when', () => {
    expect(standing(rate, 0, 0)).toEqual({ remaining: 5, resetMs: 0, retryAfterMs: 0, nextUnitMs: 0 });
    expect(standing(rate, 250_000, 0)).toEqual({ remaining: 2, resetMs: 250, retryAfterMs: 0, nextUnitMs: 50 });
    expect(standing(rate, 500_000, 1)).toEqual({ remaining: 0, resetMs: 500, retryAfterMs: 100, nextUnitMs: 100 });
    expect(standing(rate, 499_001, 5)).toEqual({ remaining: 0, resetMs: 500, retryAfterMs: 500, nextUnitMs: 100 });
  });

  it('names the first millisecond at which the cost fits', () => {
    for (let seed = 0; seed < 2000; seed++) {
      const random = seeded(seed);
      const some = compileRate(randomQuota(random));
      const cost = 1 + random(some.burst);
      const debt = Math.floor((some.capacityTicks * random(1001)) / 1000);
      if (take(some, debt, cost).allowed) continue;
      const { retryAfterMs } = standing(some, debt, cost);
      const later = (ms: number) => debtAt(some, stateOf(some, debt, epochUs), epochUs + ms * 1000);
      expect(take(some, later(retryAfterMs), cost).allowed, `seed ${seed}`).toBe(true);
      expect(take(some, later(retryAfterMs - 1), cost).allowed, `seed ${seed}`).toBe(false);
    }
  });
});

describe('a state of another policy', () => {
  it('counts at most as an empty key', () => {
    const old = compileRate({ limit: 100, periodMs: 3_600_000, burst: 100 });
    const next = compileRate({ limit: 10, periodMs: 1000, burst: 10 });
    const used = stateOf(old, old.capacityTicks, epochUs);
    expect(debtAt(next, used, epochUs)).toBe(next.capacityTicks);
  });
});
