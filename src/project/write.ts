/** Writes a new project: the whole folder, or nothing. */

import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { attempt } from './files.ts';
import { basePath, hasBase } from './manifest.ts';
import type { Project, ProjectFile, WriteResult } from './project.ts';
import { dropStaging, isEmptyFolder, isStaging, leftovers, moveEntries, stageFiles } from './staging.ts';

export { updateProject } from './update.ts';

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

/** Folder and all in one rename. */
async function makeFolder(target: string, files: readonly ProjectFile[], signal?: AbortSignal): Promise<void> {
  const parent = dirname(target);
  const madeFrom = await attempt(parent, () => mkdir(parent, { recursive: true }));
  try {
    // Rubbish in somebody's folder is no reason to fail.
    await clear(parent, isStaging).catch(() => undefined);
    const staging = await stageFiles(parent, files, signal);
    try {
      await attempt(target, () => rename(staging.content, target));
    } finally {
      await dropStaging(staging);
    }
  } catch (error) {
    if (madeFrom !== undefined) await rm(madeFrom, { recursive: true, force: true });
    throw error;
  }
}

/** The folder may be somebody's working directory or a mount, so it stays, and its entries are renamed into it. */
async function fillFolder(target: string, files: readonly ProjectFile[], signal?: AbortSignal): Promise<void> {
  await attempt(target, () => clear(target, () => true));
  const staging = await stageFiles(target, files, signal);
  try {
    await attempt(target, () => moveEntries(staging, target));
  } finally {
    await dropStaging(staging);
  }
}

async function clear(dir: string, isMeant: (name: string) => boolean): Promise<void> {
  for (const name of (await leftovers(dir)).filter(isMeant))
    await rm(join(dir, name), { recursive: true, force: true });
}
