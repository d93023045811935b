import { describe, expect, it } from 'vitest';
import { createStoreClock } from './store-clock.ts';

describe('the store clock', () => {
  it('is ahead only when it went further than time did', () => {
    const clock = createStoreClock(2);
    expect(clock.isAhead(0, 5e15, 0)).toBe(false);
    clock.trust(0, 1_000_000_000, 1000);
    // Half a second later, by both.
    expect(clock.isAhead(0, 1_000_500_000, 1500)).toBe(false);
    expect(clock.isAhead(0, 1_001_400_000, 1500)).toBe(false);
    expect(clock.isAhead(0, 1_001_600_000, 1500)).toBe(true);
    // An hour of idleness is none.
    expect(clock.isAhead(0, 1_000_000_000 + 3600e6, 1000 + 3600e3)).toBe(false);
    expect(clock.isAhead(0, 5, 2000)).toBe(false);
    expect(clock.isAhead(1, 5e15, 1500)).toBe(false);
  });
});
