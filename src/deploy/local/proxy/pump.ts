/** One direction of a proxied connection: bytes pass at once, late, only when they may, or never. */

import type { Socket } from 'node:net';
import type { Clock } from '../../../clock.ts';
import type { Random } from '../../../random.ts';

/** What is done to the bytes of one direction, the strongest first: swallow, hold, delay. */
export interface Gate {
  /** Never delivered, and nobody is told. */
  readonly swallow: boolean;
  /** Delivered when this ends, as TCP sends again what was not acknowledged. */
  readonly hold: boolean;
  readonly delayMs: number;
  /** Each piece gets up to this much more, by chance; order is kept. */
  readonly jitterMs: number;
  count(kind: 'delayed' | 'held' | 'swallowed', bytes: number): void;
}

export const openGate: Gate = { swallow: false, hold: false, delayMs: 0, jitterMs: 0, count: () => {} };

/** A piece that waits; null is the sender's end. */
interface Waiting {
  readonly chunk: Buffer | null;
  readonly dueMs: number;
}

/** What waits in memory before the sender is made to wait as well. */
const maxWaitingBytes = 1 << 20;

export class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #clock: Clock;
  readonly #random: Random;
  #gate: Gate = openGate;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, clock: Clock, random: Random) {
    this.#from = from;
    this.#to = to;
    this.#clock = clock;
    this.#random = random;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take(null));
    to.on('drain', () => this.#goOn());
  }

  /** What waits now waits by the new gate. */
  set gate(gate: Gate) {
    const wasHeld = this.#gate.hold;
    this.#gate = gate;
    if (gate.swallow) this.#clear();
    if (wasHeld && !gate.hold) this.#flush();
  }

  stop(): void {
    this.#clear();
  }

  #take(chunk: Buffer | null): void {
    const { swallow, hold, delayMs, jitterMs } = this.#gate;
    const bytes = chunk?.length ?? 0;
    const undisturbed = !hold && delayMs === 0 && jitterMs === 0;
    if (swallow) this.#gate.count('swallowed', bytes);
    else if (undisturbed && this.#waiting.length === 0) this.#pass(chunk);
    else this.#wait(chunk, bytes);
  }

  #wait(chunk: Buffer | null, bytes: number): void {
    const { hold, delayMs, jitterMs } = this.#gate;
    this.#gate.count(hold ? 'held' : 'delayed', bytes);
    const dueMs = this.#clock.monotonicMs() + delayMs + this.#random.next() * jitterMs;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#waiting.push({ chunk, dueMs: this.#lastDueMs });
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > maxWaitingBytes) this.#from.pause();
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    const nowMs = this.#clock.monotonicMs();
    let passed = 0;
    for (; !this.#gate.hold && passed < this.#waiting.length; passed++) {
      const first = this.#waiting[passed];
      if (first === undefined || first.dueMs > nowMs) break;
      this.#waitingBytes -= first.chunk?.length ?? 0;
      this.#pass(first.chunk);
    }
    this.#waiting.splice(0, passed);
    this.#goOn();
    const next = this.#waiting[0];
    if (next !== undefined && !this.#gate.hold) {
      this.#timer = setTimeout(() => this.#flush(), Math.max(0, next.dueMs - nowMs));
    }
  }

  #pass(chunk: Buffer | null): void {
    if (this.#to.destroyed) return;
    if (chunk === null) this.#to.end();
    else if (!this.#to.write(chunk)) this.#from.pause();
  }

  #goOn(): void {
    if (this.#waitingBytes <= maxWaitingBytes && !this.#to.writableNeedDrain) this.#from.resume();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#goOn();
  }
}
