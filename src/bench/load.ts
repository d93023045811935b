/**
 * One run of load through its phases: prepare → warm-up → steady → for each fault: fault, heal, recover → final reads.
 * The main thread keeps the time and the record; the load itself is in the generator threads.
 */

import type { Phase } from '../checkers/history.ts';
import type { ClockStep } from '../checkers/invariant.ts';
import { type Clock, sharedNowMs } from '../clock.ts';
import { DspError } from '../errors.ts';
import type { FaultRun } from './faults/fault-course.ts';
import { recoveryMs } from './faults/recovery.ts';
import type { FromGenerator, GeneratorPart } from './generator/generator-protocol.ts';
import { type GeneratorThread, startGeneratorThread } from './generator/generator-thread.ts';
import { HistoryLog } from './generator/history-log.ts';
import type { Arrivals } from './generator/pacer.ts';
import { type RateShape, steadyShape } from './generator/rate-shape.ts';
import type { Target } from './generator/target.ts';
import { threadCpuMs } from './generator/thread.ts';
import { type CpuUse, cpuBetween, type ProcessCpu } from './machine/process-cpu.ts';
import { WallClockWatch } from './machine/wall-clock.ts';
import type { FaultRecord } from './report.ts';
import { CellSums } from './results/cell-sums.ts';
import type { Cell, PhaseSpan, SeriesLog } from './results/figures.ts';
import { Measurements } from './results/measurements.ts';
import type { LoadLine } from './results/results.ts';

/** Sends the load of parts, by name, to these instances; resolves when those that were left owe no answer any more. */
export type Retarget = (targets: Readonly<Record<string, readonly Target[]>>) => Promise<void>;

/** Injects the faults of one phase, holds and heals them; resolves when the heal is complete. Heals before it rejects, too. */
export interface FaultStep {
  readonly name: string;
  run(signal: AbortSignal, retarget: Retarget): Promise<readonly FaultRun[]>;
}

export interface LoadPlan {
  readonly parts: readonly GeneratorPart[];
  readonly arrivals: Arrivals;
  /** Of the rate from the end of the warm-up on; absent: it stays. */
  readonly shape?: RateShape;
  readonly seed: number;
  readonly workers: number;
  readonly warmupMs: number;
  readonly steadyMs: number;
  readonly timeoutMs: number;
  readonly maxConnections: number;
  readonly faults: readonly FaultStep[];
  /** After a heal, load goes on until nothing has failed for `quietMs`, at most `maxMs`. */
  readonly recover: { readonly quietMs: number; readonly maxMs: number };
}

export interface LoadProgress {
  readonly phase: Phase;
  readonly fault: string | null;
  readonly elapsedMs: number;
  /** Of the parts, of the last full second. */
  readonly sentPerSecond: number;
  readonly failedPerSecond: number;
  readonly p99Ms: number | null;
}

export interface LoadDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onProgress(progress: LoadProgress): void;
  /** The CPU's counters at this moment; null where there are none, or the instances run elsewhere. */
  sampleCpu(): ProcessCpu | null;
  /** Told of the moment from which the load counts; what it returns is told of everything that is measured. */
  begin?(startMs: number): (line: LoadLine) => void;
}

export interface LoadResult {
  /** Start of second 0, shared-clock ms. */
  readonly startMs: number;
  readonly spans: readonly PhaseSpan[];
  readonly cells: readonly Cell[];
  readonly series: SeriesLog;
  readonly history: HistoryLog;
  readonly faults: readonly FaultRecord[];
  /** Of the machine's wall clock, from the warm-up on. */
  readonly clockSteps: readonly ClockStep[];
  /** CPU time that the generator threads used during the steady load; null when unknown. */
  readonly generatorCpuMs: number | null;
  /** During the steady load; null when unknown. */
  readonly cpu: CpuUse | null;
}

/** A phase is announced this long before it begins, so that every thread knows of it in time. */
const leadMs = 50;
/** After a second's end, every thread has said what ended in it. */
const settleMs = 400;
const progressEveryMs = 500;
/** The more often, the fewer windows of the history may have had a step in them. */
const clockEveryMs = 50;

/** Throws `bench.prepare` when the preparation's requests fail, and the signal's reason when interrupted; no thread is left. */
export async function runLoad(plan: LoadPlan, deps: LoadDeps): Promise<LoadResult> {
  const run = new LoadRun(plan, deps);
  try {
    return await run.go();
  } finally {
    await run.stop();
  }
}

