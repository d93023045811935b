/** One request on its way through a generator thread, and how it ended. */

import type { Outcome, Phase } from '../../checkers/history.ts';
import type { Ended } from './recorder.ts';
import type { Operation, WorkloadRequest, WorkloadRun } from './workload.ts';

/** Of what takes load in this thread: a part, or the control. */
export interface Source {
  readonly index: number;
  readonly run: WorkloadRun<Operation, unknown>;
  /** False for the control. */
  readonly inHistory: boolean;
}

/** Times are ms of the shared clock. One object carries a request from its arrival into the record of its end. */
export class Exchange<Q extends Operation = WorkloadRequest> implements Ended {
  readonly source: Source;
  readonly request: Q;
  readonly phase: Phase;
  readonly intendedMs: number;
  readonly takenMs: number;
  /** Told in the end whether the answer was correct; null where nobody waits. */
  readonly whenEnded: ((correct: boolean) => void) | null;
  /** When its bytes were handed to a socket; null until then. */
  sentMs: number | null = null;
  endedMs = 0;
  answered = false;
  status: string | null = null;
  correct = false;
  outcome: Outcome = 'fail';
  result = 0;

  constructor(
    source: Source,
    request: Q,
    phase: Phase,
    intendedMs: number,
    takenMs: number,
    whenEnded: ((correct: boolean) => void) | null,
  ) {
    this.source = source;
    this.request = request;
    this.phase = phase;
    this.intendedMs = intendedMs;
    this.takenMs = takenMs;
    this.whenEnded = whenEnded;
  }

  get part(): number {
    return this.source.index;
  }

  get operation(): string {
    return this.request.operation;
  }

  get key(): string {
    return this.request.key;
  }

  get value(): number {
    return this.request.value;
  }

  get inHistory(): boolean {
    return this.source.inHistory;
  }
}
