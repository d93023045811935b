import { describe, expect, it } from 'vitest';
import type { CheckInput, Invariants } from '../../../src/checkers/invariant.ts';
import { checkSafely, invariantResult } from '../../../src/checkers/result.ts';

const about = { id: 'x', title: 'x holds', note: '' };

describe('invariantResult', () => {
  it('says nothing when nothing was checked', () => {
    expect(invariantResult(about, 0, []).verdict).toBe('unexercised');
    expect(invariantResult(about, 1, []).verdict).toBe('held');
  });

  it('shows the ten worst, worst first, and counts all', () => {
    const violations = Array.from({ length: 25 }, (_, i) => ({ severity: (i * 7) % 25, sentence: `${(i * 7) % 25}` }));
    const result = invariantResult(about, 100, violations);
    expect(result.verdict).toBe('violated');
    expect(result.violationCount).toBe(25);
    expect(result.violations).toEqual(['24', '23', '22', '21', '20', '19', '18', '17', '16', '15']);
  });
});

describe('checkSafely', () => {
  it('never takes a checker that throws for a pass', () => {
    const throwing: Invariants = {
      check() {
        throw new TypeError('no such sizing');
      },
      faultTargets: [],
    };
    const [result, ...others] = checkSafely(throwing, { part: 'store' } as CheckInput);
    expect(others).toEqual([]);
    expect(result?.verdict).toBe('unexercised');
    expect(result?.note).toContain('no such sizing');
  });
});
