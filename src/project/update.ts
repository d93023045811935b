/** Writes a project again over the user's folder: three-way against `.dsp/base/`, so that edits survive. */

import { join } from 'node:path';
import { sha256 } from '../digest.ts';
import { find, fingerprint, textOf } from './files.ts';
import { carryOut, claim, release, type Step } from './journal.ts';
import { basePath, conflictPath, hasBase, manifestPath, parseManifest } from './manifest.ts';
import { type Decision, decide, decideLeaving, type Found } from './merge.ts';
import type { Project, ProjectFile, WriteResult } from './project.ts';

type Outcome = keyof WriteResult;

interface Change {
  readonly path: string;
  readonly outcome: Outcome;
  readonly step: Step | null;
}

/**
 * Untouched generated files are replaced, edited ones merged; where both sides changed the same lines the file stays
 * and the new text goes to `<path>.dsp-new`. `yours` files are never touched. A run killed in the middle is repaired by
 * the next. Throws DspError `project.no-space`, `project.unwritable`, `project.busy`, or the signal's reason: what it
 * throws for before everything new is on the disk has changed nothing.
 */
export async function updateProject(
  root: string,
  project: Project,
  options: { signal?: AbortSignal } = {},
): Promise<WriteResult> {
  options.signal?.throwIfAborted();
  await claim(root);
  const changes: Change[] = [];
  try {
    changes.push(...(await leavingChanges(root, project)));
    for (const file of inWritingOrder(project)) changes.push(await emittedChange(root, file));
  } catch (error) {
    await release(root);
    throw error;
  }
  const steps = changes.flatMap(({ step }) => (step === null || step.moves.length === 0 ? [] : [step]));
  if (steps.length === 0) await release(root);
  else await carryOut(root, steps, options.signal);
  return summarise(changes);
}

/** The manifest last: until it is there, the next run still knows every file of the last one. */
function inWritingOrder(project: Project): readonly ProjectFile[] {
  const isManifest = (file: ProjectFile) => file.path === manifestPath;
  return [...project.files.filter((file) => !isManifest(file)), ...project.files.filter(isManifest)];
}

async function emittedChange(root: string, file: ProjectFile): Promise<Change> {
  const mine = await find(join(root, file.path));
  const base = await textOf(join(root, basePath(file.path)));
  const conflict = await find(join(root, conflictPath(file.path)));
  const decision = decide(file, { mine, base, conflict });
  const moves = [...ownMoves(file, decision), ...baseMoves(file, base, decision)];
  const after = 'content' in decision ? sha256(decision.content) : fingerprint(mine);
  return {
    path: file.path,
    outcome: decision.kind,
    step: { path: file.path, before: fingerprint(mine), after, moves },
  };
}

function ownMoves(file: ProjectFile, decision: Decision): Step['moves'] {
  const { executable } = file;
  if ('content' in decision) return [{ to: file.path, content: decision.content, executable }];
  if (decision.kind === 'conflicts') return [{ to: conflictPath(file.path), content: file.content, executable }];
  return decision.kind === 'unchanged' && decision.resolved ? [{ to: conflictPath(file.path), content: null }] : [];
}

function baseMoves(file: ProjectFile, base: string | null, decision: Decision): Step['moves'] {
  const wanted = hasBase(file) && decision.kind !== 'kept' ? file.content : null;
  return wanted === base ? [] : [{ to: basePath(file.path), content: wanted }];
}

async function leavingChanges(root: string, project: Project): Promise<readonly Change[]> {
  const manifest = parseManifest((await textOf(join(root, manifestPath))) ?? '');
  const emitted = new Set(project.files.map((file) => file.path));
  const changes: Change[] = [];
  for (const { path, ownership } of manifest?.files ?? []) {
    if (emitted.has(path) || path === manifestPath) continue;
    const mine = await find(join(root, path));
    const base = await textOf(join(root, basePath(path)));
    const fate = decideLeaving(ownership, { mine, base });
    const own = fate === 'removed' ? [{ to: path, content: null }] : [];
    const pristine = base === null ? [] : [{ to: basePath(path), content: null }];
    const step: Step = { path, before: fingerprint(mine), after: leftAs(fate, mine), moves: [...own, ...pristine] };
    changes.push({ path, outcome: fate === 'gone' ? 'removed' : fate, step });
  }
  return changes;
}

function leftAs(fate: 'removed' | 'kept' | 'gone', mine: Found): string {
  return fate === 'removed' ? 'absent' : fingerprint(mine);
}

function summarise(changes: readonly Change[]): WriteResult {
  const of = (outcome: Outcome) =>
    changes
      .filter((change) => change.outcome === outcome)
      .map((change) => change.path)
      .sort();
  return {
    added: of('added'),
    replaced: of('replaced'),
    merged: of('merged'),
    removed: of('removed'),
    unchanged: of('unchanged'),
    conflicts: of('conflicts'),
    kept: of('kept'),
  };
}
