import type { CheckInput, InvariantResult, Invariants } from './invariant.ts';

/** A violation and how bad it is, in whatever unit the invariant counts. */
export interface Violation {
  readonly severity: number;
  readonly sentence: string;
}

const shownViolations = 10;

/** The verdict that follows from what was found: any violation violates, and checking nothing says nothing. */
export function invariantResult(
  about: { readonly id: string; readonly title: string; readonly note: string },
  checked: number,
  violations: readonly Violation[],
  violationCount = violations.length,
): InvariantResult {
  const worstFirst = [...violations].sort((a, b) => b.severity - a.severity);
  return {
    ...about,
    verdict: violations.length > 0 ? 'violated' : checked > 0 ? 'held' : 'unexercised',
    checked,
    violations: worstFirst.slice(0, shownViolations).map(({ sentence }) => sentence),
    violationCount,
  };
}

/**
 * Runs a part's checks. A checker that throws has found out nothing, so its part gets one invariant that was not
 * exercised and says why; never a pass.
 */
export function checkSafely(invariants: Invariants, input: CheckInput): readonly InvariantResult[] {
  try {
    return invariants.check(input);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const note = `the checks of part ${input.part} stopped: ${reason}`;
    return [invariantResult({ id: 'checks-ran', title: 'the checks of the part ran to their end', note }, 0, [])];
  }
}
