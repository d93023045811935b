/** Reads the results of a run back from their file. */

import { createReadStream } from 'node:fs';
import { DspError } from '../../errors.ts';
import { writeError } from '../../project/files.ts';
import { type Benched, Recorded } from '../recorded.ts';
import { parseLine } from './results-text.ts';

/** Lies in the run's folder, beside its report. */
export const resultsFile = 'results.ndjson';

/** More than any line that a run writes. */
const mostLineBytes = 4 * 2 ** 20;

/**
 * The report that follows from the file alone. A last line without an end is what a run was writing when it was cut, and
 * left out. Throws `bench.results-unreadable` with the line, and `project.unwritable` for what the system refuses.
 */
export async function readResults(path: string): Promise<Benched> {
  let recorded: Recorded | null = null;
  let number = 0;
  for await (const { text, ended } of linesOf(path)) {
    number += 1;
    try {
      const line = parseLine(text);
      if (recorded !== null) recorded.add(line);
      else if (line.kind === 'run') recorded = new Recorded(line);
      else throw new RangeError('the first line tells of no run');
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (!ended && recorded !== null && !recorded.whole) break;
      throw unreadable(path, number, error.message);
    }
  }
  if (recorded === null) throw unreadable(path, 1, 'there is nothing');
  return recorded.benched();
}

function unreadable(path: string, line: number, problem: string): DspError {
  return new DspError('bench.results-unreadable', { problem }, { where: `${path}:${line}` });
}

/** Without more than a line in memory. `ended` is false for the last one when no end of line follows. */
async function* linesOf(path: string): AsyncGenerator<{ readonly text: string; readonly ended: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  const chunks = createReadStream(path)[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      throw writeError(error, path);
    });
    if (next.done === true) break;
    let from = 0;
    const bytes: Buffer = Buffer.concat([rest, next.value as Buffer]);
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield { text: bytes.toString('utf8', from, end), ended: true };
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > mostLineBytes) break;
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), ended: rest.length > mostLineBytes };
}
