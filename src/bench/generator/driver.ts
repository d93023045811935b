/**
 * One generator thread's loop: takes arrivals when they are due, hands them to their part's connections, and records
 * how they ended. It never waits for an answer before it sends the next request (an open model).
 */

import type { Phase } from '../../checkers/history.ts';
import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { Answered, Failure } from './answer.ts';
import { Exchange, type Source } from './exchange.ts';
import type { Pacer } from './pacer.ts';
import type { Recorder } from './recorder.ts';
import type { Target, TransportAccess } from './target.ts';
import type { Transport, TransportOptions } from './transport.ts';
import type { Operation } from './workload.ts';

export interface DrivenPart extends Source {
  readonly targets: readonly Target[];
  readonly connect: (options: TransportOptions) => Transport;
  readonly access?: TransportAccess;
  readonly place?: (key: string) => number;
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
  /** Per part. */
  readonly maxConnections: number;
}

interface Lane {
  readonly part: DrivenPart;
  readonly pool: Transport;
}

/** A turn of the loop takes up at most this many arrivals, so that answers are read in between. */
const arrivalsPerTurn = 128;
/** `setTimeout` wakes up to this much late; the rest of a wait is dozed through in short naps. */
const timerGrainMs = 1.3;
/** Answers and arrivals are looked at this often where there is nothing to do: the error of a send and of a latency. */
const napMs = 0.05;
/** Shorter naps cost more than they rest: what is due before then leaves together with what is due at its end. */
const leastNapMs = 0.03;
/** Where all requests wait for a connection, an answer sends the next one: only new arrivals need a look at the clock. */
const crowdedWaitMs = 1;
const sweepEveryMs = 10;
/** Final reads that are waited for at once. */
const finalConcurrency = 16;
/** A read back right after a heal may meet a connection that is just being replaced: about three seconds of patience. */
const stepTries = 5;

