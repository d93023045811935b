/**
 * Rate limiting, the other way round: a token bucket denies a check only when fewer tokens are left than it costs.
 * How many were left at least follows from outside, by taking every check that may have taken effect before the denial,
 * each as late as it can have.
 */

import { PrefixMaximum } from './prefix-maximum.ts';
import type { Bucket } from './window-admission.ts';

/** Units that may have been taken: by an admission, by a check without an answer, or by a declared reset. */
export interface Consumption {
  /** It took effect no earlier than `fromMs` and no later than `byMs`. */
  readonly fromMs: number;
  readonly byMs: number;
  readonly units: number;
}

export interface Denial {
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly cost: number;
}

export interface WrongDenial extends Denial {
  /** Tokens that were left at the denial, at least. */
  readonly tokens: number;
}

/**
 * The denials at which at least `cost + slack` tokens must have been left, in order of answer.
 *
 * The level of a bucket at time t is the least, over s ≤ t, of burst + rate × (t − s) − what was taken in [s, t] (and
 * never above burst). Here t is as early as the denial can have been for what came back, and as late for what was
 * taken; so the level is a lower bound, and no limiter that is right is accused. O((n + m) log n).
 */
export function wrongDenials(
  consumptions: readonly Consumption[],
  denials: readonly Denial[],
  bucket: Bucket,
  slack: number,
): readonly WrongDenial[] {
  if (denials.length === 0) return [];
  const rate = bucket.ratePerMs;
  const origin = denials[0]!.sentMs;
  const arriving = [...consumptions].sort((a, b) => a.fromMs - b.fromMs);
  const latestFirst = Uint32Array.from(arriving.keys()).sort((a, b) => arriving[b]!.byMs - arriving[a]!.byMs);
  const position = new Uint32Array(arriving.length);
  latestFirst.forEach((item, at) => {
    position[item] = at;
  });
  const lateness = Float64Array.from(latestFirst, (item) => arriving[item]!.byMs);
  const tree = new PrefixMaximum(arriving.length);
  let arrived = 0;
  const wrong: WrongDenial[] = [];
  for (const denial of [...denials].sort((a, b) => a.answeredMs - b.answeredMs)) {
    for (; arrived < arriving.length && arriving[arrived]!.fromMs <= denial.answeredMs; arrived++) {
      const { byMs, units } = arriving[arrived]!;
      tree.set(position[arrived]!, units, rate * (byMs - origin));
    }
    const started = firstAtOrBefore(lateness, denial.sentMs);
    const taken = Math.max(tree.sumBefore(started), tree.maxFrom(started) - rate * (denial.sentMs - origin));
    const tokens = bucket.burst - taken;
    if (tokens >= denial.cost + slack) wrong.push({ ...denial, tokens });
  }
  return wrong;
}

/** The first position of a descending array whose value is ≤ `bound`. */
function firstAtOrBefore(descending: Float64Array, bound: number): number {
  let low = 0;
  let high = descending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (descending[middle]! <= bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
