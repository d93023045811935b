/** Two plans compared: what a review of plan.json should see first. */

import type { Plan } from './plan.ts';

export interface Change {
  /** Path of keys, parts and process sets by name: `parts.store.sizing.shards`. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Every leaf that differs, in order of path; empty exactly when both plans are written as the same plan.json. */
export function diffPlans(from: Plan, to: Plan): readonly Change[] {
  const before = leaves(from);
  const after = leaves(to);
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths
    .filter((path) => JSON.stringify(before.get(path)) !== JSON.stringify(after.get(path)))
    .map((path) => ({ path, from: before.get(path), to: after.get(path) }));
}

/** One line a change: `~ path: 3 → 4`, `+ path: 4`, `- path: 3`. */
export function describeChange({ path, from, to }: Change): string {
  const show = (value: unknown) => JSON.stringify(value);
  if (from === undefined) return `+ ${path}: ${show(to)}`;
  if (to === undefined) return `- ${path}: ${show(from)}`;
  return `~ ${path}: ${show(from)} → ${show(to)}`;
}

function leaves(value: unknown, path = '', found = new Map<string, unknown>()): Map<string, unknown> {
  if (value === null || typeof value !== 'object') {
    found.set(path, value);
  } else if (Array.isArray(value)) {
    const names = namesOf(value);
    value.forEach((item, index) => {
      leaves(item, join(path, names?.[index] ?? `${index}`), found);
    });
    // Without it, two lists that differ in their order alone, or in being there at all, would be equal.
    if (value.length === 0) found.set(path, value);
    else if (names !== null && names.length > 1) found.set(join(path, 'order'), names.join(', '));
  } else {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    for (const [key, item] of entries) leaves(item, join(path, escaped(key)), found);
    if (entries.length === 0) found.set(path, value);
  }
  return found;
}

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);

/** A key with a dot in it must not look like two. */
const escaped = (key: string) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));

/** What the elements of a list are known by, so that a part added in front changes no other; null unless each has its own. */
function namesOf(list: readonly unknown[]): readonly string[] | null {
  const names = list.map(nameOf).filter((name): name is string => name !== undefined);
  return names.length === list.length && new Set(names).size === names.length ? names.map(escaped) : null;
}

function nameOf(item: unknown): string | undefined {
  if (item === null || typeof item !== 'object') return undefined;
  const { name, id, about, metric, option } = item as Readonly<Record<string, unknown>>;
  return [name, id, about, metric, option].find((candidate): candidate is string => typeof candidate === 'string');
}
