/**
 * What a pattern's workload.ts default-exports: the operations that a bench sends to a part, and how to read the
 * answers. It runs in generator threads; nothing of it does I/O, and chance is passed in.
 */

import type { Json } from '../../../stacks/topology.ts';
import type { Outcome } from '../../checkers/history.ts';
import type { KeySkew } from '../../key-skew.ts';
import type { Random } from '../../random.ts';
import type { Requirements } from '../../requirements/requirements.ts';

export type { HistoryEntry, Outcome, Phase } from '../../checkers/history.ts';

export interface WorkloadContext {
  readonly part: string;
  readonly sizing: Json;
  readonly options: Readonly<Record<string, Json>>;
  readonly requirements: Requirements;
  /** Operations per second that this run offers, by operation, all workers together. */
  readonly offeredLoad: Readonly<Record<string, number>>;
  readonly seed: number;
  /** How uneven the choice of keys is to be; absent: as the pattern's users do. */
  readonly skew?: KeySkew;
  /** Workers share the key space by index: two workers never write one key. */
  readonly workerIndex: number;
  readonly workerCount: number;
}

/** What a request says of itself, whatever its protocol. */
export interface Operation {
  readonly operation: string;
  /** For the history: the key acted on, and a number whose meaning is the workload's (version written, cost). */
  readonly key: string;
  readonly value: number;
}

/** An HTTP/1.1 request, target path and all. */
export interface WorkloadRequest extends Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface WorkloadResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Commands to the Redis server that has a key, sent together. Where the first is redirected, all are sent again. */
export interface RespRequest extends Operation {
  readonly commands: readonly (readonly string[])[];
  readonly routedBy: string;
}

/** `message` is `<CODE> <words>`. */
export type RespReply = string | number | null | { readonly message: string; readonly code: string } | RespReply[];

/** One for each command. */
export interface RespResponse {
  readonly replies: readonly RespReply[];
}

export interface Judgement {
  readonly outcome: Outcome;
  /** The answer was one that a correct system may give (a 429 of a limiter is). False counts as a failed request. */
  readonly correct: boolean;
  /** For the history, meaning as for `value`: version read, 1 admitted or 0 denied. */
  readonly result: number;
}

/** Of requests `Q` and their answers `A`: of HTTP unless it says otherwise. */
export interface WorkloadRun<Q extends Operation = WorkloadRequest, A = WorkloadResponse> {
  /** Values for `operation` are drawn by the run in proportion to the offered load. */
  next(operation: string, random: Random): Q;
  /** `response` is null when none came (refused, reset, time-out). */
  judge(request: Q, response: A | null): Judgement;
}

export interface Workload<Q extends Operation = WorkloadRequest, A = WorkloadResponse> {
  create(context: WorkloadContext): WorkloadRun<Q, A>;
  /** Requests that read back everything a run may have written, sent after recovery, given the keys of the history. */
  finalReads(context: WorkloadContext, keys: readonly string[]): readonly Q[];
  /** Requests sent one after another before warm-up (to fill a store so that reads hit). */
  prepare?(context: WorkloadContext): readonly Q[];
  /** The index among the part's targets of the server that has a key; absent: any, or as the servers themselves say. */
  place?(context: WorkloadContext): ((key: string) => number) | undefined;
}
