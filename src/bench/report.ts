/** The Report: what was measured, the checks, the verdict, the seed. */

import type { Phase } from '../checkers/history.ts';
import type { ClockStep, FaultWindow, InvariantResult } from '../checkers/invariant.ts';
import type { HotKey } from '../pattern.ts';
import type { ShardLoads } from './verdict/shard-loads.ts';

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
  /** From the fault, or from its heal, to the last request that failed because of it (recovery.ts); null: still failing. */
  readonly recoveredMs: number | null;
}

/** Where a run ended that did not come to its end. */
export interface Cut {
  /** Null: before the load. */
  readonly phase: Phase | null;
  readonly afterMs: number;
}

/** How the load fell on the shards of a part; the hot key is there where one makes a shard hot. */
export type ShardReport = ShardLoads & { readonly hotKey: HotKey | null };

/** One window of a search for the machine's capacity. */
export interface CapacityStep {
  readonly factor: number;
  readonly why: string;
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly p99Ms: number | null;
  readonly failedShare: number;
  /** Shares of all cores. */
  readonly ownShare: number | null;
  readonly foreignShare: number | null;
  readonly outcome: 'pass' | 'fail' | 'inconclusive';
  /** What decided it. */
  readonly note: string;
}

export interface CapacityReport {
  readonly verdict: 'found' | 'none' | 'inconclusive';
  /** In words: what ended the search. */
  readonly because: string;
  /** The highest rate that met every objective; null: none did. */
  readonly foundPerSecond: number | null;
  /** The lowest rate above it that did not; null: all passed. */
  readonly failedFromPerSecond: number | null;
  readonly plannedPerSecond: number;
  /** For this machine when nothing else runs on it. */
  readonly predictedPerSecond: number;
  /** For what others left of it during the windows at the edge. */
  readonly predictedLeftPerSecond: number;
  /** found ÷ predicted for what was left; null without a found rate. */
  readonly ratio: number | null;
  readonly binding: string;
  readonly calibrated: boolean;
  /** Why measured times were not used, or which were. */
  readonly times: string;
  readonly cores: number;
  readonly steps: readonly CapacityStep[];
}

export interface Report {
  readonly schemaVersion: 1;
  readonly dspVersion: string;
  readonly name: string;
  readonly target: 'local' | 'kubernetes';
  readonly scale: number;
  /** Of the sizes that were deployed: what a downtime may depend on. */
  readonly sizesDigest?: string;
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
  /** Of the machine's wall clock during the run; absent: none was seen. */
  readonly clockSteps?: readonly ClockStep[];
  readonly figures: readonly LoadFigures[];
  /** Of a run that was cut; its invariants were not judged. */
  readonly cut?: Cut;
  /** Of each part that keeps keys on several shards; absent: none does, or nobody looked. */
  readonly shards?: readonly ShardReport[];
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
