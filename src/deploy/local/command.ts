/** Running a program to its end, with its output in a log: build steps and jobs. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface LoggedCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its folder is there. The program writes to the file itself, so that it outlives dsp without a broken pipe. */
  readonly logPath: string;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

const graceMs = 5_000;

/**
 * Null when it ended with 0, else how it failed, in words. Throws the signal's reason when aborted, after the program
 * and what it started have ended. It leads its own process group: a Ctrl-C in the terminal reaches dsp alone.
 */
export async function runLogged(run: LoggedCommand): Promise<string | null> {
  run.signal.throwIfAborted();
  const log = openSync(run.logPath, 'a');
  try {
    const child = spawn(run.command, [...run.args], {
      cwd: run.cwd,
      env: run.env,
      detached: true,
      stdio: ['ignore', log, log],
    });
    const timeout = run.timeoutMs === undefined ? undefined : AbortSignal.timeout(run.timeoutMs);
    const outcome = await endOf(child, timeout === undefined ? run.signal : AbortSignal.any([run.signal, timeout]));
    run.signal.throwIfAborted();
    return timeout?.aborted === true ? `did not end within ${(run.timeoutMs ?? 0) / 1000} s` : outcome;
  } finally {
    closeSync(log);
  }
}

/** When `signal` aborts, the group gets SIGTERM, and SIGKILL after its grace. */
function endOf(child: ChildProcess, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    let killing: NodeJS.Timeout | undefined;
    const stop = () => {
      signalGroup(child.pid, 'SIGTERM');
      killing = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), graceMs);
    };
    signal.addEventListener('abort', stop, { once: true });
    const ended = (outcome: string | null) => {
      signal.removeEventListener('abort', stop);
      clearTimeout(killing);
      // What it started and left behind.
      signalGroup(child.pid, 'SIGKILL');
      resolve(outcome);
    };
    child.once('error', (error) => ended(`cannot be executed: ${error.message}`));
    child.once('exit', (code, by) => {
      if (code === 0) ended(null);
      else ended(code === null ? `was ended by ${by}` : `failed with exit code ${code}`);
    });
  });
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // Nobody of the group is left.
  }
}
