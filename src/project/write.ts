/** Writes a new project: the whole folder, or nothing. */

import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DspError } from '../errors.ts';
import { attempt, writeTree } from './files.ts';
import { basePath, hasBase, requirementsPath } from './manifest.ts';
import { isAlive } from './process.ts';
import type { Project, ProjectFile, WriteResult } from './project.ts';

export { updateProject } from './update.ts';

/** A folder in the making, named by the process that makes it: what a killed one left is told from a living one's. */
const stagingPrefix = `.dsp-new-${process.pid}-`;
const stagingName = /^\.dsp-new-(\d+)-/;

/**
 * Writes `project` to `root`, a folder that is empty or not there yet. Everything is written beside its place on the
 * same file system and then renamed. Throws DspError `project.not-empty`, `project.not-a-folder`, `project.no-space`,
 * `project.unwritable`, or the signal's reason; then nothing of it is left.
 */
export async function writeNewProject(
  root: string,
  project: Project,
  options: { signal?: AbortSignal } = {},
): Promise<WriteResult> {
  options.signal?.throwIfAborted();
  const target = resolve(root);
  const files = withBase(project);
  if (await isEmptyFolder(target)) await fillFolder(target, files, options.signal);
  else await makeFolder(target, files, options.signal);
  const added = project.files.map((file) => file.path).sort();
  return { added, replaced: [], merged: [], removed: [], unchanged: [], conflicts: [], kept: [] };
}

/** The files and the pristine copies of those that can be merged later. */
function withBase(project: Project): readonly ProjectFile[] {
  const pristine = project.files.filter(hasBase).map((file) => ({ ...file, path: basePath(file.path) }));
  return [...project.files, ...pristine.map((file) => ({ ...file, executable: false }))];
}

/** True: empty; false: not there. What a killed run left in it does not count. */
async function isEmptyFolder(target: string): Promise<boolean> {
  const found = await attempt(target, () =>
    stat(target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      if (error.code === 'ENOTDIR') throw new DspError('project.not-a-folder', { path: dirname(target) });
      throw error;
    }),
  );
  if (found === null) return false;
  if (!found.isDirectory()) throw new DspError('project.not-a-folder', { path: target });
  const entries = await attempt(target, () => readdir(target));
  const others = entries.filter((name) => !stagingName.test(name)).sort();
  if (others[0] !== undefined) throw new DspError('project.not-empty', { dir: target, found: others[0] });
  return true;
}

/** Folder and all in one rename. */
async function makeFolder(target: string, files: readonly ProjectFile[], signal?: AbortSignal): Promise<void> {
  const parent = dirname(target);
  const madeFrom = await attempt(parent, () => mkdir(parent, { recursive: true }));
  let staging: string | null = null;
  try {
    await removeStale(parent);
    const made = await attempt(parent, () => mkdtemp(join(parent, stagingPrefix)));
    staging = made;
    await writeTree(join(made, 'project'), files, signal);
    signal?.throwIfAborted();
    await attempt(target, () => rename(join(made, 'project'), target));
    await attempt(parent, () => rm(made, { recursive: true }));
  } catch (error) {
    if (staging !== null) await rm(staging, { recursive: true, force: true });
    if (madeFrom !== undefined) await rm(madeFrom, { recursive: true, force: true });
    throw error;
  }
}

/** The folder may be somebody's working directory or a mount, so it stays, and its entries are renamed into it. */
async function fillFolder(target: string, files: readonly ProjectFile[], signal?: AbortSignal): Promise<void> {
  const living = await removeStale(target);
  if (living !== null) throw new DspError('project.busy', { pid: living, dir: target });
  const staging = await attempt(target, () => mkdtemp(join(target, stagingPrefix)));
  const moved: string[] = [];
  try {
    await writeTree(staging, files, signal);
    signal?.throwIfAborted();
    await attempt(target, async () => {
      for (const name of await entriesInOrder(staging)) {
        await rename(join(staging, name), join(target, name));
        moved.push(name);
      }
      await rm(staging, { recursive: true });
    });
  } catch (error) {
    for (const name of [...moved, basename(staging)]) await rm(join(target, name), { recursive: true, force: true });
    throw error;
  }
}

/** Removes what killed runs left in `dir`; the id of a living process that is at work there, or null. */
async function removeStale(dir: string): Promise<number | null> {
  let living: number | null = null;
  for (const name of await attempt(dir, () => readdir(dir))) {
    const pid = Number(stagingName.exec(name)?.[1] ?? 0);
    if (pid === 0 || pid === process.pid) continue;
    if (isAlive(pid)) living = pid;
    else await attempt(dir, () => rm(join(dir, name), { recursive: true, force: true }));
  }
  return living;
}

/** dsp.yaml last: a folder without it is no project. */
async function entriesInOrder(staging: string): Promise<readonly string[]> {
  const names = (await readdir(staging)).sort();
  return [...names.filter((name) => name !== requirementsPath), ...names.filter((name) => name === requirementsPath)];
}
