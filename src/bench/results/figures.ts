/** What the generator threads measured: figures per part and phase, the series per second, percentile curves. */

import type { Phase } from '../../checkers/history.ts';
import { type Counts, phases } from '../generator/generator-protocol.ts';
import { Hdr, type HdrData } from '../generator/hdr.ts';
import type { LoadFigures, Percentiles, Report } from '../report.ts';

/** A stretch of the run; one phase may have several. Shared-clock ms. */
export interface PhaseSpan {
  readonly phase: Phase;
  readonly startMs: number;
  readonly endMs: number;
}

/** One operation of one part in one phase, all workers together. */
export interface Cell extends Readonly<Counts> {
  readonly part: string;
  readonly operation: string;
  readonly phase: Phase;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly latency: Hdr;
  /** How late the generator turned to an arrival, whatever the system did. */
  readonly lag: Hdr;
}

/** The sum of cells: what a tag selects. */
export function total(cells: readonly Cell[]): Omit<Cell, 'part' | 'operation' | 'phase'> {
  const latency = new Hdr();
  const lag = new Hdr();
  const byStatus: Record<string, number> = {};
  for (const cell of cells) {
    latency.merge(cell.latency);
    lag.merge(cell.lag);
    for (const [status, count] of Object.entries(cell.byStatus)) byStatus[status] = (byStatus[status] ?? 0) + count;
  }
  const sum = (of: (cell: Cell) => number) => cells.reduce((all, cell) => all + of(cell), 0);
  return {
    offered: sum((cell) => cell.offered),
    sent: sum((cell) => cell.sent),
    correct: sum((cell) => cell.correct),
    failed: sum((cell) => cell.failed),
    late: sum((cell) => cell.late),
    behind: sum((cell) => cell.behind),
    dropped: sum((cell) => cell.dropped),
    byStatus,
    latency,
    lag,
  };
}

/** How long a phase took, all its spans together. */
export function phaseDurationMs(spans: readonly PhaseSpan[], phase: Phase): number {
  return spans.filter((span) => span.phase === phase).reduce((sum, span) => sum + span.endMs - span.startMs, 0);
}

/** Per part and phase, in the order of the run. Phases in which a part had no operation have no figures. */
export function loadFigures(cells: readonly Cell[], spans: readonly PhaseSpan[]): readonly LoadFigures[] {
  const parts = [...new Set(cells.map((cell) => cell.part))].sort();
  return parts.flatMap((part) =>
    phases.flatMap((phase) => {
      const chosen = cells.filter((cell) => cell.part === part && cell.phase === phase);
      return chosen.length === 0 ? [] : [figuresOf(part, phase, chosen, phaseDurationMs(spans, phase))];
    }),
  );
}

function figuresOf(part: string, phase: Phase, cells: readonly Cell[], durationMs: number): LoadFigures {
  const { offered, correct, latency, lag, ...counts } = total(cells);
  const perSecond = (count: number) => (durationMs > 0 ? (count * 1000) / durationMs : 0);
  return {
    part,
    phase,
    durationMs,
    offeredPerSecond: perSecond(offered),
    achievedPerSecond: perSecond(correct),
    correct,
    ...counts,
    lagP99Ms: lag.quantileMs(0.99) ?? 0,
    latency: percentiles(latency),
  };
}

/** 0 throughout over no sample; `count` tells. */
export function percentiles(latency: Hdr): Percentiles {
  const at = (q: number) => latency.quantileMs(q) ?? 0;
  return {
    count: latency.count,
    minMs: latency.minMs ?? 0,
    meanMs: latency.meanMs ?? 0,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: latency.maxMs ?? 0,
  };
}

/** [quantile, ms], denser towards 1, up to the last quantile that has ten samples above it. */
export function curve(latency: Hdr): readonly (readonly [number, number])[] {
  const points: [number, number][] = [];
  for (let nines = 0; nines <= 5; nines += 0.05) {
    const q = 1 - 10 ** -nines;
    const valueMs = latency.quantileMs(q);
    if (valueMs === null || latency.count * (1 - q) < 10) break;
    points.push([Number(q.toFixed(7)), valueMs]);
  }
  return points;
}

/** A second is closed this long after its end: every answer has come or timed out. */
const closeAfterSeconds = 15;

interface OpenSecond {
  sent: number;
  failed: number;
  readonly latency: Hdr;
}

interface ClosedSecond {
  readonly second: number;
  readonly sent: number;
  readonly failed: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** What was added to one second of one part. */
export interface SeriesCell {
  readonly part: string;
  readonly second: number;
  readonly sent: number;
  readonly failed: number;
  readonly dropped: number;
  readonly latency: HdrData;
}

/** The run second by second. Histograms are kept of the last seconds only, so that an hour costs a few hundred kB. */
export class SeriesLog {
  readonly #open = new Map<string, Map<number, OpenSecond>>();
  readonly #closed = new Map<string, ClosedSecond[]>();

  add(cell: SeriesCell): void {
    const seconds = this.#open.get(cell.part) ?? new Map<number, OpenSecond>();
    this.#open.set(cell.part, seconds);
    const second = seconds.get(cell.second) ?? { sent: 0, failed: 0, latency: new Hdr() };
    seconds.set(cell.second, second);
    second.sent += cell.sent;
    second.failed += cell.failed + cell.dropped;
    second.latency.merge(cell.latency);
    for (const [index] of seconds) if (index < cell.second - closeAfterSeconds) this.#close(cell.part, index);
  }

  /** Sums over the second before that one, for the progress line. */
  latest(part: string, beforeSecond: number): { readonly sent: number; readonly failed: number; p99Ms: number | null } {
    const second = this.#open.get(part)?.get(beforeSecond - 1);
    return { sent: second?.sent ?? 0, failed: second?.failed ?? 0, p99Ms: second?.latency.quantileMs(0.99) ?? null };
  }

  of(part: string): Report['series'][number] {
    for (const index of [...(this.#open.get(part)?.keys() ?? [])]) this.#close(part, index);
    const rows = mergeClosed(this.#closed.get(part) ?? []);
    return {
      part,
      second: rows.map((row) => row.second),
      sent: rows.map((row) => row.sent),
      failed: rows.map((row) => row.failed),
      p50Ms: rows.map((row) => row.p50Ms),
      p99Ms: rows.map((row) => row.p99Ms),
    };
  }

  #close(part: string, second: number): void {
    const open = this.#open.get(part)?.get(second);
    if (open === undefined) return;
    const { sent, failed, latency } = open;
    const closed = this.#closed.get(part) ?? [];
    closed.push({ second, sent, failed, p50Ms: latency.quantileMs(0.5), p99Ms: latency.quantileMs(0.99) });
    this.#closed.set(part, closed);
    this.#open.get(part)?.delete(second);
  }
}

/** A second that a straggling worker reopened adds its counts; its percentiles stay those of the many. */
function mergeClosed(rows: readonly ClosedSecond[]): readonly ClosedSecond[] {
  const bySecond = new Map<number, ClosedSecond>();
  for (const row of rows) {
    const known = bySecond.get(row.second);
    const sum = known && { ...known, sent: known.sent + row.sent, failed: known.failed + row.failed };
    bySecond.set(row.second, sum ?? row);
  }
  return [...bySecond.values()].sort((a, b) => a.second - b.second);
}
