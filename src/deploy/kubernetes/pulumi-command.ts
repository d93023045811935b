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

type Run = (
  args: string[],
  cwd: string,
  additionalEnv: Readonly<Record<string, string>>,
  onOutput?: (data: string) => void,
  onError?: (data: string) => void,
  signal?: AbortSignal,
) => Promise<CommandResult>;

/** `found` with another way of starting it. */
export function detached(found: PulumiCommand, errors: AutomationErrors): PulumiCommand {
  const run: Run = (args, cwd, additionalEnv, onOutput, onError, signal) =>
    new Promise((resolve, reject) => {
      const child = spawn(
        found.command,
        [...args, ...(args.includes('--non-interactive') ? [] : ['--non-interactive'])],
        {
          cwd,
          env: { ...process.env, ...additionalEnv, PULUMI_AUTOMATION_API: 'true' },
          detached: true,
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
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
  return Object.assign(Object.create(found) as PulumiCommand, { run });
}