export class Driver {
  readonly #options: DriverOptions;
  readonly #lanes: readonly Lane[];
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  readonly #boundaries: { readonly phase: Phase; readonly atMs: number }[] = [];
  #startMs = 0;
  #stopMs = Number.POSITIVE_INFINITY;
  #sweptMs = 0;
  #finished: (() => void) | null = null;
  /** Set while nothing can be sent before an answer comes. */
  #dozing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
    const { clock, originMs, timeoutMs, maxConnections } = options;
    const now = () => originMs + clock.monotonicMs();
    // One buffer for every socket of the thread: each chunk is read before the next one comes.
    const readBuffer = Buffer.allocUnsafe(64 * 1024);
    const ended = this.#ended.bind(this);
    const common = { maxConnections, timeoutMs, now, readBuffer, ended };
    this.#lanes = options.parts.map((part) => {
      const { targets, access, place } = part;
      return { part, pool: part.connect({ ...common, targets, ...(access && { access }), ...(place && { place }) }) };
    });
  }

  /** Starts the load at `startMs` of the shared clock. */
  begin(startMs: number, phase: Phase): void {
    this.#startMs = startMs;
    this.#boundaries.push({ phase, atMs: startMs });
    this.#loop();
  }

  /** Arrivals meant for `atMs` (shared clock) and later belong to `phase`. */
  setPhase(phase: Phase, atMs: number): void {
    this.#boundaries.push({ phase, atMs });
    if (this.#boundaries.length > 2) this.#boundaries.shift();
  }

  /** The part's load goes to these instances from now on. */
  retarget(part: number, targets: readonly Target[]): void {
    this.#lanes.find((lane) => lane.part.index === part)?.pool.retarget(targets);
  }

  /** Resolves when instances that are called no more have given their last answers, or after `patienceMs`. */
  async drained(patienceMs: number): Promise<void> {
    const endMs = this.#now() + patienceMs;
    while (this.#lanes.some(({ pool }) => pool.draining) && this.#now() < endMs) {
      await this.#options.clock.sleep(sweepEveryMs);
    }
  }

  /** Resolves when every arrival before `atMs` has ended. */
  finish(atMs: number): Promise<void> {
    this.#stopMs = atMs;
    return new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  close(): void {
    for (const { pool } of this.#lanes) pool.close();
  }

  /** Sends these requests; what gets no correct answer is tried again. Resolves to how many failed for good. */
  async sendAll(part: DrivenPart, requests: readonly Operation[], phase: 'prepare' | 'final'): Promise<number> {
    const lane = this.#lanes.find((found) => found.part === part);
    if (lane === undefined) throw new RangeError('a part that is not driven');
    let failed = 0;
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        let correct = await this.#sendOne(lane, request, phase);
        for (let tries = 1; !correct && tries < stepTries; tries++) {
          await this.#options.clock.sleep(300 * tries);
          correct = await this.#sendOne(lane, request, phase);
        }
        if (!correct) failed += 1;
      }
    };
    const sweeping = setInterval(() => lane.pool.sweep(this.#now()), sweepEveryMs);
    // Requests of a preparation may build on one another; reading back changes nothing.
    await Promise.all(Array.from({ length: phase === 'prepare' ? 1 : finalConcurrency }, worker));
    clearInterval(sweeping);
    return failed;
  }

  #sendOne({ part, pool }: Lane, request: Operation, phase: Phase): Promise<boolean> {
    const nowMs = this.#now();
    return new Promise((resolve) => pool.submit(new Exchange(part, request, phase, nowMs, nowMs, resolve), nowMs));
  }

  #loop(): void {
    const nowMs = this.#now();
    const dueMs = Math.min(nowMs, this.#stopMs);
    let left = arrivalsPerTurn;
    let nextMs = this.#stopMs;
    for (const lane of this.#lanes) {
      const { pacer } = lane.part;
      while (left > 0 && this.#startMs + pacer.nextMs < dueMs) {
        left -= 1;
        this.#arrive(lane);
      }
      nextMs = Math.min(nextMs, this.#startMs + pacer.nextMs);
    }
    if (nowMs - this.#sweptMs >= sweepEveryMs) this.#sweep(nowMs);
    if (nowMs >= this.#stopMs && left > 0 && this.#lanes.every(({ pool }) => pool.pending === 0)) {
      this.#finished?.();
      return;
    }
    this.#wait(nowMs >= this.#stopMs ? nowMs + sweepEveryMs : nextMs);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const { pool } of this.#lanes) pool.sweep(nowMs);
  }

  /** Long waits sleep in the event loop; of the last millisecond, naps let the sockets be read in between. */
  #wait(untilMs: number): void {
    const waitMs = untilMs - this.#now();
    if (waitMs > timerGrainMs + 1) {
      setTimeout(() => this.#loop(), Math.min(sweepEveryMs, Math.floor(waitMs - timerGrainMs)));
      return;
    }
    if (this.#lanes.every(({ pool }) => pool.crowded)) {
      this.#dozing = setTimeout(() => {
        this.#dozing = undefined;
        this.#loop();
      }, crowdedWaitMs);
      return;
    }
    if (waitMs > 0) Atomics.wait(this.#nap, 0, 0, Math.max(leastNapMs, Math.min(napMs, waitMs)));
    setImmediate(() => this.#loop());
  }

  /** Not at once: an answer is being read. */
  #wakeSoon(): void {
    clearTimeout(this.#dozing);
    this.#dozing = undefined;
    setImmediate(() => this.#loop());
  }

  #arrive({ part, pool }: Lane): void {
    const intendedMs = this.#startMs + part.pacer.take();
    const operation = part.draw(part.random);
    const phase = this.#phaseAt(intendedMs);
    if (part.controlIn !== null && !part.controlIn.includes(phase)) return;
    const request = part.run.next(operation, part.random);
    const nowMs = this.#now();
    pool.submit(new Exchange(part, request, phase, intendedMs, nowMs, null), nowMs);
  }

  #phaseAt(intendedMs: number): Phase {
    const { length } = this.#boundaries;
    const latest = this.#boundaries[length - 1];
    const before = this.#boundaries[length - 2];
    if (latest === undefined) return 'warmup';
    return intendedMs >= latest.atMs || before === undefined ? latest.phase : before.phase;
  }

  #now(): number {
    return this.#options.originMs + this.#options.clock.monotonicMs();
  }

  #ended(exchange: Exchange<Operation>, answer: Answered | Failure | null, nowMs: number): void {
    exchange.endedMs = nowMs;
    if (typeof answer === 'string') exchange.status = answer;
    else if (answer !== null) {
      exchange.answered = true;
      exchange.status = String(answer.status);
    }
    judge(exchange, answer === null || typeof answer === 'string' ? null : answer);
    this.#options.recorder.record(exchange);
    exchange.whenEnded?.(exchange.correct);
    if (this.#dozing !== undefined && this.#lanes.some(({ pool }) => !pool.crowded)) this.#wakeSoon();
  }
}

/** What the workload says of the answer; what was never sent certainly had no effect, whatever it says. */
function judge(exchange: Exchange<Operation>, answer: Answered | null): void {
  try {
    const { outcome, correct, result } = exchange.source.run.judge(exchange.request, answer);
    exchange.outcome = answer === null && exchange.sentMs === null ? 'fail' : outcome;
    exchange.correct = answer !== null && correct;
    exchange.result = result;
  } catch {
    // An answer that the workload can't read is not a correct one.
    exchange.outcome = 'unknown';
    exchange.correct = false;
    exchange.result = 0;
  }
}
