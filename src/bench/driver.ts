/**
 * One generator thread's loop: takes arrivals when they are due, hands them to their part's connections, and records
 * how they ended. It never waits for an answer before it sends the next request (an open model).
 */

import type { Outcome, Phase } from '../checkers/history.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { Answer } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Pacer } from './pacer.ts';
import type { Recorder } from './recorder.ts';
import type { WorkloadRequest, WorkloadRun } from './workload.ts';

export interface DrivenPart {
  readonly index: number;
  readonly run: WorkloadRun;
  readonly pool: ConnectionPool;
  readonly pacer: Pacer;
  readonly draw: (random: Random) => string;
  readonly random: Random;
  /** The control's phases; null for a part. */
  readonly controlIn: readonly Phase[] | null;
}

export interface DriverOptions {
  readonly parts: readonly DrivenPart[];
  readonly recorder: Recorder;
  readonly clock: Clock;
  /** Shared-clock ms minus monotonic ms. */
  readonly originMs: number;
  readonly timeoutMs: number;
}

/** A turn of the loop takes up at most this many arrivals, so that answers are read in between. */
const arrivalsPerTurn = 128;
/** `setTimeout` wakes up to this much late; the rest of a wait is dozed through in short naps. */
const timerGrainMs = 1.3;
/** With the kernel's timer slack a nap takes about 0.12 ms: waiting costs a fifth of a core, and an answer waits for it at most as long. */
const napMs = 0.05;
const sweepEveryMs = 10;
/** Final reads that are waited for at once. */
const finalConcurrency = 16;
/** A read back right after a heal may meet a connection that is just being replaced: about three seconds of patience. */
const stepTries = 5;

export class Driver {
  readonly #options: DriverOptions;
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  readonly #boundaries: { readonly phase: Phase; readonly atMs: number }[] = [];
  #startMs = 0;
  #stopMs = Number.POSITIVE_INFINITY;
  #sweptMs = 0;
  #finished: (() => void) | null = null;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** Starts the load at `startMs` of the shared clock. */
  begin(startMs: number, phase: Phase): void {
    this.#startMs = startMs - this.#options.originMs;
    this.#boundaries.push({ phase, atMs: this.#startMs });
    this.#loop();
  }

