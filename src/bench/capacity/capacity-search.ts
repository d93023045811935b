/**
 * The search for the highest rate that meets every objective. It raises the rate while windows pass, halves the gap
 * between the last rate that passed and the first that failed, and then asks both edges again: a capacity is found when
 * the lower edge passed and the upper one failed more than once (Theodolite's binary search with repetitions; AIPerf's
 * adaptive scale). Pure: a state and an outcome give the next state.
 */

export type Outcome = 'pass' | 'fail' | 'inconclusive';

export interface Tried {
  /** Multiplies the planned rates. */
  readonly factor: number;
  readonly outcome: Outcome;
}

export interface SearchRules {
  /** Where it starts. */
  readonly first: number;
  /** What is never exceeded, or gone below. */
  readonly range: readonly [number, number];
  /** Raised by this factor while it passes; lowered by it while it fails. */
  readonly raise: number;
  /** Upper ÷ lower edge at which the gap is small enough. */
  readonly resolution: number;
  /** Windows at each edge. */
  readonly confirmations: number;
  /** Windows in all, and in a row that told nothing. */
  readonly most: number;
  readonly mostInconclusive: number;
}

export type Next =
  | { readonly kind: 'try'; readonly factor: number; readonly why: 'raise' | 'lower' | 'bisect' | 'confirm' | 'again' }
  /** `upper` null: even the highest rate that may be tried passed. */
  | { readonly kind: 'found'; readonly lower: number; readonly upper: number | null }
  /** Even the lowest rate failed. */
  | { readonly kind: 'none'; readonly lowest: number }
  | {
      readonly kind: 'inconclusive';
      readonly lower: number | null;
      readonly upper: number | null;
      readonly why: string;
    };

/** What to do after these windows, in order of time. */
export function nextStep(tried: readonly Tried[], rules: SearchRules): Next {
  const last = tried.at(-1);
  if (last === undefined) return { kind: 'try', factor: clamp(rules.first, rules), why: 'raise' };
  const { lower, upper } = edgesOf(tried);
  const lost = tried.length - 1 - tried.findLastIndex(({ outcome }) => outcome !== 'inconclusive');
  if (last.outcome === 'inconclusive') {
    if (lost >= rules.mostInconclusive) return { kind: 'inconclusive', lower, upper, why: 'windows told nothing' };
    if (tried.length < rules.most) return { kind: 'try', factor: last.factor, why: 'again' };
  }
  if (tried.length >= rules.most) return { kind: 'inconclusive', lower, upper, why: 'the windows were used up' };
  return stepFrom(tried, rules, lower, upper);
}

function stepFrom(tried: readonly Tried[], rules: SearchRules, lower: number | null, upper: number | null): Next {
  const [least, most] = rules.range;
  const counts = (factor: number | null, outcome: Outcome) =>
    tried.filter((each) => each.factor === factor && each.outcome === outcome).length;
  if (lower === null && upper === null) return { kind: 'try', factor: clamp(rules.first, rules), why: 'raise' };
  if (lower === null) {
    const lowest = upper as number;
    if (lowest > least) return { kind: 'try', factor: Math.max(least, lowest / rules.raise), why: 'lower' };
    return counts(lowest, 'fail') < rules.confirmations
      ? { kind: 'try', factor: lowest, why: 'confirm' }
      : { kind: 'none', lowest };
  }
  if (upper === null && lower < most) return { kind: 'try', factor: Math.min(most, lower * rules.raise), why: 'raise' };
  if (upper !== null && upper / lower > rules.resolution) {
    return { kind: 'try', factor: Math.sqrt(lower * upper), why: 'bisect' };
  }
  if (counts(lower, 'pass') < rules.confirmations) return { kind: 'try', factor: lower, why: 'confirm' };
  if (upper !== null && counts(upper, 'fail') < rules.confirmations)
    return { kind: 'try', factor: upper, why: 'confirm' };
  return { kind: 'found', lower, upper };
}

/**
 * The highest rate that passes as often as it fails or more, and the lowest above it that does not. A rate is taken by
 * the majority of its windows, of a tie the later one; below a rate that passes everything passes.
 */
export function edgesOf(tried: readonly Tried[]): { readonly lower: number | null; readonly upper: number | null } {
  const factors = [...new Set(tried.map(({ factor }) => factor))].sort((a, b) => a - b);
  const verdicts = factors.map((factor) => {
    const told = tried.filter((each) => each.factor === factor && each.outcome !== 'inconclusive');
    const passes = told.filter(({ outcome }) => outcome === 'pass').length;
    const fails = told.length - passes;
    if (told.length === 0) return { factor, passes: null };
    return { factor, passes: passes === fails ? told.at(-1)?.outcome === 'pass' : passes > fails };
  });
  const upper = verdicts.find(({ passes }) => passes === false)?.factor ?? null;
  const below = verdicts.filter(({ factor, passes }) => passes === true && (upper === null || factor < upper));
  return { lower: below.at(-1)?.factor ?? null, upper };
}

const clamp = (factor: number, { range: [least, most] }: SearchRules) => Math.min(most, Math.max(least, factor));
