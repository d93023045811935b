/** dsp logs: what the instances, jobs and the build wrote. */

import { systemClock } from '../clock.ts';
import { followLogs, type LogLine, logNames, readLogs } from '../deploy/local/logs.ts';
import { DspError, type ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

export interface LogsOptions {
  readonly project: string;
  /** A part, a process set, an instance, a job, or `build`. */
  readonly part?: string;
  readonly follow: boolean;
  /** Last lines of each log. */
  readonly lines: number;
}

/** 130 when following was ended by Ctrl-C. */
export async function runLogs(options: LogsOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { project, part, follow } = options;
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
