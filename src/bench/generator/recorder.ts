/** Counts, histograms and history of one generator thread, reported in pieces so that memory stays bounded. */

import type { Outcome, Phase } from '../../checkers/history.ts';
import {
  type Counts,
  type FromGenerator,
  type HistoryBatch,
  type HistoryColumns,
  outcomes,
  phases,
} from './generator-protocol.ts';
import { Hdr } from './hdr.ts';

/** One arrival as it ended. Times are ms of the shared clock. */
export interface Ended {
  readonly part: number;
  readonly operation: string;
  readonly key: string;
  readonly value: number;
  readonly phase: Phase;
  readonly intendedMs: number;
  /** When the generator turned to it. */
  readonly takenMs: number;
  /** Null when its bytes never left. */
  readonly sentMs: number | null;
  /** When the answer came, or the attempt ended without one. */
  readonly endedMs: number;
  readonly answered: boolean;
  /** A status, or how the exchange ended without one; null when dropped. */
  readonly status: string | null;
  readonly correct: boolean;
  readonly outcome: Outcome;
  readonly result: number;
  /** False for the control. */
  readonly inHistory: boolean;
}

/** Sends later than this after the intended time are late; on an idle machine the timer loop is off by a tenth of it. */
export const lateMs = 1;
/** The generator itself turned to an arrival this late: more than a scheduling slice of a busy machine. */
export const behindMs = 10;

const batchRows = 4096;

interface Cell extends Counts {
  readonly part: number;
  readonly operation: string;
  readonly phase: Phase;
  readonly second: number;
  readonly byStatus: Record<string, number>;
  readonly latency: Hdr;
  readonly lag: Hdr;
}

/** What is known of one part, by the operation's name where it differs by that. */
interface PartRecord {
  /** The cell of the latest arrival, which is most often that of the next. */
  readonly latest: Map<string, Cell>;
  /** Every operation and every key of the history, with its index among the thread's names. */
  readonly operations: Map<string, number>;
  readonly keys: Map<string, number>;
  readonly columns: Columns;
}

export class Recorder {
  readonly #parts: PartRecord[] = [];
  readonly #originMs: () => number;
  #cells: Cell[] = [];
  #full: HistoryBatch[] = [];
  #nameCount = 0;
  #newNames: string[] = [];
  /** By hundredth of a second, the latest. */
  #failures = new Map<number, number>();

  /** `originMs` returns the start of second 0. */
  constructor(originMs: () => number) {
    this.#originMs = originMs;
  }

  record(ended: Ended): void {
    const part = this.#part(ended.part);
    const dropped = ended.status === null;
    const cell = this.#cell(part, ended);
    const lagMs = ended.takenMs - ended.intendedMs;
    cell.offered += 1;
    cell.lag.record(lagMs);
    if (lagMs > behindMs) cell.behind += 1;
    if (dropped) cell.dropped += 1;
    else count(cell, ended);
    const timed = ended.correct || ended.status === 'timeout';
    if (timed) cell.latency.record(ended.endedMs - ended.intendedMs);
    const bad = dropped || !ended.correct;
    if (bad && ended.inHistory) this.#fail(ended.intendedMs);
    if (ended.inHistory && !dropped) this.#keep(part, ended);
  }