  /** Arrivals meant for `atMs` (shared clock) and later belong to `phase`. */
  setPhase(phase: Phase, atMs: number): void {
    this.#boundaries.push({ phase, atMs: atMs - this.#options.originMs });
    if (this.#boundaries.length > 2) this.#boundaries.shift();
  }

  /** Resolves when every arrival before `atMs` has ended. */
  finish(atMs: number): Promise<void> {
    this.#stopMs = atMs - this.#options.originMs;
    return new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  /** Sends these requests; what gets no correct answer is tried again. Resolves to how many failed for good. */
  async sendAll(part: DrivenPart, requests: readonly WorkloadRequest[], phase: 'prepare' | 'final'): Promise<number> {
    let failed = 0;
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        let correct = await this.#sendOne(part, request, phase);
        for (let tries = 1; !correct && tries < stepTries; tries++) {
          await this.#options.clock.sleep(300 * tries);
          correct = await this.#sendOne(part, request, phase);
        }
        if (!correct) failed += 1;
      }
    };
    const sweeping = setInterval(() => part.pool.sweep(this.#options.clock.monotonicMs()), sweepEveryMs);
    // Requests of a preparation may build on one another; reading back changes nothing.
    await Promise.all(Array.from({ length: phase === 'prepare' ? 1 : finalConcurrency }, lane));
    clearInterval(sweeping);
    return failed;
  }

  #sendOne(part: DrivenPart, request: WorkloadRequest, phase: Phase): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs();
    return new Promise((resolve) => this.#submit(part, request, phase, nowMs, nowMs, resolve));
  }

  #loop(): void {
    const { parts, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const dueMs = Math.min(nowMs, this.#stopMs);
    let left = arrivalsPerTurn;
    let nextMs = this.#stopMs;
    for (const part of parts) {
      while (left > 0 && this.#startMs + part.pacer.nextMs < dueMs) {
        left -= 1;
        this.#arrive(part);
      }
      nextMs = Math.min(nextMs, this.#startMs + part.pacer.nextMs);
    }
    if (nowMs - this.#sweptMs >= sweepEveryMs) this.#sweep(nowMs);
    if (nowMs >= this.#stopMs && left > 0 && parts.every((part) => part.pool.pending === 0)) {
      this.#finished?.();
      return;
    }
    this.#wait(nowMs >= this.#stopMs ? nowMs + sweepEveryMs : nextMs);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const part of this.#options.parts) part.pool.sweep(nowMs);
  }

  /** Long waits sleep in the event loop; of the last millisecond, naps let the sockets be read in between. */
  #wait(untilMs: number): void {
    const waitMs = untilMs - this.#options.clock.monotonicMs();
    if (waitMs > timerGrainMs + 1) {
      setTimeout(() => this.#loop(), Math.min(sweepEveryMs, Math.floor(waitMs - timerGrainMs)));
      return;
    }
    if (waitMs > 2 * napMs) Atomics.wait(this.#nap, 0, 0, napMs);
    setImmediate(() => this.#loop());
  }

  #arrive(part: DrivenPart): void {
    const intendedMs = this.#startMs + part.pacer.take();
    const operation = part.draw(part.random);
    const phase = this.#phaseAt(intendedMs);
    if (part.controlIn !== null && !part.controlIn.includes(phase)) return;
    const request = part.run.next(operation, part.random);
    this.#submit(part, request, phase, intendedMs, this.#options.clock.monotonicMs());
  }

  #phaseAt(intendedMs: number): Phase {
    const { length } = this.#boundaries;
    const latest = this.#boundaries[length - 1];
    const before = this.#boundaries[length - 2];
    if (latest === undefined) return 'warmup';
    return intendedMs >= latest.atMs || before === undefined ? latest.phase : before.phase;
  }

  #submit(
    part: DrivenPart,
    request: WorkloadRequest,
    phase: Phase,
    intendedMs: number,
    takenMs: number,
    ended?: (correct: boolean) => void,
  ): void {
    const { recorder, clock, originMs, timeoutMs } = this.#options;
    part.pool.submit({
      request,
      dropAtMs: takenMs + timeoutMs,
      sentMs: null,
      done(answer) {
        const { outcome, correct, result } = judge(part.run, request, answer, this.sentMs !== null);
        recorder.record({
          part: part.index,
          operation: request.operation,
          key: request.key,
          value: request.value,
          phase,
          intendedMs: originMs + intendedMs,
          takenMs: originMs + takenMs,
          sentMs: this.sentMs === null ? null : originMs + this.sentMs,
          endedMs: originMs + clock.monotonicMs(),
          answered: answer?.kind === 'response',
          status: answer === null ? null : answer.response === null ? answer.kind : String(answer.response.status),
          correct,
          outcome,
          result,
          inHistory: part.controlIn === null,
        });
        ended?.(correct);
      },
    });
  }
}

/** What the workload says of the answer; what was never sent certainly had no effect, whatever it says. */
function judge(
  run: WorkloadRun,
  request: WorkloadRequest,
  answer: Answer | null,
  sent: boolean,
): { readonly outcome: Outcome; readonly correct: boolean; readonly result: number } {
  const response = answer === null ? null : answer.response;
  try {
    const judgement = run.judge(request, response);
    if (response !== null) return judgement;
    return { ...judgement, correct: false, outcome: sent ? judgement.outcome : 'fail' };
  } catch {
    // An answer that the workload can't read is not a correct one.
    return { outcome: 'unknown', correct: false, result: 0 };
  }
}
