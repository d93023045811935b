/** What a run measured, added up from its lines: the same lines give the same, whether they are new or read back. */

import type { Phase } from '../../checkers/history.ts';
import type { ClockStep } from '../../checkers/invariant.ts';
import type { FaultRecord } from '../report.ts';
import { CellSums } from './cell-sums.ts';
import { type Cell, type PhaseSpan, SeriesLog } from './figures.ts';
import type { LoadLine } from './results.ts';

export class Measurements {
  readonly series = new SeriesLog();
  readonly #cells = new CellSums(({ part, operation, phase }) => `${part} ${operation} ${phase}`);
  readonly #begun: { readonly phase: Phase; readonly atMs: number }[] = [];
  readonly #faults: FaultRecord[] = [];
  readonly #clockSteps: ClockStep[] = [];
  #foreignCpuShare: number | null = null;
  #seenMs = 0;
  #ended: { readonly historyCut: number } | null = null;

  /** Throws RangeError for what can't follow on what came before. */
  add(line: LoadLine): void {
    if (this.#ended !== null) throw new RangeError('the load had ended before');
    switch (line.kind) {
      case 'cell':
        this.#cells.add(line);
        if (line.phase !== 'prepare' && line.phase !== 'final') this.series.add(line);
        return;
      case 'phase':
        if (line.atMs < (this.#begun.at(-1)?.atMs ?? 0))
          throw new RangeError('a phase begins before the one before it');
        this.#begun.push(line);
        return;
      case 'seen':
        this.#seenMs = Math.max(this.#seenMs, line.atMs);
        return;
      case 'fault':
        this.#faults.push(line.fault);
        return;
      case 'clock':
        this.#clockSteps.push({ fromMs: line.fromMs, toMs: line.toMs, byMs: line.byMs });
        return;
      case 'others':
        this.#foreignCpuShare = line.cpuShare;
        return;
      default:
        this.#ended = line;
        this.#seenMs = Math.max(this.#seenMs, line.atMs);
    }
  }

  /** Start of second 0, ms since 1970; null before. */
  get startMs(): number | null {
    return this.#begun.find(({ phase }) => phase === 'warmup')?.atMs ?? null;
  }

  /** The last one lasts until the end, or until the last moment of which something is known. */
  get spans(): readonly PhaseSpan[] {
    return this.#begun.map(({ phase, atMs }, i) => ({
      phase,
      startMs: atMs,
      endMs: this.#begun[i + 1]?.atMs ?? Math.max(atMs, this.#seenMs),
    }));
  }

  get cells(): readonly Cell[] {
    return this.#cells.all();
  }

  get faults(): readonly FaultRecord[] {
    return this.#faults;
  }

  /** Of the machine's wall clock. */
  get clockSteps(): readonly ClockStep[] {
    return this.#clockSteps;
  }

  /** Share of the machine's CPU that others used during the steady load; null when unknown. */
  get foreignCpuShare(): number | null {
    return this.#foreignCpuShare;
  }

  /** Operations that found no room in the history; null when the load did not come to its end. */
  get historyCut(): number | null {
    return this.#ended?.historyCut ?? null;
  }
}
