/**
 * What to relax so that there is a plan. Patterns only hint at it; here each hint is planned with, and taken back as far
 * as the plan holds, so that no advice is given that does not help.
 */

import type { Excuse, Json } from '../pattern.ts';
import { fields } from '../requirements/fields.ts';
import { exactly, type Requirements } from '../requirements/requirements.ts';
import type { Relaxation } from './plan.ts';

/** The excuses of a planning that failed, null of one that did not. */
export type Replan = (requirements: Requirements) => readonly Excuse[] | null;

export interface Relaxations {
  readonly relax: readonly Relaxation[];
  readonly together: boolean;
}

/** Plannings that one search may take. */
const most = 80;

export function relaxationsFor(requirements: Requirements, rejected: readonly Excuse[], replan: Replan): Relaxations {
  const hints = hintsOf(rejected, requirements);
  const alone = hints.filter((hint) => replan(apply(requirements, hint)) === null);
  if (alone.length > 0) {
    return { relax: alone.map((hint) => tightened(requirements, hint, replan)), together: false };
  }
  const found = search(requirements, hints, replan, { left: most }, []);
  if (found === null) return { relax: [], together: true };
  return { relax: least(requirements, found, replan), together: true };
}

/** The excuses' hints that change something: the first of each key. */
function hintsOf(rejected: readonly Excuse[], requirements: Requirements): readonly Relaxation[] {
  const hints = new Map<string, Relaxation>();
  for (const { relax, option, reason } of rejected) {
    if (relax === undefined || hints.has(relax.key)) continue;
    if (askedOf(requirements, relax.key) === relax.to) continue;
    hints.set(relax.key, { ...relax, because: `${option}: ${reason}` });
  }
  return [...hints.values()];
}

/** One hint after the other, each from the planning before, until there is a plan. */
function search(
  requirements: Requirements,
  hints: readonly Relaxation[],
  replan: Replan,
  budget: { left: number },
  taken: readonly Relaxation[],
): readonly Relaxation[] | null {
  for (const hint of hints) {
    if (budget.left-- <= 0) return null;
    const relaxed = apply(requirements, hint);
    const chosen = [...taken.filter(({ key }) => key !== hint.key), hint];
    const rejected = replan(relaxed);
    if (rejected === null) return chosen;
    const found = search(relaxed, hintsOf(rejected, relaxed), replan, budget, chosen);
    if (found !== null) return found;
  }
  return null;
}

/** Without what turned out not to be needed, and the rest no further than needed. */
function least(requirements: Requirements, found: readonly Relaxation[], replan: Replan): readonly Relaxation[] {
  let needed = pruned(requirements, found, replan);
  for (const each of needed) {
    const others = needed.filter((other) => other.key !== each.key).reduce(apply, requirements);
    const tight = tightened(others, each, replan);
    needed = needed.map((other) => (other.key === each.key ? tight : other));
  }
  // Once more: a hint that went too far may itself have called for another (less data makes fewer, hotter keys).
  return pruned(requirements, needed, replan);
}

function pruned(requirements: Requirements, found: readonly Relaxation[], replan: Replan): readonly Relaxation[] {
  return found.reduce((needed, each) => {
    const others = needed.filter((other) => other !== each);
    return replan(others.reduce(apply, requirements)) === null ? others : needed;
  }, found);
}

/** The hint, moved back towards what was asked as far as there is still a plan; two digits, on the safe side. */
function tightened(requirements: Requirements, hint: Relaxation, replan: Replan): Relaxation {
  const asked = askedOf(requirements, hint.key);
  if (typeof asked !== 'number' || typeof hint.to !== 'number') return hint;
  const holds = (to: number) => replan(apply(requirements, { ...hint, to })) === null;
  // Of a share such as 0.999, what is left out of 1 is what counts.
  const isShare = fields.some(({ key, type }) => key === hint.key && type.kind === 'number' && type.max < 1);
  const inner = (value: number) => (isShare ? 1 - value : value);
  const outer = (value: number) => (isShare ? Number((1 - value).toFixed(9)) : value);
  let [bad, good] = [inner(asked), inner(hint.to)];
  for (let round = 0; round < 12 && Math.max(bad, good) / Math.min(bad, good) > 1.02; round++) {
    const middle = bad > 0 && good > 0 ? Math.sqrt(bad * good) : (bad + good) / 2;
    if (holds(outer(middle))) good = middle;
    else bad = middle;
  }
  const rounded = outer(roundedAway(good, good > bad));
  if (holds(rounded)) return { ...hint, to: rounded };
  const exact = outer(good);
  return holds(exact) ? { ...hint, to: exact } : hint;
}

function roundedAway(value: number, up: boolean): number {
  if (value <= 0) return value;
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  const steps = up ? Math.ceil(value / unit - 1e-9) : Math.floor(value / unit + 1e-9);
  const rounded = Number((steps * unit).toPrecision(2));
  // Most requirements are whole numbers where they are that large.
  return rounded >= 10 ? Math.round(rounded) : rounded;
}

/** By its key; of an interval, the high bound. */
function askedOf(requirements: Requirements, key: string): Json | undefined {
  const value = key
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], requirements);
  const isInterval = typeof value === 'object' && value !== null && 'high' in value;
  return (isInterval ? value.high : value) as Json | undefined;
}

/** The requirements with another value, as an edit of dsp.yaml would have it. */
export function apply(requirements: Requirements, { key, to }: Pick<Relaxation, 'key' | 'to'>): Requirements {
  const isInterval = fields.some((field) => field.key === key && field.type.kind === 'interval');
  const value = isInterval && typeof to === 'number' ? exactly(to) : to;
  const set = (at: unknown, [name = '', ...rest]: readonly string[]): unknown =>
    rest.length === 0
      ? { ...(at as object), [name]: value }
      : { ...(at as object), [name]: set((at as Record<string, unknown>)[name], rest) };
  return set(requirements, key.split('.')) as Requirements;
}
