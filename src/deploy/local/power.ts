/** A loss of power: the process ends at once, and its append-only files keep what had been brought to the disk, no more. */

import { statSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Clock, until } from '../../clock.ts';
import type { Witness } from '../deployment.ts';
import { guard } from './guard.ts';
import { killGroup, sendSignal } from './process.ts';
import { appendedFiles, findProcess, type ProcessIdentity } from './procfs.ts';
import type { InstanceRecord } from './registry.ts';
import { readSynced, type SyncedBytes, syncedFile } from './synced.ts';

/** A file that is appended to, and how much of it a loss of power leaves; null: nobody knows. */
interface Remainder {
  readonly path: string;
  readonly bytes: number;
  readonly synced: number | null;
}

const patience = { timeoutMs: 10_000, pollMs: 1 };
/** The time of a process's start is taken a little after it. */
const startSlackMs = 1000;

/**
 * What a process appends to is known from its open files, so it is stopped first; in that moment nothing is written that the
 * end would not see. Where it is not known what was synced, nothing is cut, and the loss is `assumed`.
 */
export async function cutPower(
  { spec, process }: InstanceRecord,
  running: ProcessIdentity,
  clock: Clock,
): Promise<Witness> {
  const startMs = clock.monotonicMs();
  const release = guard('kill -CONT "$1"', [`${running.pid}`]);
  sendSignal(running, 'SIGSTOP');
  const isStopped = await until(clock, patience, () => findProcess(running)?.state !== 'running');
  const appended = isStopped ? appendedFiles(running.pid, spec.volumes) : [];
  killGroup(running);
  const isGone = await until(clock, patience, () => findProcess(running) === null);
  release();
  if (!isGone) return { hit: false, seen: `pid ${running.pid} is not gone after ${patience.timeoutMs} ms` };
  const gone = `pid ${running.pid} gone after ${(clock.monotonicMs() - startMs).toFixed(1)} ms`;
  if (appended.length === 0) return { hit: true, seen: `${gone}, which appended to no file` };
  const noted = readSynced(join(spec.cwd, syncedFile));
  const bornAfterMs = (process?.startedAtMs ?? Number.POSITIVE_INFINITY) - startSlackMs;
  const remainders = appended.map((path) => remainderOf(path, noted, bornAfterMs));
  const isKnown = remainders.every(({ synced }) => synced !== null);
  if (isKnown) for (const { path, bytes, synced } of remainders) if (synced! < bytes) truncateSync(path, synced!);
  const seen = `${gone}; ${remainders.map((one) => wordsOf(one, isKnown)).join(', ')}`;
  return isKnown ? { hit: true, seen } : { hit: true, assumed: true, seen };
}

function remainderOf(path: string, noted: SyncedBytes | null, bornAfterMs: number): Remainder {
  const { ino, birthtimeNs, birthtimeMs, size } = statSync(path, { bigint: true });
  const bytes = Number(size);
  const synced = noted?.({ inode: ino, birthNs: birthtimeNs }) ?? null;
  // One that this process made and never synced is not on the disk at all; an older one may have been synced unseen.
  const isOwn = noted !== null && Number(birthtimeMs) >= bornAfterMs;
  return { path, bytes, synced: synced === null ? (isOwn ? 0 : null) : Math.min(synced, bytes) };
}

function wordsOf({ path, bytes, synced }: Remainder, isKnown: boolean): string {
  const name = basename(path);
  if (!isKnown) return `how much of ${name} (${bytes} bytes) was synced is not known, so that nothing was cut`;
  return `${name} cut by ${bytes - synced!} bytes to the ${synced} that were synced`;
}
