/**
 * Rate limiting, judged from outside: a limiter of `rate` units a millisecond and a burst admits at most
 * burst + rate × t units in any window of t milliseconds.
 *
 * A check takes effect at some moment between its sending and its answer. So the checks sent at or after s and answered
 * at or before e took effect within [s, e], and their cost is bounded by burst + rate × (e − s), whatever the moments
 * were. Every window [s, e] is looked at, not a sample of them.
 */

import { PrefixMaximum } from './prefix-maximum.ts';

export interface Bucket {
  /** Units that come back each millisecond. */
  readonly ratePerMs: number;
  /** Units that may be taken at once. */
  readonly burst: number;
}

/** A check that was answered with an admission. */
export interface Admission {
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly cost: number;
}

/** Declared slack: a window that overlaps [fromMs, toMs] may admit `units` more. */
export interface Allowance {
  readonly fromMs: number;
  readonly toMs: number;
  readonly units: number;
}

export interface AdmissionWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /** Units admitted within it. */
  readonly admitted: number;
  /** Burst + rate × (toMs − fromMs) + the allowances that overlap it. */
  readonly allowed: number;
  /** admitted − allowed; above 0: over-admission. */
  readonly excess: number;
}

/**
 * The window with the greatest excess, over every window that begins with the sending and ends with the answer of an
 * admission (any other window holds no more and allows no less). Null when nothing was admitted.
 *
 * A sweep: s goes down over the sending times, and the tree keeps, for each answer time e, what was sent at or after s
 * and answered at or before e, less rate × e. An allowance counts when s ≤ toMs and e ≥ fromMs, exactly as a check
 * "sent" at toMs and "answered" at fromMs with a negative cost would. O(n log n) for n admissions and allowances.
 */
export function worstWindow(
  admissions: readonly Admission[],
  bucket: Bucket,
  allowances: readonly Allowance[] = [],
): AdmissionWindow | null {
  if (admissions.length === 0) return null;
  const items = sweepItems(admissions, allowances);
  const rate = bucket.ratePerMs;
  const origin = admissions[0]!.sentMs;
  const { closing, position } = order(items);
  const tree = new PrefixMaximum(items.length);
  let excess = Number.NEGATIVE_INFINITY;
  let fromMs = 0;
  let toMs = 0;
  for (const index of openingOrder(items)) {
    const item = items[index]!;
    const end = item.endsWindow ? -rate * (item.closeMs - origin) : Number.NEGATIVE_INFINITY;
    tree.set(position[index]!, item.units, end);
    if (!item.endsWindow) continue;
    const found = tree.max() + rate * (item.openMs - origin) - bucket.burst;
    if (found <= excess) continue;
    excess = found;
    fromMs = item.openMs;
    toMs = items[closing[tree.argMax()]!]!.closeMs;
  }
  return measure(admissions, bucket, allowances, fromMs, toMs);
}

interface SweepItem {
  /** Counts in windows that begin at or before. */
  readonly openMs: number;
  /** Counts in windows that end at or after. */
  readonly closeMs: number;
  readonly units: number;
  readonly endsWindow: boolean;
}

/** Allowances first, so that at equal times they are there before the check that would use them. */
function sweepItems(admissions: readonly Admission[], allowances: readonly Allowance[]): readonly SweepItem[] {
  const items: SweepItem[] = allowances.map(({ fromMs, toMs, units }) => ({
    openMs: toMs,
    closeMs: fromMs,
    units: -units,
    endsWindow: false,
  }));
  for (const { sentMs, answeredMs, cost } of admissions) {
    items.push({ openMs: sentMs, closeMs: answeredMs, units: cost, endsWindow: true });
  }
  return items;
}

function openingOrder(items: readonly SweepItem[]): Uint32Array {
  return Uint32Array.from(items.keys()).sort((a, b) => items[b]!.openMs - items[a]!.openMs || a - b);
}

/** `closing`: item by position in order of closing; `position`: the other way round. */
function order(items: readonly SweepItem[]): { readonly closing: Uint32Array; readonly position: Uint32Array } {
  const closing = Uint32Array.from(items.keys()).sort((a, b) => items[a]!.closeMs - items[b]!.closeMs || a - b);
  const position = new Uint32Array(items.length);
  closing.forEach((item, at) => {
    position[item] = at;
  });
  return { closing, position };
}

/** The figures of one window, counted again without the tree. */
function measure(
  admissions: readonly Admission[],
  bucket: Bucket,
  allowances: readonly Allowance[],
  fromMs: number,
  toMs: number,
): AdmissionWindow {
  let admitted = 0;
  for (const { sentMs, answeredMs, cost } of admissions) {
    if (sentMs >= fromMs && answeredMs <= toMs) admitted += cost;
  }
  let allowed = bucket.burst + bucket.ratePerMs * (toMs - fromMs);
  for (const allowance of allowances) {
    if (allowance.fromMs <= toMs && allowance.toMs >= fromMs) allowed += allowance.units;
  }
  return { fromMs, toMs, admitted, allowed, excess: admitted - allowed };
}
