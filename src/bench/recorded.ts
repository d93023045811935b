/** From a run's lines to its report: checks over the figures, the recorded invariants, one verdict. */

import { judgeSearch } from './capacity/search-verdict.ts';
import { controlName } from './generator/control.ts';
import { phases } from './generator/generator-protocol.ts';
import type { CapacityReport, CapacityStep, Cut, Report } from './report.ts';
import { type Cell, curve, loadFigures, total } from './results/figures.ts';
import { Measurements } from './results/measurements.ts';
import type { JudgedLine, LoadLine, OpenResults, ResultLine, ResultsSink, RunHead } from './results/results.ts';
import { judgeRun } from './verdict/checks.ts';
import { parseThresholds } from './verdict/thresholds.ts';
import { type Judgement, judgeVerdict } from './verdict/verdict.ts';

export interface Benched {
  readonly report: Report;
  readonly judgement: Judgement;
}

/** What the lines of a run add up to. */
export class Recorded {
  readonly #head: RunHead;
  readonly #measured = new Measurements();
  readonly #steps: CapacityStep[] = [];
  #capacity: Omit<CapacityReport, 'steps'> | null = null;
  #judged: JudgedLine | null = null;

  constructor(head: RunHead) {
    this.#head = head;
  }

  /** Whether the last line has come. */
  get whole(): boolean {
    return this.#judged !== null;
  }

  /** Throws RangeError for a line that can't come here. */
  add(line: ResultLine): void {
    if (this.whole) throw new RangeError('the run had come to its end before');
    if (line.kind === 'run') throw new RangeError('a second run begins');
    if (line.kind === 'step') this.#steps.push(line.step);
    else if (line.kind === 'capacity') this.#capacity = line.capacity;
    else if (line.kind === 'judged') this.#judge(line);
    else this.#measure(line);
  }

  #judge(line: JudgedLine): void {
    if (this.#measured.historyCut === null) throw new RangeError('it was judged before its load had ended');
    this.#judged = line;
  }

  #measure(line: LoadLine): void {
    if (line.kind === 'cell' && line.part !== controlName && !this.#head.parts.some(({ name }) => name === line.part)) {
      throw new RangeError(`no part ${line.part} took load`);
    }
    this.#measured.add(line);
  }

  /** The report of a run whose last line is missing says that it was cut. */
  benched(): Benched {
    const { report, judgement } = this.#ofLoad();
    const { search } = this.#head;
    if (search === undefined) return this.#marked(report, judgement);
    const capacity: CapacityReport = { ...(this.#capacity ?? this.#unfinished(search)), steps: this.#steps };
    const found = judgeSearch(report, capacity);
    return this.#marked({ ...report, capacity }, found);
  }

  /** The same with the verdict, which a cut leaves open: what was not seen could have been worse, or better. */
  #marked(report: Report, { verdict, reasons, exitCode }: Judgement): Benched {
    if (this.whole) return { report: { ...report, verdict, reasons }, judgement: { verdict, reasons, exitCode } };
    const cut = this.#cut();
    const all = [cutText(cut), ...reasons];
    return {
      report: { ...report, verdict: 'inconclusive', reasons: all, cut },
      judgement: { verdict: 'inconclusive', reasons: all, exitCode: 98 },
    };
  }

  #ofLoad(): Benched {
    const head = this.#head;
    const { requirements, scale, smoke, machine } = head;
    const { cells, spans, faults, foreignCpuShare, historyCut, series, clockSteps } = this.#measured;
    const names = head.parts.map(({ name }) => name);
    const steadyControl = cells.filter(({ part, phase }) => part === controlName && phase === 'steady');
    const checks = judgeRun({
      ...{ cells, spans, faults, foreignCpuShare, requirements, scale, parts: names },
      control: steadyControl.length === 0 ? null : total(steadyControl).latency,
      thresholds: this.#thresholds(),
    });
    const invariants = this.#judged?.invariants ?? [];
    const startMs = this.#measured.startMs ?? head.startMs;
    const judgement = judgeVerdict({
      ...{ checks, invariants, faults, scale, smoke, loadedParts: names, clockSteps, startMs },
      historyCut: historyCut ?? 0,
    });
    const report: Report = {
      schemaVersion: 1,
      dspVersion: head.dspVersion,
      name: requirements.name,
      target: head.target,
      scale,
      sizesDigest: head.sizesDigest,
      seed: head.seed,
      replay: head.replay,
      startedAt: new Date(startMs).toISOString(),
      durationMs: Math.round((spans.at(-1)?.endMs ?? startMs) - startMs),
      verdict: judgement.verdict,
      reasons: judgement.reasons,
      checks: checks.map(({ check }) => check),
      invariants,
      faults,
      ...(clockSteps.length > 0 && { clockSteps }),
      ...(this.#judged?.shards && { shards: this.#judged.shards }),
      figures: loadFigures(cells, spans),
      series: names.map((part) => series.of(part)),
      curves: names.map((part) => ({ part, points: curve(steadyLatency(cells, part)) })),
      machine: { ...machine, foreignCpuShare },
    };
    return { report, judgement };
  }

  /** A search judges by the objectives itself, window by window. */
  #thresholds() {
    const { requirements, parts, search } = this.#head;
    if (search !== undefined) return [];
    const operations = Object.fromEntries(parts.map(({ name, offeredLoad }) => [name, Object.keys(offeredLoad)]));
    return parseThresholds(requirements.slo, { operations, phases });
  }

  #cut(): Cut {
    const { spans, startMs } = this.#measured;
    const last = spans.at(-1);
    const fromMs = startMs ?? this.#head.startMs;
    return { phase: last?.phase ?? null, afterMs: Math.max(0, Math.round((last?.endMs ?? fromMs) - fromMs)) };
  }

  #unfinished(search: NonNullable<RunHead['search']>): Omit<CapacityReport, 'steps'> {
    const because = `the search was cut after ${this.#steps.length} windows`;
    return {
      ...search,
      verdict: 'inconclusive',
      because,
      foundPerSecond: null,
      failedFromPerSecond: null,
      predictedLeftPerSecond: search.predictedPerSecond,
      ratio: null,
    };
  }
}

/** A run that is being recorded: its report follows from the very lines that are written. */
export class Recording {
  readonly #open: OpenResults | undefined;
  #recorded: Recorded | null = null;
  #sink: ResultsSink | undefined;

  constructor(open: OpenResults | undefined) {
    this.#open = open;
  }

  begin(head: RunHead): void {
    this.#recorded = new Recorded(head);
    this.#sink = this.#open?.(head);
  }

  readonly write: ResultsSink = (line) => {
    this.#recorded?.add(line);
    this.#sink?.(line);
  };

  benched(): Benched {
    if (this.#recorded === null) throw new Error('a run that has not begun has no report');
    return this.#recorded.benched();
  }
}

function cutText({ phase, afterMs }: Cut): string {
  const where = phase === null ? 'before the load' : `after ${afterMs / 1000} s, in phase ${phase}`;
  return `the run was cut ${where}: what follows is what it had measured, and its invariants were not judged`;
}

function steadyLatency(cells: readonly Cell[], part: string) {
  return total(cells.filter((cell) => cell.part === part && cell.phase === 'steady')).latency;
}
