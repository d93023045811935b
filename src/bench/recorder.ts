/** Counts, histograms and history of one generator thread, reported in pieces so that memory stays bounded. */

import type { Outcome, Phase } from '../checkers/history.ts';
import {
  type CellData,
  type Counts,
  type HistoryBatch,
  outcomes,
  phases,
  type SecondCell,
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
  readonly byStatus: Record<string, number>;
  readonly latency: Hdr;
}

export class Recorder {
  readonly #cells = new Map<string, Cell>();
  readonly #originMs: () => number;
  #seconds = new Map<string, { part: number; second: number; sent: number; failed: number; latency: Hdr }>();
  readonly #open = new Map<number, Columns>();
  #full: HistoryBatch[] = [];
  readonly #keys = new Map<string, number>();
  #newKeys: string[] = [];
  #lastFailureMs = 0;

  /** `originMs` returns the start of second 0. */
  constructor(originMs: () => number) {
    this.#originMs = originMs;
  }

  get lastFailureMs(): number {
    return this.#lastFailureMs;
  }

  record(ended: Ended): void {
    const dropped = ended.status === null;
    const cell = this.#cell(ended);
    cell.offered += 1;
    if (ended.takenMs - ended.intendedMs > behindMs) cell.behind += 1;
    if (dropped) cell.dropped += 1;
    else count(cell, ended);
    const timed = ended.correct || ended.status === 'timeout';
    const latencyMs = ended.endedMs - ended.intendedMs;
    if (timed) cell.latency.record(latencyMs);
    const bad = dropped || !ended.correct;
    if (bad && ended.inHistory) this.#lastFailureMs = Math.max(this.#lastFailureMs, ended.intendedMs);
    if (ended.inHistory && !dropped) this.#keep(ended);
    if (ended.phase === 'prepare' || ended.phase === 'final') return;
    const second = this.#second(ended);
    if (!dropped) second.sent += 1;
    if (bad) second.failed += 1;
    if (timed) second.latency.record(latencyMs);
  }

  /** What came since the last call. */
  take(): { readonly history: readonly HistoryBatch[]; readonly seconds: readonly SecondCell[] } {
    for (const [part, columns] of this.#open) if (columns.rows > 0) this.#close(part, columns);
    const history = this.#full;
    const seconds = [...this.#seconds.values()].map((cell) => ({ ...cell, latency: cell.latency.data() }));
    this.#full = [];
    this.#seconds = new Map();
    return { history, seconds };
  }

  cells(): readonly CellData[] {
    return [...this.#cells.values()].map((cell) => ({ ...cell, latency: cell.latency.data() }));
  }

  #cell({ part, operation, phase }: Ended): Cell {
    const id = `${part} ${phase} ${operation}`;
    let cell = this.#cells.get(id);
    if (cell === undefined) {
      const zero = { offered: 0, sent: 0, correct: 0, failed: 0, late: 0, behind: 0, dropped: 0 };
      cell = { part, operation, phase, ...zero, byStatus: {}, latency: new Hdr() };
      this.#cells.set(id, cell);
    }
    return cell;
  }

  #second({ part, intendedMs }: Ended) {
    const second = Math.floor((intendedMs - this.#originMs()) / 1000);
    const id = `${part} ${second}`;
    let cell = this.#seconds.get(id);
    if (cell === undefined) {
      cell = { part, second, sent: 0, failed: 0, latency: new Hdr() };
      this.#seconds.set(id, cell);
    }
    return cell;
  }

  /** What was dropped acted on nothing: it has no place in a history. */
  #keep(ended: Ended): void {
    let columns = this.#open.get(ended.part);
    if (columns === undefined) {
      columns = new Columns();
      this.#open.set(ended.part, columns);
    }
    columns.add(ended, this.#intern(ended.key), this.#intern(ended.operation));
    if (columns.rows === batchRows) this.#close(ended.part, columns);
  }

  #intern(text: string): number {
    const known = this.#keys.get(text);
    if (known !== undefined) return known;
    const index = this.#keys.size;
    this.#keys.set(text, index);
    this.#newKeys.push(text);
    return index;
  }

  #close(part: number, columns: Columns): void {
    this.#full.push({ part, newKeys: this.#newKeys, ...columns.take() });
    this.#newKeys = [];
    this.#open.delete(part);
  }
}

function count(cell: Cell, ended: Ended): void {
  cell.sent += 1;
  if (ended.correct) cell.correct += 1;
  else cell.failed += 1;
  if ((ended.sentMs ?? ended.endedMs) - ended.intendedMs > lateMs) cell.late += 1;
  const status = ended.status ?? '';
  cell.byStatus[status] = (cell.byStatus[status] ?? 0) + 1;
}

class Columns {
  rows = 0;
  readonly #keys = new Uint32Array(batchRows);
  readonly #operations = new Uint32Array(batchRows);
  readonly #values = new Float64Array(batchRows);
  readonly #results = new Float64Array(batchRows);
  readonly #sentMs = new Float64Array(batchRows);
  readonly #answeredMs = new Float64Array(batchRows);
  readonly #outcomes = new Uint8Array(batchRows);
  readonly #phases = new Uint8Array(batchRows);

  add(ended: Ended, key: number, operation: number): void {
    const row = this.rows++;
    this.#keys[row] = key;
    this.#operations[row] = operation;
    this.#values[row] = ended.value;
    this.#results[row] = ended.result;
    this.#sentMs[row] = ended.sentMs ?? ended.takenMs;
    this.#answeredMs[row] = ended.answered ? ended.endedMs : Number.NaN;
    this.#outcomes[row] = outcomes.indexOf(ended.outcome);
    this.#phases[row] = phases.indexOf(ended.phase);
  }

  /** Copies of the filled rows, small enough to be sent at once. */
  take(): Omit<HistoryBatch, 'part' | 'newKeys'> {
    const { rows } = this;
    return {
      rows,
      keys: this.#keys.slice(0, rows),
      operations: this.#operations.slice(0, rows),
      values: this.#values.slice(0, rows),
      results: this.#results.slice(0, rows),
      sentMs: this.#sentMs.slice(0, rows),
      answeredMs: this.#answeredMs.slice(0, rows),
      outcomes: this.#outcomes.slice(0, rows),
      phases: this.#phases.slice(0, rows),
    };
  }
}
