/** The folder of a run: its results, from the beginning of the load on, and beside them its report. */

import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, openSync, type WriteStream } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DspError } from '../errors.ts';
import { attempt, writeError } from '../project/files.ts';
import type { Benched } from './recorded.ts';
import { pointLatest, reportFolderName, writeReport } from './report/report-files.ts';
import type { Report } from './report.ts';
import type { OpenResults } from './results/results.ts';
import { resultsFile } from './results/results-file.ts';
import { formatLine } from './results/results-text.ts';

export class RunFolder {
  readonly #parent: string;
  #folder: string | null = null;
  #stream: WriteStream | null = null;
  #problem: unknown = null;

  /** `root`: of the project. Nothing is made before the load begins. */
  constructor(root: string) {
    this.#parent = join(root, 'report');
  }

  /** Null before the load. */
  get path(): string | null {
    return this.#folder;
  }

  /** Throws `project.no-space` and `project.unwritable`; what is refused later is told when the run is over. */
  readonly open: OpenResults = (head) => {
    const folder = makeFolder(this.#parent, new Date(head.startMs).toISOString());
    this.#folder = folder;
    const path = join(folder, resultsFile);
    const stream = createWriteStream(path, { fd: refused(path, () => openSync(path, 'wx')) });
    stream.on('error', (error) => {
      this.#problem ??= writeError(error, path);
    });
    this.#stream = stream;
    stream.write(formatLine(head));
    return (line) => {
      if (this.#problem === null) stream.write(formatLine(line));
    };
  };

  /** The results as another machine wrote them. */
  async take(results: string, startedAt: string): Promise<void> {
    this.#folder = makeFolder(this.#parent, startedAt);
    const path = join(this.#folder, resultsFile);
    await attempt(path, () => writeFile(path, results, { flag: 'wx' }));
  }

  /** Writes what is still to be written. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null || stream.closed) return;
    stream.end();
    await once(stream, 'close').catch(() => {});
  }

  /** Writes the report beside the results; returns the folder. Throws what was refused since the beginning. */
  async finish(report: Report): Promise<string> {
    await this.close();
    if (this.#problem !== null) throw this.#problem;
    if (this.#folder === null) throw new Error('a run that has not begun has no folder');
    await writeReport(this.#folder, report);
    await pointLatest(this.#folder);
    return this.#folder;
  }
}

export interface FiledRun extends Benched {
  /** Absolute. */
  readonly folder: string;
}

/**
 * Runs with its results and report in a folder of its own below the project's root. `onCut` hears of the folder when the
 * run does not come to its end and leaves results there. Throws what the run throws.
 */
export async function fileRun(
  root: string,
  run: (open: OpenResults) => Promise<Benched>,
  onCut: (folder: string) => void,
): Promise<FiledRun> {
  const files = new RunFolder(root);
  try {
    const benched = await run(files.open);
    return { ...benched, folder: await files.finish(benched.report) };
  } catch (error) {
    await files.close();
    if (files.path !== null) onCut(files.path);
    throw error;
  }
}

/** Two runs of one second get `-2`, `-3`, …. */
function makeFolder(parent: string, startedAt: string): string {
  const name = reportFolderName(startedAt);
  return refused(parent, () => {
    mkdirSync(parent, { recursive: true });
    for (let number = 1; ; number++) {
      const folder = join(parent, number === 1 ? name : `${name}-${number}`);
      try {
        mkdirSync(folder);
        return folder;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || number === 100) throw error;
      }
    }
  });
}

function refused<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * The folder of a run as the user names it: a path of it or of its results, or its name under report/; null: the newest.
 * `project` is asked only where no path is given. Throws `bench.no-results`.
 */
export async function findRun(given: string | null, cwd: string, project: () => string): Promise<string> {
  if (given !== null) {
    const path = resolve(cwd, given);
    if (existsSync(join(path, resultsFile))) return path;
    if (path.endsWith(`/${resultsFile}`) && existsSync(path)) return dirname(path);
  }
  const parent = join(project(), 'report');
  const known = await runsIn(parent);
  const name = given ?? known.at(-1);
  if (name !== undefined && existsSync(join(parent, name, resultsFile))) return join(parent, name);
  throw new DspError('bench.no-results', { given, known });
}

/** Oldest first. */
async function runsIn(parent: string): Promise<readonly string[]> {
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && existsSync(join(parent, entry.name, resultsFile)))
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