  /** What came since the last call. */
  take(): Omit<Extract<FromGenerator, { kind: 'progress' }>, 'kind'> {
    this.#parts.forEach((part, index) => {
      if (part.columns.rows > 0) this.#close(index, part.columns);
      part.latest.clear();
    });
    const history = this.#full;
    const cells = this.#cells.map((cell) => ({ ...cell, latency: cell.latency.data(), lag: cell.lag.data() }));
    const failuresMs = [...this.#failures.values()];
    this.#full = [];
    this.#cells = [];
    this.#failures = new Map();
    return { history, cells, failuresMs };
  }

  #fail(intendedMs: number): void {
    const hundredth = Math.floor(intendedMs / 10);
    this.#failures.set(hundredth, Math.max(this.#failures.get(hundredth) ?? 0, intendedMs));
  }

  /** The keys of the part's history. */
  keysOf(part: number): readonly string[] {
    return [...(this.#parts[part]?.keys.keys() ?? [])];
  }

  #part(index: number): PartRecord {
    const known = this.#parts[index];
    if (known !== undefined) return known;
    while (this.#parts.length <= index) {
      this.#parts.push({
        latest: new Map(),
        operations: new Map(),
        keys: new Map(),
        columns: new Columns(),
      });
    }
    return this.#parts[index]!;
  }

  #cell(record: PartRecord, { part, operation, phase, intendedMs }: Ended): Cell {
    const second = phase === 'prepare' ? -1 : Math.floor((intendedMs - this.#originMs()) / 1000);
    const latest = record.latest.get(operation);
    if (latest?.second === second && latest.phase === phase) return latest;
    const found = this.#cells.find(
      (cell) => cell.part === part && cell.operation === operation && cell.phase === phase && cell.second === second,
    );
    const cell = found ?? emptyCell(part, operation, phase, second);
    if (found === undefined) this.#cells.push(cell);
    record.latest.set(operation, cell);
    return cell;
  }

  /** What was dropped acted on nothing: it has no place in a history. */
  #keep({ columns, keys, operations }: PartRecord, ended: Ended): void {
    columns.add(ended, this.#intern(keys, ended.key), this.#intern(operations, ended.operation));
    if (columns.rows === batchRows) this.#close(ended.part, columns);
  }

  #intern(names: Map<string, number>, text: string): number {
    const known = names.get(text);
    if (known !== undefined) return known;
    const index = this.#nameCount++;
    names.set(text, index);
    this.#newNames.push(text);
    return index;
  }

  #close(part: number, columns: Columns): void {
    this.#full.push({ part, newKeys: this.#newNames, ...columns.take() });
    this.#newNames = [];
  }
}

function emptyCell(part: number, operation: string, phase: Phase, second: number): Cell {
  const zero = { offered: 0, sent: 0, correct: 0, failed: 0, late: 0, behind: 0, dropped: 0 };
  return { part, operation, phase, second, ...zero, byStatus: {}, latency: new Hdr(), lag: new Hdr() };
}

function count(cell: Cell, ended: Ended): void {
  cell.sent += 1;
  if (ended.correct) cell.correct += 1;
  else cell.failed += 1;
  if ((ended.sentMs ?? ended.endedMs) - ended.intendedMs > lateMs) cell.late += 1;
  const status = ended.status ?? '';
  cell.byStatus[status] = (cell.byStatus[status] ?? 0) + 1;
}

/** Columns of rows that are sent away when they are full: the thread that gets them keeps them as they are. */
class Columns {
  rows = 0;
  #filling = emptyColumns();

  add(ended: Ended, key: number, operation: number): void {
    const row = this.rows++;
    const columns = this.#filling;
    columns.keys[row] = key;
    columns.operations[row] = operation;
    columns.values[row] = ended.value;
    columns.results[row] = ended.result;
    columns.sentMs[row] = ended.sentMs ?? ended.takenMs;
    columns.answeredMs[row] = ended.answered ? ended.endedMs : Number.NaN;
    columns.outcomes[row] = outcomes.indexOf(ended.outcome);
    columns.phases[row] = phases.indexOf(ended.phase);
  }

  /** The filled rows. */
  take(): HistoryColumns & { readonly rows: number } {
    const { rows } = this;
    const columns = this.#filling;
    this.rows = 0;
    if (rows < batchRows) return { rows, ...firstRows(columns, rows) };
    this.#filling = emptyColumns();
    return { rows, ...columns };
  }
}

function emptyColumns(): HistoryColumns {
  return {
    keys: new Uint32Array(batchRows),
    operations: new Uint32Array(batchRows),
    values: new Float64Array(batchRows),
    results: new Float64Array(batchRows),
    sentMs: new Float64Array(batchRows),
    answeredMs: new Float64Array(batchRows),
    outcomes: new Uint8Array(batchRows),
    phases: new Uint8Array(batchRows),
  };
}

function firstRows(columns: HistoryColumns, rows: number): HistoryColumns {
  return {
    keys: columns.keys.slice(0, rows),
    operations: columns.operations.slice(0, rows),
    values: columns.values.slice(0, rows),
    results: columns.results.slice(0, rows),
    sentMs: columns.sentMs.slice(0, rows),
    answeredMs: columns.answeredMs.slice(0, rows),
    outcomes: columns.outcomes.slice(0, rows),
    phases: columns.phases.slice(0, rows),
  };
}
