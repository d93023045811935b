/**
 * An update that a kill cannot leave half done. Everything new is written into `.dsp/update/` first; a journal renamed
 * into place commits it; then each file is renamed to where it belongs. A run that dies before the commit changed
 * nothing, one that dies after it is finished by the next.
 */

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DspError } from '../errors.ts';
import { attempt, find, fingerprint, removeEmptyFolders, textOf, writeTree } from './files.ts';
import { isInnerPath } from './manifest.ts';
import { isAlive } from './process.ts';

export const updateDir = '.dsp/update';

export interface Move {
  readonly to: string;
  /** The new content; null removes `to`. */
  readonly content: string | null;
  readonly executable?: boolean;
}

/** Moves that belong together: they happen only while `path` is as it was when they were decided on. */
export interface Step {
  readonly path: string;
  /** Fingerprints of `path` before the moves and after them. */
  readonly before: string;
  readonly after: string;
  readonly moves: readonly Move[];
}

interface JournalMove {
  readonly to: string;
  /** Name of the staged file, or null. */
  readonly from: string | null;
}

interface JournalStep extends Omit<Step, 'moves'> {
  readonly moves: readonly JournalMove[];
}

/** Carries out `steps` in order. Until the commit an abort or a full disk undoes everything; after it nothing stops it. */
export async function carryOut(root: string, steps: readonly Step[], signal?: AbortSignal): Promise<void> {
  const dir = join(root, updateDir);
  try {
    const journal = await stage(dir, steps, signal);
    await attempt(dir, async () => {
      await writeFile(join(dir, 'journal.part'), JSON.stringify(journal));
      signal?.throwIfAborted();
      await rename(join(dir, 'journal.part'), join(dir, 'journal.json'));
    });
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  await finish(root);
}

/** Makes the update's folder this process's own. Throws `project.busy` while another living process has it. */
export async function claim(root: string): Promise<void> {
  const dir = join(root, updateDir);
  await finish(root);
  await attempt(dir, async () => {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'owner'), `${process.pid}\n`, { flag: 'wx' }).catch(async (error) => {
      await refuseLivingOwner(dir);
      throw error;
    });
  });
}

/** Gives the update's folder back without a change. */
export async function release(root: string): Promise<void> {
  await rm(join(root, updateDir), { recursive: true, force: true });
}

/** Whether a committed update waits to be finished. */
export async function isUnfinished(root: string): Promise<boolean> {
  return (await find(join(root, updateDir, 'journal.json'))).kind !== 'absent';
}

/** Finishes an update that was committed, drops one that was not. */
async function finish(root: string): Promise<void> {
  const dir = join(root, updateDir);
  await refuseLivingOwner(dir);
  const text = await textOf(join(dir, 'journal.json'));
  const steps = text === null ? [] : (JSON.parse(text) as readonly JournalStep[]);
  for (const step of steps) await replay(root, step);
  await attempt(dir, () => rm(dir, { recursive: true, force: true }));
}

async function refuseLivingOwner(dir: string): Promise<void> {
  const pid = Number(await textOf(join(dir, 'owner')));
  if (Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid)) {
    throw new DspError('project.busy', { pid, dir });
  }
}

async function stage(dir: string, steps: readonly Step[], signal?: AbortSignal): Promise<readonly JournalStep[]> {
  const staged: { path: string; content: string; executable: boolean }[] = [];
  const journal = steps.map((step) => ({
    ...step,
    moves: step.moves.map(({ to, content, executable = false }) => {
      if (!isInnerPath(to)) throw new Error(`an update may not write ${to}`);
      if (content === null) return { to, from: null };
      staged.push({ path: `staged/${staged.length}`, content, executable });
      return { to, from: `staged/${staged.length - 1}` };
    }),
  }));
  await writeTree(dir, staged, signal);
  return journal;
}

/** Someone may have edited the file between the decision and now: then its step is left out, base included. */
async function replay(root: string, step: JournalStep): Promise<void> {
  const now = fingerprint(await find(join(root, step.path)));
  if (now !== step.before && now !== step.after) return;
  for (const { to, from } of step.moves) {
    const target = join(root, to);
    await attempt(target, () => (from === null ? remove(root, target) : move(join(root, updateDir, from), target)));
  }
}

async function remove(root: string, target: string): Promise<void> {
  await rm(target, { force: true });
  await removeEmptyFolders(root, dirname(target));
}

async function move(source: string, target: string): Promise<void> {
  if ((await find(source)).kind === 'absent') return;
  await mkdir(dirname(target), { recursive: true });
  await rename(source, target);
}
