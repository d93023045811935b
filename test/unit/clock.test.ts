import { describe, expect, it } from 'vitest';
import { type Clock, until } from '../../src/clock.ts';

/** Time that passes by sleeping alone. */
function sleptClock(): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (durationMs) => {
      nowMs += durationMs;
    },
  };
}

describe('until', () => {
  const patience = { timeoutMs: 100, pollMs: 30 };

  it('is told as soon as it holds, by who answers at once and by who takes time', async () => {
    const clock = sleptClock();
    expect(await until(clock, patience, () => true)).toBe(true);
    expect(clock.monotonicMs()).toBe(0);
    expect(await until(clock, patience, async () => clock.monotonicMs() >= 60)).toBe(true);
    expect(clock.monotonicMs()).toBe(60);
  });

  it('asks once more when the time is over, and gives up', async () => {
    const clock = sleptClock();
    const askedAtMs: number[] = [];
    const holds = () => askedAtMs.push(clock.monotonicMs()) === 0;
    expect(await until(clock, patience, holds)).toBe(false);
    expect(askedAtMs).toEqual([0, 30, 60, 90, 120]);
  });

  it('gives up in a hurry, but not before it has asked', async () => {
    const clock = sleptClock();
    const hurry = AbortSignal.abort();
    expect(await until(clock, { ...patience, hurry }, () => false)).toBe(false);
    expect(await until(clock, { ...patience, hurry }, () => true)).toBe(true);
    expect(clock.monotonicMs()).toBe(0);
  });

  it('passes on what cannot be asked', async () => {
    await expect(until(sleptClock(), patience, () => Promise.reject(new Error('no answer')))).rejects.toThrow(
      'no answer',
    );
  });
});