class LoadRun {
  readonly #plan: LoadPlan;
  readonly #deps: LoadDeps;
  readonly #measured = new Measurements();
  readonly #history = new HistoryLog();
  /** What the threads said and no line says yet. */
  readonly #unsaid = new CellSums(({ part, operation, phase, second }) => `${part} ${operation} ${phase} ${second}`);
  readonly #threads: readonly GeneratorThread[];
  readonly #aborted: Promise<never>;
  /** Its signal outlives the run: a search makes many. */
  readonly #ended = new AbortController();
  #wallClock: WallClockWatch | null = null;
  #threadNumbers: readonly (number | null)[] = [];
  #startMs = 0;
  readonly #failuresMs: number[] = [];
  #phase: Phase = 'prepare';
  #phaseStartMs = 0;
  #fault: string | null = null;
  #write: ((line: LoadLine) => void) | null = null;

  constructor(plan: LoadPlan, deps: LoadDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.#aborted = new Promise((_, reject) => {
      const abort = () => reject(deps.signal.reason);
      if (deps.signal.aborted) abort();
      else deps.signal.addEventListener('abort', abort, { once: true, signal: this.#ended.signal });
    });
    this.#aborted.catch(() => {});
    const { parts, arrivals, shape = steadyShape, seed, workers, timeoutMs, maxConnections, warmupMs: leadMs } = plan;
    this.#threads = Array.from({ length: workers }, (_, workerIndex) =>
      startGeneratorThread(
        { parts, arrivals, shape, leadMs, seed, workerIndex, workerCount: workers, timeoutMs, maxConnections },
        (message) => this.#onProgress(workerIndex, message),
      ),
    );
  }

  async go(): Promise<LoadResult> {
    const ticking = setInterval(() => this.#tick(), progressEveryMs);
    const watching = setInterval(() => this.#lookAtClock(), clockEveryMs);
    try {
      await this.#prepare();
      await this.#begin();
      await this.#enter('steady');
      const before = this.#deps.sampleCpu();
      const generatorBeforeMs = this.#generatorCpuMs();
      await this.#sleep(this.#plan.steadyMs);
      const generatorCpuMs = this.#generatorCpuMs() - generatorBeforeMs;
      const cpu = cpuBetween(before, this.#deps.sampleCpu());
      this.#say({ kind: 'others', cpuShare: cpu?.foreignShare ?? null });
      for (const fault of this.#plan.faults) await this.#runFault(fault);
      await this.#finish();
      return this.#result(Number.isNaN(generatorCpuMs) ? null : generatorCpuMs, cpu);
    } finally {
      clearInterval(ticking);
      clearInterval(watching);
      this.#sayCells(Number.POSITIVE_INFINITY);
    }
  }

  #result(generatorCpuMs: number | null, cpu: CpuUse | null): LoadResult {
    const { spans, cells, series, faults, clockSteps } = this.#measured;
    return {
      spans,
      cells,
      series,
      faults,
      clockSteps,
      startMs: this.#startMs,
      history: this.#history,
      generatorCpuMs,
      cpu,
    };
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #prepare(): Promise<void> {
    this.#threadNumbers = (await this.#all('ready')).map(({ thread }) => thread);
    this.#phaseStartMs = this.#now();
    for (const thread of this.#threads) thread.send({ kind: 'prepare' });
    const prepared = await this.#all('prepared');
    const failed = prepared.find((message) => message.failed > 0);
    if (failed) throw new DspError('bench.prepare', { failed: failed.lastFailure });
  }

  async #begin(): Promise<void> {
    this.#startMs = this.#now() + leadMs;
    for (const thread of this.#threads) thread.send({ kind: 'begin', startMs: this.#startMs, phase: 'warmup' });
    this.#write = this.#deps.begin?.(this.#startMs) ?? null;
    this.#wallClock = new WallClockWatch(this.#deps.clock);
    this.#say({ kind: 'phase', phase: 'prepare', atMs: this.#phaseStartMs });
    await this.#turn('warmup', this.#startMs);
    await this.#sleep(this.#plan.warmupMs);
  }

  /** Announces the phase and resolves when it begins. */
  async #enter(phase: Phase): Promise<void> {
    const atMs = this.#now() + leadMs;
    for (const thread of this.#threads) thread.send({ kind: 'phase', phase, atMs });
    await this.#turn(phase, atMs);
  }

  async #turn(phase: Phase, atMs: number): Promise<void> {
    await this.#sleep(atMs - this.#now());
    this.#say({ kind: 'phase', phase, atMs, ...(this.#fault !== null && { fault: this.#fault }) });
    this.#phase = phase;
    this.#phaseStartMs = atMs;
    this.#tick();
  }

  async #runFault(step: FaultStep): Promise<void> {
    this.#fault = step.name;
    await this.#enter('fault');
    // The fault hears of an interruption by itself and heals before it rejects: nobody may leave before that.
    const records = await step.run(this.#deps.signal, (targets) => this.#retarget(targets));
    this.#deps.signal.throwIfAborted();
    await this.#enter('recover');
    const quiet = await this.#untilQuiet();
    for (const { healingMs, ...record } of records) {
      const recoveredMs = quiet ? recoveryMs({ ...record, healingMs }, this.#failuresMs) : null;
      this.#say({ kind: 'fault', fault: { ...record, recoveredMs } });
    }
    this.#fault = null;
  }

  /** Never rejects: what changes goes on to its end, whatever becomes of the load. */
  async #retarget(byName: Readonly<Record<string, readonly Target[]>>): Promise<void> {
    const parts = this.#plan.parts.flatMap(({ name }, part) => {
      const targets = byName[name];
      return targets === undefined ? [] : [{ part, targets }];
    });
    for (const thread of this.#threads) thread.send({ kind: 'retarget', parts });
    await this.#all('retargeted').catch(() => {});
  }

  /** Whether nothing failed for long enough before the time was over. */
  async #untilQuiet(): Promise<boolean> {
    const { quietMs, maxMs } = this.#plan.recover;
    const endMs = this.#phaseStartMs + maxMs;
    for (;;) {
      const quietAtMs = this.#failuresMs.reduce((last, ms) => Math.max(last, ms), this.#phaseStartMs) + quietMs;
      const nowMs = this.#now();
      if (nowMs >= quietAtMs) return true;
      if (nowMs >= endMs) return false;
      await this.#sleep(Math.min(quietAtMs, endMs) - nowMs);
    }
  }

  async #finish() {
    const atMs = this.#now() + leadMs;
    for (const thread of this.#threads) thread.send({ kind: 'finish', atMs });
    await this.#turn('final', atMs);
    await this.#all('finished');
    this.#lookAtClock();
    this.#sayCells(Number.POSITIVE_INFINITY);
    this.#say({ kind: 'ended', atMs: this.#now(), historyCut: this.#history.cut });
  }

  async #all<K extends FromGenerator['kind']>(kind: K) {
    const messages = this.#threads.map((thread) => thread.next(kind));
    for (const message of messages) message.catch(() => {});
    return Promise.race([Promise.all(messages), this.#aborted]);
  }

  #onProgress(workerIndex: number, message: Extract<FromGenerator, { kind: 'progress' }>): void {
    for (const batch of message.history) this.#history.add(workerIndex, batch);
    for (const cell of message.cells) this.#unsaid.add({ ...cell, part: this.#plan.parts[cell.part]?.name ?? '' });
    this.#failuresMs.push(...message.failuresMs);
  }

  #tick(): void {
    if (this.#phase !== 'prepare') this.#sayCells(this.#settledSecond());
    this.#tell();
  }

  /** All that is known of the seconds before this one has been heard. */
  #settledSecond(): number {
    return Math.floor((this.#now() - settleMs - this.#startMs) / 1000);
  }

  #sayCells(beforeSecond: number): void {
    const cells = this.#unsaid.takeBefore(beforeSecond);
    if (cells.length > 0) this.#say({ kind: 'seen', atMs: this.#seenMs(beforeSecond) });
    for (const cell of cells) this.#say({ kind: 'cell', ...cell });
  }

  #seenMs(beforeSecond: number): number {
    return Number.isFinite(beforeSecond) ? this.#startMs + 1000 * beforeSecond : this.#now();
  }

  #lookAtClock(): void {
    const step = this.#wallClock?.look() ?? null;
    if (step !== null) this.#say({ kind: 'clock', ...step });
  }

  /** What the result follows from is what is written. */
  #say(line: LoadLine): void {
    this.#measured.add(line);
    this.#write?.(line);
  }

  #tell(): void {
    const second = this.#settledSecond();
    const latest = this.#plan.parts.flatMap((part) =>
      part.controlIn === undefined && this.#startMs > 0 ? [this.#measured.series.latest(part.name, second)] : [],
    );
    const p99s = latest.flatMap(({ p99Ms }) => (p99Ms === null ? [] : [p99Ms]));
    this.#deps.onProgress({
      phase: this.#phase,
      fault: this.#fault,
      elapsedMs: this.#startMs === 0 ? 0 : Math.max(0, this.#now() - this.#startMs),
      sentPerSecond: latest.reduce((sum, { sent }) => sum + sent, 0),
      failedPerSecond: latest.reduce((sum, { failed }) => sum + failed, 0),
      p99Ms: p99s.length === 0 ? null : Math.max(...p99s),
    });
  }

  /** NaN when unknown. */
  #generatorCpuMs(): number {
    return this.#threadNumbers.reduce((sum: number, thread) => sum + (threadCpuMs(thread) ?? Number.NaN), 0);
  }

  #now(): number {
    return sharedNowMs(this.#deps.clock);
  }

  /** Also ends when a thread fails, and when interrupted with the signal's reason. */
  async #sleep(durationMs: number): Promise<void> {
    if (durationMs <= 0) return this.#deps.signal.throwIfAborted();
    const sleeping = this.#deps.clock.sleep(durationMs, this.#deps.signal);
    await Promise.race([this.#aborted, sleeping, ...this.#threads.map((thread) => thread.failed)]);
  }
}
