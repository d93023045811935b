/** How a thread's requests reach a part: one small interface, and behind it a protocol with its connections. */

import type { Answered, Failure } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { Target, TransportAccess } from './target.ts';
import type { Operation } from './workload.ts';

export interface TransportOptions {
  readonly targets: readonly Target[];
  readonly access?: TransportAccess;
  /** The index among the targets of the server that has a key; absent: any of them, or as the servers say. */
  readonly place?: (key: string) => number;
  readonly maxConnections: number;
  /** For an answer, and for being sent before that. */
  readonly timeoutMs: number;
  /** Ms of the shared clock. */
  readonly now: () => number;
  /** May be shared by all connections of a thread. */
  readonly readBuffer: Buffer;
  /** How each exchange ended, after `nowMs`; null when it was dropped. */
  readonly ended: (exchange: Exchange<Operation>, answer: Answered | Failure | null, nowMs: number) => void;
}

export interface Transport {
  /** Requests sent and not answered, and waiting ones. */
  readonly pending: number;
  /** Whether nothing can be sent before an answer comes. */
  readonly crowded: boolean;
  /** Whether an instance that is called no more owes an answer. */
  readonly draining: boolean;
  /** Calls these instances from now on: one that left gets nothing more, and what it was sent before is still waited for. */
  retarget(targets: readonly Target[]): void;
  /** Sends at once, which is `nowMs`, or when it can be sent. */
  submit(exchange: Exchange<Operation>, nowMs: number): void;
  /** Ends what is over its time; to be called every few ms. */
  sweep(nowMs: number): void;
  close(): void;
}
