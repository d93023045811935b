/** The history of a whole run as columns: 40 bytes an operation, bounded; one part's entries at a time become objects. */

import type { HistoryEntry, Phase } from '../../checkers/history.ts';
import { type HistoryBatch, outcomes, phases } from './generator-protocol.ts';

/** 160 MB of columns; an hour at 1100 operations a second. Beyond it the history is cut, and the verdict says so. */
export const maxHistoryEntries = 4_000_000;

interface Kept {
  readonly batch: HistoryBatch;
  /** The worker's table of keys and operations, which only grows. */
  readonly names: readonly string[];
}

export class HistoryLog {
  readonly #limit: number;
  readonly #names = new Map<number, string[]>();
  readonly #kept: Kept[] = [];
  #entries = 0;
  #cut = 0;

  constructor(limit: number = maxHistoryEntries) {
    this.#limit = limit;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Operations that found no room. */
  get cut(): number {
    return this.#cut;
  }

  add(workerIndex: number, batch: HistoryBatch): void {
    const names = this.#names.get(workerIndex) ?? [];
    this.#names.set(workerIndex, names);
    names.push(...batch.newKeys);
    if (this.#entries + batch.rows > this.#limit) {
      this.#cut += batch.rows;
      return;
    }
    this.#entries += batch.rows;
    this.#kept.push({ batch, names });
  }

  /** One part's operations in order of sending. */
  of(part: number, name: string): readonly HistoryEntry[] {
    const found: HistoryEntry[] = [];
    for (const { batch, names } of this.#kept) {
      if (batch.part !== part) continue;
      for (let row = 0; row < batch.rows; row++) found.push(entryAt(batch, names, row, name));
    }
    return found.sort((a, b) => a.sentMs - b.sentMs);
  }

  /** How often each key of a part was asked for in a phase. */
  countKeys(part: number, phase: Phase): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    const wanted = phases.indexOf(phase);
    for (const { batch, names } of this.#kept) {
      if (batch.part !== part) continue;
      const rows = new Uint32Array(names.length);
      for (let row = 0; row < batch.rows; row++) {
        if (batch.phases[row] === wanted) rows[batch.keys[row] ?? 0]! += 1;
      }
      rows.forEach((count, name) => {
        const key = names[name] ?? '';
        if (count > 0) counts.set(key, (counts.get(key) ?? 0) + count);
      });
    }
    return counts;
  }
}

function entryAt(batch: HistoryBatch, names: readonly string[], row: number, part: string): HistoryEntry {
  const answeredMs = batch.answeredMs[row] ?? Number.NaN;
  return {
    part,
    operation: names[batch.operations[row] ?? -1] ?? '',
    key: names[batch.keys[row] ?? -1] ?? '',
    value: batch.values[row] ?? 0,
    sentMs: batch.sentMs[row] ?? 0,
    answeredMs: Number.isNaN(answeredMs) ? null : answeredMs,
    outcome: outcomes[batch.outcomes[row] ?? 2] ?? 'unknown',
    result: batch.results[row] ?? 0,
    phase: phases[batch.phases[row] ?? 0] ?? 'prepare',
  };
}
