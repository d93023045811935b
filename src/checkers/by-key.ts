import type { HistoryEntry } from './history.ts';

/** The entries of each key, in their order. */
export function byKey(entries: Iterable<HistoryEntry>): ReadonlyMap<string, readonly HistoryEntry[]> {
  const groups = new Map<string, HistoryEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.key);
    if (group === undefined) groups.set(entry.key, [entry]);
    else group.push(entry);
  }
  return groups;
}
