/**
 * The Pulumi CLI as the Automation API runs it, in a process group of its own: a Ctrl-C in the terminal reaches dsp
 * alone, which passes it on once. Pulumi takes a second one as an order to drop everything, lock and state included.
 */

import { spawn } from 'node:child_process';
import type { PulumiCommand } from '@pulumi/pulumi/automation/index.js';

/** What the module of errors beside the Automation API's entry has at run time. */
export interface AutomationErrors {
  createCommandError(result: CommandResult): Error;
}

interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export type Run = (
  args: string[],
  cwd: string,
  additionalEnv: Readonly<Record<string, string>>,
  onOutput?: (data: string) => void,
  onError?: (data: string) => void,
  signal?: AbortSignal,
) => Promise<CommandResult>;

/** `found` with another way of starting it, and without the questions whose answers nobody reads. */
export function asRunHere(found: PulumiCommand, errors: AutomationErrors): PulumiCommand {
  const start = detached(found.command, errors);
  return Object.assign(Object.create(found) as PulumiCommand, { run: withoutNeedless(start) });
}

/** What the Automation API asks after each operation, with the answer that it gets here. */
const needless: Readonly<Record<string, string>> = { 'stack history': '[]', 'stack output': '{}' };

/**
 * After each operation the Automation API asks for the stack's outputs twice, masked and in clear, and for the update's
 * summary: each time a start of Pulumi. The engine's events have said the outputs already, and no summary is shown.
 */
export function withoutNeedless(run: Run): Run {
  return async (args, ...rest) => {
    const stdout = needless[args.slice(0, 2).join(' ')];
    return stdout === undefined ? run(args, ...rest) : { stdout, stderr: '', code: 0 };
  };
}

function detached(command: string, errors: AutomationErrors): Run {
  return (args, cwd, additionalEnv, onOutput, onError, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const child = spawn(command, [...args, ...(args.includes('--non-interactive') ? [] : ['--non-interactive'])], {
        cwd,
        env: { ...process.env, ...additionalEnv, PULUMI_AUTOMATION_API: 'true' },
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const interrupt = () => child.kill('SIGINT');
      signal?.addEventListener('abort', interrupt, { once: true });
      const said = { stdout: '', stderr: '' };
      const listen = (name: 'stdout' | 'stderr', tell: ((data: string) => void) | undefined) =>
        child[name].setEncoding('utf8').on('data', (data: string) => {
          said[name] += data;
          tell?.(data);
        });
      listen('stdout', onOutput);
      listen('stderr', onError);
      const end = (code: number, problem = '') => {
        signal?.removeEventListener('abort', interrupt);
        const result = { ...said, stderr: said.stderr + problem, code, toString: () => said.stderr + problem };
        if (code === 0) resolve(result);
        else reject(errors.createCommandError(result));
      };
      child.once('error', (error) => end(-2, error.message));
      child.once('close', (code) => end(code ?? -2));
    });
}
