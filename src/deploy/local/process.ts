/** Starting and stopping processes that outlive dsp. */

import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, until } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { attempt } from '../../project/files.ts';
import { markerOf, type Paths } from './paths.ts';
import { findProcess, type ProcessIdentity, readProcess } from './procfs.ts';
import type { ProcessRecord } from './registry.ts';
import type { InstanceSpec } from './resolve.ts';
import { handOver } from './secrets.ts';
import { syncedFile, syncedVariable } from './synced.ts';

/** What a process gets from the environment of dsp; the rest stays with the user. */
const inherited = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'LC_ALL'];

export function inheritedEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(inherited.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

/**
 * Starts an instance in its own session, with its data folder as working directory and its output appended to its log.
 * Returns as soon as it executes. Throws `deploy.died` when it cannot be executed at all.
 */
export async function startInstance(paths: Paths, spec: InstanceSpec, clock: Clock): Promise<ProcessRecord> {
  return attempt(spec.cwd, async () => {
    const given = { ...markerOf(paths), ...spec.env, ...(await handOver(paths, spec)) };
    for (const folder of [spec.cwd, ...spec.volumes]) mkdirSync(folder, { recursive: true });
    // Nobody notes any more what this process syncs.
    if (spec.env[syncedVariable] === undefined) rmSync(join(spec.cwd, syncedFile), { force: true });
    const log = openSync(spec.logPath, 'a');
    try {
      const logOffset = fstatSync(log).size;
      const child = spawn(spec.command, [...spec.args], {
        cwd: spec.cwd,
        env: { ...inheritedEnv(process.env), ...given },
        detached: true,
        stdio: ['ignore', log, log],
      });
      child.unref();
      // Read before the event loop turns: until then an ended child keeps its pid. Ended already counts as never seen.
      const startTicks = child.pid === undefined ? 0 : (readProcess(child.pid)?.startTicks ?? 0);
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (error) => reject(cannotExecute(spec.id, error)));
      });
      return { pid: child.pid as number, startTicks, startedAtMs: clock.nowMs(), logOffset };
    } finally {
      closeSync(log);
    }
  });
}

function cannotExecute(instance: string, cause: Error): DspError {
  return new DspError('deploy.died', { instance, how: `cannot be executed: ${cause.message}`, lines: [] }, { cause });
}

export interface StopTarget {
  readonly process: ProcessIdentity;
  readonly stop: InstanceSpec['stop'];
}

export interface StopCount {
  /** Ended by themselves within their grace. */
  readonly drained: number;
  readonly killed: number;
}

const pollMs = 10;
const killTimeoutMs = 10_000;

/**
 * Ends processes side by side: their signal, their grace, then SIGKILL to the process group. `hurry` cuts the grace
 * short. Resolves when all are gone; throws `deploy.not-stopped` when one outlives SIGKILL.
 */
export async function stopProcesses(
  targets: readonly StopTarget[],
  clock: Clock,
  hurry?: AbortSignal,
): Promise<StopCount> {
  const results = await Promise.all(targets.map((target) => stopOne(target, clock, hurry)));
  const left = targets.filter((_, i) => results[i] === 'left').map((target) => target.process.pid);
  if (left.length > 0) throw new DspError('deploy.not-stopped', { pids: left });
  return {
    drained: results.filter((result) => result === 'drained').length,
    killed: results.filter((result) => result === 'killed').length,
  };
}

async function stopOne(target: StopTarget, clock: Clock, hurry?: AbortSignal): Promise<'drained' | 'killed' | 'left'> {
  const { process: identity, stop } = target;
  sendSignal(identity, stop.signal);
  // A paused process reads its signals when it goes on.
  sendSignal(identity, 'SIGCONT');
  if (await goneWithin(identity, stop.graceMs, clock, hurry)) return 'drained';
  killGroup(identity);
  return (await goneWithin(identity, killTimeoutMs, clock)) ? 'killed' : 'left';
}

/** Polls until the process has ended, for at most `timeoutMs` or until `hurry`. */
export function goneWithin(
  identity: ProcessIdentity,
  timeoutMs: number,
  clock: Clock,
  hurry?: AbortSignal,
): Promise<boolean> {
  return until(clock, { timeoutMs, pollMs, hurry }, () => findProcess(identity) === null);
}

/** To the process itself, if it is still the one that is meant. */
export function sendSignal(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (findProcess(identity) !== null) signalQuietly(identity.pid, signal);
}

/** SIGKILL to the process and what it forked: an instance leads its own process group. */
export function killGroup(identity: ProcessIdentity): void {
  if (findProcess(identity) === null) return;
  signalQuietly(-identity.pid, 'SIGKILL');
  signalQuietly(identity.pid, 'SIGKILL');
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // Gone meanwhile, or another user's: the caller sees which by looking whether it is still there.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
