import { describe, expect, it } from 'vitest';
import { createStoreClock } from './store-clock.ts';

describe('the store clock', () => {
  it('is ahead only when it went further than time did', () => {
    const clock = createStoreClock(2);
    expect(clock.isAhead(0, 5e15, 0, 0)).toBe(false);
    clock.trust(0, 1_000_000_000, 1000);
    // Half a second later, by both.
    expect(clock.isAhead(0, 1_000_500_000, 0, 1500)).toBe(false);
    expect(clock.isAhead(0, 1_001_400_000, 0, 1500)).toBe(false);
    expect(clock.isAhead(0, 1_001_600_000, 0, 1500)).toBe(true);
    // An hour of idleness is none.
    expect(clock.isAhead(0, 1_000_000_000 + 3600e6, 0, 1000 + 3600e3)).toBe(false);
    expect(clock.isAhead(0, 5, 0, 2000)).toBe(false);
    expect(clock.isAhead(1, 5e15, 0, 1500)).toBe(false);
  });

  it('takes a bucket that was emptied after the step for right, whoever found it empty', () => {
    const clock = createStoreClock(1);
    const stepUs = 3600e6;
    clock.trust(0, 0, 0);
    expect(clock.isAhead(0, stepUs, 0, 100)).toBe(true);
    // A moment ago, by another limiter.
    expect(clock.isAhead(0, stepUs, stepUs - 900_000, 100)).toBe(false);
    expect(clock.isAhead(0, stepUs, stepUs - 1_100_000, 100)).toBe(true);
    clock.empty(0, 100);
    // Ours, or another's after it, and looked at four seconds later.
    expect(clock.isAhead(0, stepUs + 4e6, stepUs, 4100)).toBe(false);
    // The clock went on after that as well.
    expect(clock.isAhead(0, stepUs + 8e6, stepUs, 4100)).toBe(true);
    clock.trust(0, stepUs + 4e6, 4100);
    expect(clock.isAhead(0, stepUs + 9e6, stepUs, 9100)).toBe(false);
    expect(clock.isAhead(0, 2 * stepUs, stepUs, 9200)).toBe(true);
  });
});
