/** What becomes of each file when a project is written again. Pure: contents in, decisions out. */

import { diff3Merge } from 'node-diff3';
import { isDerived } from './manifest.ts';
import type { Ownership, ProjectFile } from './project.ts';

/** A file as it is found: text, nothing, or something that is no text file (a directory, bytes that are no UTF-8). */
export type Found =
  | { readonly kind: 'text'; readonly content: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'other' };

export interface Situation {
  readonly mine: Found;
  /** The pristine output that the user's file started from; null when none is known. */
  readonly base: string | null;
  /** `<path>.dsp-new` as it is found: there is one while a conflict is open. */
  readonly conflict: Found;
}

export type Decision =
  | { readonly kind: 'added' | 'replaced' | 'merged'; readonly content: string }
  /** `resolved`: the user took over the new text, so `<path>.dsp-new` has done its work. */
  | { readonly kind: 'unchanged'; readonly resolved: boolean }
  | { readonly kind: 'kept' | 'conflicts' };

/** The fate of a file that dsp emits now. */
export function decide(file: ProjectFile, { mine, base, conflict }: Situation): Decision {
  if (mine.kind === 'absent') return { kind: 'added', content: file.content };
  if (file.ownership === 'yours') return { kind: 'kept' };
  if (mine.kind === 'other') return { kind: 'conflicts' };
  if (mine.content === file.content) return { kind: 'unchanged', resolved: conflict.kind === 'text' };
  if (isDerived(file.path)) return { kind: 'replaced', content: file.content };
  if (conflict.kind !== 'absent' || base === null) return { kind: 'conflicts' };
  if (mine.content === base) return { kind: 'replaced', content: file.content };
  if (base === file.content) return { kind: 'unchanged', resolved: false };
  const merged = mergeText(mine.content, base, file.content);
  if (merged === null || !staysReadable(file.path, merged)) return { kind: 'conflicts' };
  return { kind: 'merged', content: merged };
}

/** The fate of a file that dsp emitted before and does not any more. */
export function decideLeaving(
  ownership: Ownership,
  { mine, base }: Pick<Situation, 'mine' | 'base'>,
): 'removed' | 'kept' | 'gone' {
  if (mine.kind === 'absent') return 'gone';
  const untouched = mine.kind === 'text' && mine.content === base;
  return ownership === 'generated' && untouched ? 'removed' : 'kept';
}

/** Line by line, three ways; null where both sides changed the same lines differently. */
export function mergeText(mine: string, base: string, theirs: string): string | null {
  const regions = diff3Merge(mine.split('\n'), base.split('\n'), theirs.split('\n'), { excludeFalseConflicts: true });
  const lines: string[] = [];
  for (const region of regions) {
    if (!region.ok) return null;
    lines.push(...region.ok);
  }
  return lines.join('\n');
}

/** Lines that merge can still make a broken document of two good ones; npm would then refuse the whole project. */
function staysReadable(path: string, merged: string): boolean {
  if (!path.endsWith('.json')) return true;
  try {
    JSON.parse(merged);
    return true;
  } catch {
    return false;
  }
}
