/** Two plans compared: what a review of plan.json should see first. */

import type { Plan } from './plan.ts';

export interface Change {
  /** Path of keys, parts and process sets by name: `parts.store.sizing.shards`. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Every leaf that differs, in order of path; empty when the plans are equal. */
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
    value.forEach((item, index) => {
      leaves(item, join(path, nameOf(item) ?? `${index}`), found);
    });
  } else {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) leaves(item, join(path, key), found);
  }
  return found;
}

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);

/** What an element of a list is known by, so that a part added in front changes no other. */
function nameOf(item: unknown): string | undefined {
  if (item === null || typeof item !== 'object') return undefined;
  const { name, id, about } = item as { name?: unknown; id?: unknown; about?: unknown };
  return [name, id, about].find((candidate): candidate is string => typeof candidate === 'string');
}
