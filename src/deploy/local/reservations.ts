/**
 * Ports that the deployments of this user have, across projects, whether their processes live or not. A file a project
 * names its root; which ports it holds is in that project's own state, so that a project that is gone holds none.
 */

import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import { attempt } from '../../project/files.ts';
import { acquireLock } from './lock.ts';
import { type Paths, pathsOf } from './paths.ts';
import { readState, writeWhole } from './registry.ts';

const lockWaitMs = 30_000;

/**
 * Calls `body` with the ports that other projects have reserved, while no other dsp of this user can. Until `body`
 * ends, the ports it chose must be in the project's state.
 */
export async function withReservations<T>(
  paths: Paths,
  clock: Clock,
  signal: AbortSignal,
  body: (takenByOthers: ReadonlySet<number>) => Promise<T>,
): Promise<T> {
  const folder = folderPath();
  return underLock(folder, clock, signal, async () => {
    await openFolder(folder);
    const taken = reservedByOthers(folder, paths);
    await writeWhole(entryPath(folder, paths.root), `${JSON.stringify({ root: paths.root })}\n`);
    return body(taken);
  });
}

/** Lets the project's ports go: its state must be gone already. */
export async function dropReservation(paths: Paths, clock: Clock): Promise<void> {
  const folder = folderPath();
  await underLock(folder, clock, undefined, async () => {
    rmSync(entryPath(folder, paths.root), { force: true });
    try {
      removeUnfinished(folder);
      rmdirSync(folder);
    } catch {
      // Other projects are still named in it, or there never was one.
    }
  });
}

async function underLock<T>(
  folder: string,
  clock: Clock,
  signal: AbortSignal | undefined,
  body: () => Promise<T>,
): Promise<T> {
  const name = `ports:${folder}`;
  const lock = await acquireLock({ name, command: 'dsp', clock, waitMs: lockWaitMs, ...(signal ? { signal } : {}) });
  if ('heldBy' in lock) throw new DspError('deploy.busy', lock.heldBy);
  try {
    return await body();
  } finally {
    await lock.release();
  }
}

function reservedByOthers(folder: string, paths: Paths): ReadonlySet<number> {
  const own = entryPath(folder, paths.root);
  const taken = new Set<number>();
  removeUnfinished(folder);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (path === own || !name.endsWith('.json')) continue;
    const ports = portsOf(path);
    if (ports.length === 0) rmSync(path, { force: true });
    for (const port of ports) taken.add(port);
  }
  return taken;
}

/** None when the project is gone, was moved, or its state is damaged. */
function portsOf(entry: string): readonly number[] {
  try {
    const { root } = JSON.parse(readFileSync(entry, 'utf8')) as { root: string };
    const state = readState(pathsOf(root));
    return state?.root === root ? state.reserved : [];
  } catch {
    return [];
  }
}

function folderPath(): string {
  return join(tmpdir(), `dsp-${userInfo().uid}`);
}

/** Left by a dsp that was killed while it wrote: whoever holds the lock is the only writer. */
function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.tmp')) rmSync(join(folder, name), { force: true });
  }
}

/** Anyone may write to the folder for temporary files, so ours must be a folder of ours. */
async function openFolder(folder: string): Promise<void> {
  await attempt(folder, async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    if (!found.isDirectory() || found.uid !== userInfo().uid) {
      throw new DspError('project.unwritable', { path: folder, problem: 'it belongs to another user' });
    }
  });
}

function entryPath(folder: string, root: string): string {
  return join(folder, `${sha256(root).slice(0, 32)}.json`);
}
