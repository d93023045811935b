/** The logs of instances, jobs and the build, as one stream of lines. */

import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../../clock.ts';
import type { Plan } from '../../plan/plan.ts';
import { planPath } from '../../project/manifest.ts';
import { type Paths, pathsOf } from './paths.ts';
import { lastLines } from './ready.ts';
import { readState } from './registry.ts';

export interface LogLine {
  /** Instance, job or `build`. */
  readonly source: string;
  readonly text: string;
}

interface LogFile {
  readonly source: string;
  readonly path: string;
}

/** Everything that `dsp logs` can be asked for now: parts, process sets, and what has a log. */
export function logNames(root: string): readonly string[] {
  const paths = pathsOf(root);
  const files = logFiles(paths);
  const groups = groupsOf(paths);
  return [...new Set(files.flatMap(({ source }) => [...(groups.get(source) ?? []), source]))].sort();
}

/** The last `count` lines of each log that `name` names (all when absent), in the order of their times. */
export function readLogs(root: string, name: string | undefined, count: number): readonly LogLine[] {
  const logs = selected(pathsOf(root), name).map(({ source, path }) =>
    lastLines(path, count).map((text): LogLine => ({ source, text })),
  );
  return interleave(logs);
}

const followPollMs = 200;

/** Calls `onLine` for each line that is written from now on, also to logs that come to be, until aborted. */
export async function followLogs(
  root: string,
  name: string | undefined,
  clock: Clock,
  signal: AbortSignal,
  onLine: (line: LogLine) => void,
): Promise<void> {
  const paths = pathsOf(root);
  const tails = new Map<string, Tail>();
  for (const { path } of selected(paths, name)) tails.set(path, new Tail(path, sizeOf(path)));
  while (!signal.aborted) {
    for (const { source, path } of selected(paths, name)) {
      const tail = tails.get(path) ?? new Tail(path, 0);
      tails.set(path, tail);
      for (const text of tail.read()) onLine({ source, text });
    }
    await clock.sleep(followPollMs, signal).catch(() => undefined);
  }
}

/** Whole lines of one growing file. */
class Tail {
  readonly #path: string;
  #offset: number;
  #rest = '';
  #decoder = new StringDecoder('utf8');

  constructor(path: string, offset: number) {
    this.#path = path;
    this.#offset = offset;
  }

  read(): readonly string[] {
    const size = sizeOf(this.#path);
    // Deployed again from nothing: another file of the same name.
    if (size < this.#offset) this.#offset = 0;
    if (size === this.#offset) return [];
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(size - this.#offset);
      const read = readSync(file, bytes, 0, bytes.length, this.#offset);
      this.#offset += read;
      const lines = (this.#rest + this.#decoder.write(bytes.subarray(0, read))).split('\n');
      this.#rest = lines.pop() ?? '';
      return lines;
    } finally {
      closeSync(file);
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function selected(paths: Paths, name: string | undefined): readonly LogFile[] {
  const files = logFiles(paths);
  if (name === undefined) return files.filter(({ source }) => source !== 'build');
  const groups = groupsOf(paths);
  return files.filter(({ source }) => source === name || groups.get(source)?.includes(name) === true);
}

function logFiles(paths: Paths): readonly LogFile[] {
  if (!existsSync(paths.logsDir)) return [];
  return readdirSync(paths.logsDir)
    .filter((file) => file.endsWith('.log'))
    .sort()
    .map((file) => ({ source: file.slice(0, -'.log'.length), path: join(paths.logsDir, file) }));
}

/** Part and process set of each source. After a deployment that was taken back, the plan says what it would have been. */
function groupsOf(paths: Paths): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>();
  const topology = readTopology(paths);
  for (const job of topology?.jobs ?? []) groups.set(job.id, [job.part]);
  for (const set of topology?.processSets ?? []) {
    for (const { source } of logFiles(paths)) {
      if (source.startsWith(`${set.id}-`) && /^\d+$/.test(source.slice(set.id.length + 1))) {
        groups.set(source, [set.part, set.id]);
      }
    }
  }
  for (const { spec } of Object.values(readState(paths)?.instances ?? {})) groups.set(spec.id, [spec.part, spec.set]);
  return groups;
}

function readTopology(paths: Paths): Plan['topology'] | null {
  try {
    return (JSON.parse(readFileSync(join(paths.root, planPath), 'utf8')) as Plan).local.topology;
  } catch {
    return null;
  }
}

/** Merges logs by the times in their lines; a line without one stays behind the line before it. */
export function interleave(logs: readonly (readonly LogLine[])[]): readonly LogLine[] {
  const timed = logs.flatMap((lines) => {
    let atMs = Number.NEGATIVE_INFINITY;
    return lines.map((line) => {
      atMs = Math.max(atMs, timeOf(line.text) ?? atMs);
      return { line, atMs };
    });
  });
  // Sorting is stable: equal times keep the order of their logs.
  return timed.sort((a, b) => (a.atMs === b.atMs ? 0 : a.atMs - b.atMs)).map(({ line }) => line);
}

/** ms since 1970 in pino's JSON, in Redis' `21 Nov 2026 10:00:00.123`, or in ISO 8601 at the line's start. */
export function timeOf(line: string): number | null {
  const json = /"time":(\d{13})\b/.exec(line)?.[1];
  if (json !== undefined) return Number(json);
  const redis = /^\d+:[A-Z] (\d{1,2} \w{3} \d{4} [\d:]{8})\.(\d{3}) /.exec(line);
  const iso = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/.exec(line)?.[0];
  const atMs = redis ? Date.parse(redis[1] ?? '') + Number(redis[2]) : Date.parse(iso ?? '');
  return Number.isNaN(atMs) ? null : atMs;
}
