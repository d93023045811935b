/** The Plan: what dsp concludes from requirements. Its file is plan.json: generated, committed, reviewed as a diff. */

import type {
  Binding,
  Decision,
  Demand,
  Downtime,
  Excuse,
  Guarantees,
  HotKey,
  Json,
  Machine,
  Prediction,
  ServiceTime,
  Topology,
} from '../pattern.ts';
import type { Requirements } from '../requirements/requirements.ts';

export interface Part {
  readonly name: string;
  /** Pattern id. */
  readonly pattern: string;
  /** The need that it follows from, or null when another part called for it. */
  readonly need: string | null;
  readonly sizing: Json;
  /** The sizing of the local target, at {@link Plan.local}'s scale. */
  readonly localSizing: Json;
  readonly options: Readonly<Record<string, Json>>;
  readonly demands: readonly Demand[];
  readonly machines: readonly { readonly machine: string; readonly count: number; readonly for: string }[];
  readonly usdPerMonth: number;
  readonly decisions: readonly Decision[];
  readonly predictions: readonly Prediction[];
  readonly rejected: readonly Excuse[];
  /** What its hottest key does, and what helps; absent: none is hot. */
  readonly hotKey?: HotKey;
  readonly guarantees: Readonly<Record<string, Guarantees>>;
  /** By capability: which part serves it. */
  readonly bindings: Readonly<Record<string, Binding>>;
  /** Operations per second that the bench offers at scale 1, by operation. */
  readonly offeredLoad: Readonly<Record<string, number>>;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly capability: string;
  readonly because: string;
}

export interface Plan {
  readonly schemaVersion: 1;
  /** Version of dsp that made it. */
  readonly dspVersion: string;
  readonly requirements: Requirements;
  /** SHA-256 (hex) of the requirements' canonical JSON: dsp.yaml and plan.json agree when equal. */
  readonly requirementsDigest: string;
  /** In order of dependency, providers first. */
  readonly parts: readonly Part[];
  readonly edges: readonly Edge[];
  readonly topology: Topology;
  readonly cost: {
    readonly usdPerMonth: number;
    readonly budgetUsdPerMonth: number;
    readonly machines: readonly { readonly machine: Machine; readonly count: number }[];
    readonly priceSource: string;
    readonly priceDate: string;
  };
  /** The prediction with the least margin. */
  readonly tightest: Prediction | null;
  readonly local: {
    /** 0 < scale ≤ 1; rates and percentiles are judged only at 1. */
    readonly scale: number;
    readonly because: string;
    readonly topology: Topology;
  };
  readonly decisions: readonly Decision[];
  /** Service times that replaced the patterns' priors, by name; absent: none were measured. */
  readonly measured?: Readonly<Record<string, ServiceTime>>;
  /** Times that something is away after a fault, which replaced the patterns' models, by fault; absent: none did. */
  readonly downtimes?: Readonly<Record<string, Downtime>>;
}

/** A requirement's key, and the value from which on it is met; of an interval, its high bound. */
export interface Relaxation {
  readonly key: string;
  readonly to: Json;
  readonly because: string;
}

/** No plan meets the requirements: what came nearest, and what to relax (exit 3). */
export interface NoPlan {
  readonly kind: 'no-plan';
  /** Nearest first. */
  readonly rejected: readonly [Excuse, ...Excuse[]];
  /** Each was planned with: the change, or all of them together, gives a plan. */
  readonly relax: readonly Relaxation[];
  /** Whether it takes all of {@link relax} at once; else any one is enough. */
  readonly together: boolean;
}
