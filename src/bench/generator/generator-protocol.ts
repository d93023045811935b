/** What the bench and its generator threads tell each other. Types and the order of phases only. */

import type { Phase } from '../../checkers/history.ts';
import type { Via } from '../input.ts';
import type { HdrData } from './hdr.ts';
import type { Arrivals } from './pacer.ts';
import type { RateShape } from './rate-shape.ts';
import type { Target, TransportAccess } from './target.ts';
import type { WorkloadContext } from './workload.ts';

/** Phases travel as their index. */
export const phases: readonly Phase[] = ['prepare', 'warmup', 'steady', 'fault', 'recover', 'final'];
export const outcomes = ['ok', 'fail', 'unknown'] as const;

export interface GeneratorPart {
  readonly name: string;
  /** `file:` URL of the module that default-exports the Workload. */
  readonly workloadUrl: string;
  readonly targets: readonly Target[];
  /** Absent: HTTP. */
  readonly via?: Via;
  /** Secrets: in the memory of the threads alone. */
  readonly access?: TransportAccess;
  /** Without what differs between workers. */
  readonly context: Omit<WorkloadContext, 'workerIndex' | 'workerCount'>;
  /** The control runs in these phases only and leaves no history; absent: in all. */
  readonly controlIn?: readonly Phase[];
  /** Neither fills the part nor reads it back: for a short window after a run that filled it, with the same seed. */
  readonly loadOnly?: true;
}

export interface GeneratorConfig {
  readonly parts: readonly GeneratorPart[];
  readonly arrivals: Arrivals;
  readonly shape: RateShape;
  /** How long the shape's first factor holds before the shape begins: the warm-up. */
  readonly leadMs: number;
  readonly seed: number;
  readonly workerIndex: number;
  readonly workerCount: number;
  /** For an answer, and for a free connection before that. */
  readonly timeoutMs: number;
  /** Per part and worker. */
  readonly maxConnections: number;
}

/** Times are ms of the shared clock: {@link monotonicOriginMs} + monotonic. */
export type ToGenerator =
  | { readonly kind: 'prepare' }
  | { readonly kind: 'begin'; readonly startMs: number; readonly phase: Phase }
  | { readonly kind: 'phase'; readonly phase: Phase; readonly atMs: number }
  /** Other instances of parts, by the part's index, from now on. */
  | {
      readonly kind: 'retarget';
      readonly parts: readonly { readonly part: number; readonly targets: readonly Target[] }[];
    }
  /** No arrival from then on; then drain, read back, and report. */
  | { readonly kind: 'finish'; readonly atMs: number };

export type FromGenerator =
  /** `thread` as in {@link threadCpuMs}. */
  | { readonly kind: 'ready'; readonly thread: number | null }
  /** Those that left owe no answer any more, or did not give it in time. */
  | { readonly kind: 'retargeted' }
  | { readonly kind: 'prepared'; readonly failed: number; readonly lastFailure: string }
  | {
      readonly kind: 'progress';
      readonly history: readonly HistoryBatch[];
      /** What came since the last message. */
      readonly cells: readonly CellData[];
      /** Intended times of requests that failed or were dropped: of many within a hundredth of a second, the latest. */
      readonly failuresMs: readonly number[];
    }
  | { readonly kind: 'finished' };

/** Rows of a history as columns; `newKeys` extends the worker's table of keys and operations. */
export interface HistoryBatch extends HistoryColumns {
  readonly part: number;
  readonly newKeys: readonly string[];
  readonly rows: number;
}

export interface HistoryColumns {
  readonly keys: Uint32Array<ArrayBuffer>;
  readonly operations: Uint32Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  readonly results: Float64Array<ArrayBuffer>;
  readonly sentMs: Float64Array<ArrayBuffer>;
  /** NaN when no answer came. */
  readonly answeredMs: Float64Array<ArrayBuffer>;
  readonly outcomes: Uint8Array<ArrayBuffer>;
  readonly phases: Uint8Array<ArrayBuffer>;
}

export interface Counts {
  /** Arrivals: sent and dropped. */
  offered: number;
  sent: number;
  correct: number;
  failed: number;
  late: number;
  /** Of the late ones: those that the generator itself took up too late. */
  behind: number;
  dropped: number;
}

/** Arrivals of one operation of one part that were meant for one second and one phase. */
export interface CellData extends Readonly<Counts> {
  readonly part: number;
  readonly operation: string;
  readonly phase: Phase;
  /** From the beginning of the load; −1: before it. */
  readonly second: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly latency: HdrData;
  /** How late the generator turned to an arrival, whatever the system did. */
  readonly lag: HdrData;
}
