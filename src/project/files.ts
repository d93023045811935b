/** The project's folder: reading what is there, writing trees, and errors that say which path and why. */

import { chmod, lstat, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '../digest.ts';
import { DspError } from '../errors.ts';
import type { Found } from './merge.ts';
import type { ProjectFile } from './project.ts';

/** Reads a file; never throws for what is merely no text file. Symbolic links are `other`: nothing is written through them. */
export async function find(path: string): Promise<Found> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw writeError(error, path);
  });
  if (stats === null) return { kind: 'absent' };
  if (!stats.isFile()) return { kind: 'other' };
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw writeError(error, path);
  });
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

/** Writes `files` under `dir`, making folders as needed. Throws the signal's reason when aborted. */
export async function writeTree(
  dir: string,
  files: readonly Pick<ProjectFile, 'path' | 'content' | 'executable'>[],
  signal?: AbortSignal,
): Promise<void> {
  const made = new Set<string>();
  for (const file of files) {
    signal?.throwIfAborted();
    const path = join(dir, file.path);
    await attempt(path, async () => {
      if (!made.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
      made.add(dirname(path));
      await writeFile(path, file.content, { flag: 'wx' });
      if (file.executable) await chmod(path, 0o755);
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

function writeError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof DspError || code === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DspError('project.no-space', { path }, { cause: error });
  const problem = (error as Error).message;
  return new DspError('project.unwritable', { path, problem }, { cause: error });
}
