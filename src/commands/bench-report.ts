/** `dsp bench report`: draws a run's report again from its results, without load and without a deployment. */

import { join } from 'node:path';
import { writeReport } from '../bench/report/report-files.ts';
import { readResults, resultsFile } from '../bench/results/results-file.ts';
import { findRun } from '../bench/run-folder.ts';
import type { ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';
import { printRun } from './bench.ts';

export interface BenchReportOptions {
  /** A run's folder, or its name under report/; null: the newest. */
  readonly run: string | null;
  /** Asked only where `run` is no path. */
  readonly project: () => string;
  readonly json: boolean;
}

/** The exit code of the run's verdict. Throws `bench.no-results` and `bench.results-unreadable`. */
export async function runBenchReport(options: BenchReportOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const folder = await findRun(options.run, terminal.cwd, options.project);
  const benched = await readResults(join(folder, resultsFile));
  await writeReport(folder, benched.report);
  return printRun({ ...benched, folder }, options, terminal);
}
