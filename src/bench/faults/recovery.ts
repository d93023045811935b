/** How long the load felt a fault, from the moments at which requests failed. Pure. */

import { type FaultKind, isChange, recurs } from '../../requirements/faults.ts';

/** Moments on one clock, in ms. */
export interface FaultSpan {
  readonly kind: FaultKind;
  readonly startMs: number;
  /** Its heal began. */
  readonly healingMs: number;
  /** Its heal was complete. */
  readonly healedMs: number;
}

/** Failures this close to each other are of one outage, over whatever lies between them. */
const outageGapMs = 1000;

/**
 * To the last request that failed, of `failuresMs` (when each should have been sent, in any order). A fault disturbs at both
 * of its ends: a clock that is put right steps again, a primary that wakes is told that it is none. So what fails from the
 * heal on counts from the heal, unless the outage that was there lasted over it. A change counts from when it is made, and
 * what comes again and again from its last time.
 */
export function recoveryMs(fault: FaultSpan, failuresMs: readonly number[]): number {
  const { kind, startMs, healingMs, healedMs } = fault;
  const last = lastOf(failuresMs, startMs, Number.POSITIVE_INFINITY);
  if (isChange(kind)) return Math.max(0, last - healedMs);
  if (recurs(kind)) return Math.max(0, last - healingMs);
  const lastBefore = lastOf(failuresMs, startMs, healingMs);
  const firstAfter = failuresMs.reduce((first, ms) => (ms >= healingMs && ms < first ? ms : first), last);
  if (last < healingMs || firstAfter - lastBefore < outageGapMs) return Math.max(0, last - startMs);
  return Math.max(0, lastBefore - startMs, last - healingMs);
}

/** −∞ where nothing failed then. */
function lastOf(failuresMs: readonly number[], fromMs: number, beforeMs: number): number {
  return failuresMs.reduce(
    (last, ms) => (ms >= fromMs && ms < beforeMs && ms > last ? ms : last),
    Number.NEGATIVE_INFINITY,
  );
}
