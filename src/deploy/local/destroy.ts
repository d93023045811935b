/** Stopping everything that was ever started for a project, whatever became of the dsp that started it. */

import { existsSync, rmSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { attempt } from '../../project/files.ts';
import { acquireLock, type Lock } from './lock.ts';
import { ownershipOf, type Paths, pathsOf } from './paths.ts';
import { killGroup, type StopCount, type StopTarget, stopProcesses } from './process.ts';
import { type ProcessView, processesOwnedBy, requireProcfs } from './procfs.ts';
import { processOf, type RunState, readState } from './registry.ts';
import { dropReservation } from './reservations.ts';

const lockWaitMs = 10_000;

/** The project's lock. Throws `deploy.busy` when another dsp keeps it. */
export async function lockProject(
  paths: Paths,
  command: string,
  clock: Clock,
  signal: AbortSignal | undefined,
  report: (line: string) => void,
): Promise<Lock> {
  const onWait = (holder: { pid: number; command: string }) =>
    report(`waiting for ${holder.command} (pid ${holder.pid})`);
  const name = `project:${paths.root}`;
  const lock = await acquireLock({ name, command, clock, waitMs: lockWaitMs, onWait, ...(signal ? { signal } : {}) });
  if ('heldBy' in lock) throw new DspError('deploy.busy', lock.heldBy);
  return lock;
}

export interface DestroyOptions {
  /** What the engines stored stays, for the next deployment. */
  readonly keepData: boolean;
  readonly clock: Clock;
  /** Cuts the processes' grace short; what is left to clear away is cleared nevertheless. */
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

export interface Destroyed extends StopCount {
  readonly dataRemoved: boolean;
}

/** Of nothing, it does nothing. Throws `deploy.busy`, `deploy.not-stopped`. */
export async function destroyLocal(root: string, options: DestroyOptions): Promise<Destroyed> {
  requireProcfs();
  const paths = pathsOf(root);
  const lock = await lockProject(paths, 'dsp destroy', options.clock, options.signal, options.report);
  try {
    const had = existsSync(paths.dataDir);
    const count = await clearAway(paths, readStateLeniently(paths, options.report), { ...options, keepLogs: false });
    return { ...count, dataRemoved: had && !options.keepData };
  } finally {
    await lock.release();
  }
}

/** A damaged record does not keep anything running: the processes are found without it. */
function readStateLeniently(paths: Paths, report: (line: string) => void): RunState | null {
  try {
    return readState(paths);
  } catch (error) {
    if (!(error instanceof DspError)) throw error;
    report(error.message);
    return null;
  }
}

export interface Clearing {
  readonly keepData: boolean;
  readonly keepLogs: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Ends every process, then removes data, record and reservations, in the order in which each is no longer needed. */
export async function clearAway(paths: Paths, state: RunState | null, clearing: Clearing): Promise<StopCount> {
  const { clock, signal } = clearing;
  const count = await stopEverything(paths, state, clock, signal);
  await attempt(paths.dataDir, async () => {
    if (!clearing.keepData) rmSync(paths.dataDir, { recursive: true, force: true, maxRetries: 3 });
    rmSync(clearing.keepLogs ? paths.statePath : paths.runDir, { recursive: true, force: true });
  });
  await dropReservation(paths, clock);
  return count;
}

/** Services drain before the engines that they use end. */
export async function stopEverything(
  paths: Paths,
  state: RunState | null,
  clock: Clock,
  hurry: AbortSignal,
): Promise<StopCount> {
  const records = Object.values(state?.instances ?? {});
  let [drained, killed] = [0, 0];
  for (const kind of ['service', 'engine']) {
    const targets = records.flatMap((record): StopTarget[] => {
      const process = record.spec.kind === kind ? processOf(record) : null;
      return process === null ? [] : [{ process, stop: record.spec.stop }];
    });
    const count = await stopProcesses(targets, clock, hurry);
    drained += count.drained;
    killed += count.killed;
  }
  const strays = await stopStrays(paths, () => false, clock, hurry);
  return { drained: drained + strays.drained, killed: killed + strays.killed };
}

const strayStop = { signal: 'SIGTERM', graceMs: 3_000 } as const;
const strayRounds = 5;

/**
 * Ends the processes that belong to the deployment and are not `known`: started by a dsp that was killed before it
 * wrote their identity, or forked by one of ours. What is ended may start others meanwhile, so it looks again.
 */
export async function stopStrays(
  paths: Paths,
  known: (process: ProcessView) => boolean,
  clock: Clock,
  hurry?: AbortSignal,
): Promise<StopCount> {
  let [drained, killed] = [0, 0];
  for (let round = 0; round < strayRounds; round++) {
    const strays = processesOwnedBy(ownershipOf(paths)).filter((process) => !known(process));
    if (strays.length === 0) break;
    if (round > 0) strays.forEach(killGroup);
    const count = await stopProcesses(
      strays.map((process) => ({ process, stop: strayStop })),
      clock,
      hurry,
    );
    drained += count.drained;
    killed += count.killed;
  }
  return { drained, killed };
}
