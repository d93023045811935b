/** The project's folder: reading what is there, writing trees, and errors that say which path and why. */

import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as letOthersRun } from 'node:timers/promises';
import { sha256 } from '../digest.ts';
import { DspError } from '../errors.ts';
import type { Found } from './merge.ts';
import type { ProjectFile } from './project.ts';

/** Reads a file; never throws for what is merely no text file. Symbolic links are `other`: nothing is written through them. */
export async function find(path: string): Promise<Found> {
  const bytes = await attempt(path, async () => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? null : stats.isFile() && readFileSync(path);
  });
  if (bytes === null) return { kind: 'absent' };
  if (bytes === false) return { kind: 'other' };
  try {
    return { kind: 'text', content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { kind: 'other' };
  }
}

/** The text of a file, or null. */
export async function textOf(path: string): Promise<string | null> {
  const found = await find(path);
  return found.kind === 'text' ? found.content : null;
}

/** What a later look compares with: the digest of a text, `absent` or `other`. */
export function fingerprint(found: Found): string {
  return found.kind === 'text' ? sha256(found.content) : found.kind;
}

/** A thread for each file would take longer than writing it; between some of them, a Ctrl-C is heard. */
const filesAtOnce = 16;

/** Writes `files` under `dir`, making folders as needed. Throws the signal's reason when aborted. */
export async function writeTree(
  dir: string,
  files: readonly Pick<ProjectFile, 'path' | 'content' | 'executable'>[],
  signal?: AbortSignal,
): Promise<void> {
  const made = new Set<string>();
  for (const [index, file] of files.entries()) {
    if (index % filesAtOnce === 0) await letOthersRun();
    signal?.throwIfAborted();
    const path = join(dir, file.path);
    await attempt(path, async () => {
      if (!made.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
      made.add(dirname(path));
      writeFileSync(path, file.content, { flag: 'wx' });
      if (file.executable) chmodSync(path, 0o755);
    });
  }
}

/** Removes `dir` and the folders above it, up to `root`, as long as they are empty. */
export async function removeEmptyFolders(root: string, dir: string): Promise<void> {
  for (let at = dir; at !== root && at.startsWith(root); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}

/** Runs a step on the disk; what the disk refuses becomes an error that names the path. */
export async function attempt<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw writeError(error, path);
  }
}

/** What the disk refused, as an error that names the path. */
export function writeError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof DspError || code === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DspError('project.no-space', { path }, { cause: error });
  const problem = (error as Error).message;
  return new DspError('project.unwritable', { path, problem }, { cause: error });
}
