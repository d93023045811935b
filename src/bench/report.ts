/** The Report: what was measured, the checks, the verdict, the seed. */

import type { Phase } from '../checkers/history.ts';
import type { FaultWindow, InvariantResult } from '../checkers/invariant.ts';
import type { CapacityReport } from './find-capacity.ts';

/** Exit codes: pass 0, fail 99, inconclusive and invalid 98. */
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'invalid';

export interface Percentiles {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** One part's figures over one phase. */
export interface LoadFigures {
  readonly part: string;
  readonly phase: Phase;
  readonly durationMs: number;
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly sent: number;
  readonly correct: number;
  /** Answered wrongly, refused, reset or timed out. */
  readonly failed: number;
  /** Sent later than 1 ms after the intended time. */
  readonly late: number;
  /** Taken up by the generator itself later than 10 ms after the intended time. */
  readonly behind: number;
  /** 99 of 100 arrivals were taken up by the generator within this time after the intended one. */
  readonly lagP99Ms: number;
  /** Never sent: no connection was free within the time-out. */
  readonly dropped: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** From the intended send time. */
  readonly latency: Percentiles;
}

export interface CheckResult {
  /** As in the threshold, e.g. `http_req_duration{part:limiter}: p(99)<50`. */
  readonly name: string;
  /** The dsp.yaml key it follows from, or `slo`. */
  readonly from: string;
  readonly verdict: Verdict;
  readonly measured: number | null;
  readonly bound: number;
  readonly unit: string;
  readonly note: string;
}

export interface FaultRecord extends FaultWindow {
  /** As the user would write it. */
  readonly fault: string;
  readonly witness: string;
  /** From the fault to the first moment after which no request fails; null when not seen. */
  readonly recoveredMs: number | null;
}

export interface Report {
  readonly schemaVersion: 1;
  readonly dspVersion: string;
  readonly name: string;
  readonly target: 'local' | 'kubernetes';
  readonly scale: number;
  readonly seed: number;
  /** The command that repeats the run. */
  readonly replay: string;
  /** ISO 8601; second 0 of the series. Fault windows are ms since 1970 too. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly verdict: Verdict;
  /** Why the verdict is what it is, worst first. */
  readonly reasons: readonly string[];
  readonly checks: readonly CheckResult[];
  readonly invariants: readonly (InvariantResult & { readonly part: string })[];
  readonly faults: readonly FaultRecord[];
  readonly figures: readonly LoadFigures[];
  /** Of a search for the machine's capacity. */
  readonly capacity?: CapacityReport;
  /** Per part, per second of the run: for the charts. */
  readonly series: readonly {
    readonly part: string;
    readonly second: readonly number[];
    readonly sent: readonly number[];
    readonly failed: readonly number[];
    readonly p50Ms: readonly (number | null)[];
    readonly p99Ms: readonly (number | null)[];
  }[];
  /** Percentile curve of the steady phase per part: [quantile, ms]. */
  readonly curves: readonly { readonly part: string; readonly points: readonly (readonly [number, number])[] }[];
  readonly machine: {
    readonly cpus: number;
    readonly model: string;
    readonly memoryMiB: number;
    readonly node: string;
    /** Share of all CPUs that neither the system nor the bench used during the steady load; null when unknown. */
    readonly foreignCpuShare: number | null;
  };
}
