/**
 * Which of the plans for single worlds is regretted least over all of them: Netflix's service-capacity-modeling, with its
 * weights. What is spent beyond a world's own plan counts once, what is lacking 1.25 times, lacking memory 1.5 times, each
 * to the power 1.2, so that one large mistake is worse than many small ones.
 */

/** A plan as far as regret goes. */
export interface Outlay {
  readonly usdPerMonth: number;
  readonly memoryGiB: number;
}

const spend = { over: 1, under: 1.25 } as const;
const memoryUnder = 1.5;
const exponent = 1.2;

/** Of having planned `proposed` in a world whose own plan is `own`. */
export function regretOf(proposed: Outlay, own: Outlay): number {
  const usd = proposed.usdPerMonth - own.usdPerMonth;
  const lacking = Math.max(0, own.memoryGiB - proposed.memoryGiB);
  return (Math.abs(usd) * (usd >= 0 ? spend.over : spend.under)) ** exponent + (lacking * memoryUnder) ** exponent;
}

export interface Weighted<T> {
  readonly plan: T;
  readonly outlay: Outlay;
  /** Worlds whose own plan it is. */
  readonly count: number;
}

export interface Regretted<T> {
  readonly chosen: Weighted<T>;
  /** A world's mean regret of the chosen, and of the dearest. */
  readonly regret: number;
  readonly regretOfDearest: number;
  /** Worlds that need no more money and memory than the chosen has. */
  readonly enoughIn: number;
}

/**
 * Of the candidates, the one that is regretted least over the needs of all worlds, which are the candidates' own unless
 * others are given. Of equal regret, the one that has more. Null over nothing.
 */
export function leastRegret<T>(
  candidates: readonly Weighted<T>[],
  needs: readonly Omit<Weighted<T>, 'plan'>[] = candidates,
): Regretted<T> | null {
  const worlds = needs.reduce((sum, { count }) => sum + count, 0);
  const mean = ({ outlay }: Weighted<T>) =>
    needs.reduce((sum, each) => sum + each.count * regretOf(outlay, each.outlay), 0) / worlds;
  const ranked = candidates
    .map((candidate) => ({ candidate, regret: mean(candidate) }))
    .sort((a, b) => a.regret - b.regret || b.candidate.outlay.usdPerMonth - a.candidate.outlay.usdPerMonth);
  const best = ranked[0];
  if (best === undefined) return null;
  const dearest = ranked.reduce((a, b) => (b.candidate.outlay.usdPerMonth > a.candidate.outlay.usdPerMonth ? b : a));
  const { outlay } = best.candidate;
  const isEnough = (need: Outlay) => need.usdPerMonth <= outlay.usdPerMonth && need.memoryGiB <= outlay.memoryGiB;
  return {
    chosen: best.candidate,
    regret: best.regret,
    regretOfDearest: dearest.regret,
    enoughIn: needs.reduce((sum, each) => sum + (isEnough(each.outlay) ? each.count : 0), 0),
  };
}
