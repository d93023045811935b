/** What every protocol's answers have in common. */

import type { WorkloadResponse } from './workload.ts';

/** As it is counted: an HTTP status, or how a server of another kind answered. */
export interface Answered {
  readonly status: number | string;
}

export interface Answer extends WorkloadResponse, Answered {
  readonly status: number;
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
}

/** How an exchange ended without an answer; `refused` never had a connection, so nothing was sent. */
export type Failure = 'refused' | 'lost' | 'malformed' | 'timeout';

/** The bytes are no answer of the protocol: the server's fault. */
export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

/** Reads one answer at a time; `push` and `end` throw {@link MalformedResponse}. */
export interface AnswerParser {
  /** Expects the answer to a request of this method. */
  start(method: string): void;
  /** Reads `bytes` up to `end`, which belong to the caller again afterwards; the answer when it is complete. */
  push(bytes: Buffer, end: number): Answer | null;
  /** The connection ended: the answer when that is what ends it, null when nothing came. */
  end(): Answer | null;
}
