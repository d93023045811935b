/** dsp logs: what the instances, jobs and the build wrote. */

import { systemClock } from '../clock.ts';
import { followLogs, type LogLine, logNames, readLogs } from '../deploy/local/logs.ts';
import { DspError, type ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';
import { chosenTarget, type TargetName } from './target.ts';

export interface LogsOptions {
  readonly project: string;
  /** A part, a process set, an instance, a job, or `build`. */
  readonly part?: string;
  readonly follow: boolean;
  /** Last lines of each log. */
  readonly lines: number;
  readonly target?: TargetName;
}

/** 130 when following was ended by Ctrl-C. */
export async function runLogs(options: LogsOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { project, part, follow } = options;
  if (part !== 'build' && chosenTarget(options) === 'kubernetes') return onKubernetes(options, terminal);
  const names = logNames(project);
  if (names.length === 0 && !follow) throw new DspError('deploy.none', {});
  if (part !== undefined && names.length > 0 && !names.includes(part)) {
    throw new DspError('input.choice', { key: 'part', given: part, choices: names });
  }
  const width = Math.max(0, ...names.map(({ length }) => length));
  const print = ({ source, text }: LogLine) => terminal.out(`${source.padEnd(width)} | ${text}`);
  for (const line of readLogs(project, part, options.lines)) print(line);
  if (!follow) return 0;
  await followLogs(project, part, systemClock, terminal.interrupt, print);
  return 130;
}

async function onKubernetes({ project, part, follow, lines }: LogsOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { findLogs, followPodLogs, readPodLogs } = await import('../deploy/kubernetes/logs.ts');
  const found = await findLogs(project, part);
  const width = Math.max(0, ...found.pods.map(({ metadata: { name } }) => name.length));
  const print = ({ source, text }: LogLine) => terminal.out(`${source.padEnd(width)} | ${text}`);
  for (const line of await readPodLogs(found, lines)) print(line);
  if (!follow) return 0;
  await followPodLogs(found, terminal.interrupt, print);
  return 130;
}
