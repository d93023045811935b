/** The recorded history that checkers read: what was sent, when, and what came back. Types only. */

/** `ok`: took effect; `fail`: certainly did not; `unknown`: may have (time-out, connection lost, 5xx to a write). */
export type Outcome = 'ok' | 'fail' | 'unknown';

export type Phase = 'prepare' | 'warmup' | 'steady' | 'fault' | 'recover' | 'final';

/** One operation as it happened. Times are ms of the clock that all workers share. */
export interface HistoryEntry {
  readonly part: string;
  readonly operation: string;
  readonly key: string;
  readonly value: number;
  /** When the request's bytes were handed to the socket; invariants count from here. */
  readonly sentMs: number;
  /** Null when no answer came. */
  readonly answeredMs: number | null;
  readonly outcome: Outcome;
  readonly result: number;
  readonly phase: Phase;
}
