/**
 * Folders in the making. Each is named by the process that makes it, so that what a killed one left is told from a
 * living one's; `entries` in it lists what it moves into the folder around it.
 */

import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DspError } from '../errors.ts';
import { attempt, textOf, writeTree } from './files.ts';
import { requirementsPath } from './find.ts';
import { isAlive } from './process.ts';
import type { ProjectFile } from './project.ts';

const namePattern = /^\.dsp-new-(\d+)-/;

export interface Staging {
  readonly dir: string;
  /** Where the files are. */
  readonly content: string;
}

/** Writes `files` into a new folder inside `dir`, which is removed again when that fails. */
export async function stageFiles(dir: string, files: readonly ProjectFile[], signal?: AbortSignal): Promise<Staging> {
  const made = await attempt(dir, () => mkdtemp(join(dir, `.dsp-new-${process.pid}-`)));
  const staging = { dir: made, content: join(made, 'project') };
  try {
    await writeTree(staging.content, files, signal);
    signal?.throwIfAborted();
    return staging;
  } catch (error) {
    await dropStaging(staging);
    throw error;
  }
}

export async function dropStaging({ dir }: Staging): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}

/** Moves every entry of the staged files into `target`, dsp.yaml last: a folder without it is no project. */
export async function moveEntries({ dir, content }: Staging, target: string): Promise<void> {
  const names = (await readdir(content)).sort();
  const moved: string[] = [];
  try {
    await writeFile(join(dir, 'entries'), names.join('\n'));
    for (const name of [...names.filter(isNotLast), ...names.filter((name) => !isNotLast(name))]) {
      await rename(join(content, name), join(target, name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved) await rm(join(target, name), { recursive: true, force: true });
    throw error;
  }
}

const isNotLast = (name: string) => name !== requirementsPath;

/** What runs that died half way left in `dir`: their own folders, and what they had moved beside them. */
export async function leftovers(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir);
  const dead = names.filter((name) => !isAlive(ownerOf(name) ?? process.pid));
  // With dsp.yaml there the move was complete, and what is beside it is a project.
  if (names.includes(requirementsPath)) return dead;
  const lists = await Promise.all(dead.map((name) => textOf(join(dir, name, 'entries'))));
  const moved = new Set(lists.flatMap((list) => list?.split('\n') ?? []));
  return names.filter((name) => dead.includes(name) || moved.has(name));
}

/** The living process that is making a folder in `dir`, or null. */
async function livingMaker(dir: string): Promise<number | null> {
  const owners = (await readdir(dir)).map(ownerOf);
  return owners.find((pid) => pid !== null && pid !== process.pid && isAlive(pid)) ?? null;
}

/**
 * True: empty; false: not there. What a killed run left in it does not count. Throws DspError `project.not-empty`,
 * `project.not-a-folder`, `project.busy`, or `project.unwritable`.
 */
export async function isEmptyFolder(target: string): Promise<boolean> {
  const found = await attempt(target, () =>
    stat(target).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      if (error.code === 'ENOTDIR') throw new DspError('project.not-a-folder', { path: dirname(target) });
      throw error;
    }),
  );
  if (found === null) return false;
  if (!found.isDirectory()) throw new DspError('project.not-a-folder', { path: target });
  const living = await attempt(target, () => livingMaker(target));
  if (living !== null) throw new DspError('project.busy', { pid: living, dir: target });
  const left = await attempt(target, () => leftovers(target));
  const others = (await attempt(target, () => readdir(target))).filter((name) => !left.includes(name)).sort();
  if (others[0] !== undefined) throw new DspError('project.not-empty', { dir: target, found: others[0] });
  return true;
}

/** Whether the name is that of a folder in the making. */
export function isStaging(name: string): boolean {
  return namePattern.test(name);
}

function ownerOf(name: string): number | null {
  const pid = namePattern.exec(name)?.[1];
  return pid === undefined ? null : Number(pid);
}
