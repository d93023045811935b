/** The noun that starts everything: what the user needs. Its file is dsp.yaml. */

import type { Json } from '../../stacks/topology.ts';

/** A number that may be unsure: low ≤ mid ≤ high, all finite. A sure number has three equal bounds. */
export interface Interval {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** Weakest first: `eventual` reads may be older than any bound, `bounded` ones at most `stalenessMs`. */
export type ConsistencyLevel = 'eventual' | 'bounded' | 'linearizable';

/** How much work running the system may make. */
export type OperationsEffort = 'low' | 'medium' | 'high';

export interface Requirements {
  readonly schemaVersion: 1;
  /** [a-z][a-z0-9-]{0,39}; names the project, its processes and its stacks. */
  readonly name: string;
  /** What the system does, by the ids of the catalogue's needs (`limit-callers`, `keep-hot-data`). */
  readonly needs: readonly string[];
  readonly rate: {
    /** Average operations per second over the busiest day, whole system. */
    readonly readPerSecond: Interval;
    readonly writePerSecond: Interval;
    /** Peak rate ÷ average rate, ≥ 1. */
    readonly peakFactor: Interval;
    /** Exponent of Zipf's law by which keys are asked, 0: evenly; absent: the usual. */
    readonly keySkew?: Interval;
  };
  readonly data: {
    /** Of one value. */
    readonly payloadBytes: Interval;
    /** All data that is kept at once, values and keys, before replication. */
    readonly totalMiB: Interval;
  };
  /** At the 99th percentile, at peak, as the caller measures it. */
  readonly latency: { readonly p99Ms: number };
  readonly consistency: {
    readonly level: ConsistencyLevel;
    /** Delay allowed from an acknowledged write to every reader seeing it. */
    readonly stalenessMs: number;
  };
  readonly availability: {
    /** Fraction of requests answered correctly over a month, e.g. 0.999. */
    readonly target: number;
    /** After a single machine's loss, service is back within this. */
    readonly recoveryMs: number;
  };
  /** Acknowledged writes of at most the last `rpoMs` may be lost by a single fault; 0: none. */
  readonly loss: { readonly rpoMs: number };
  readonly cost: { readonly usdPerMonth: number };
  readonly operations: {
    readonly effort: OperationsEffort;
    /** How often one machine is lost, a year; absent: as the hardware has it. */
    readonly lossesPerYear?: Interval;
  };
  /** Answers that only one need asks for, by need and question key, e.g. `limit-callers.limit`. */
  readonly options: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  /** Further service-level objectives: metric selector → k6 threshold expressions. Judged beside those that follow from the above. */
  readonly slo: Readonly<Record<string, readonly string[]>>;
  /** On Kubernetes, by engine program or bundle: another image than the usual one (a mirror, a digest). */
  readonly images?: Readonly<Record<string, string>>;
  /** What a bench breaks unless it is told otherwise, as `--fault` takes it; absent: a kill and a pause. */
  readonly faults?: readonly string[];
}

/** A sure number as an interval. */
export function exactly(value: number): Interval {
  return { low: value, mid: value, high: value };
}
