/**
 * The results of a run as a stream of lines: first the run, then what was measured as it was measured, in the end what
 * the invariants said. A report follows from the lines alone, so that it can be drawn again without load, and a run that
 * was cut leaves what it had measured.
 */

import { type Fingerprint, fingerprint } from '../../capacity/measured.ts';
import type { Phase } from '../../checkers/history.ts';
import type { ClockStep } from '../../checkers/invariant.ts';
import { sha256, withSortedKeys } from '../../digest.ts';
import { formatPlan } from '../../plan/file.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Requirements } from '../../requirements/requirements.ts';
import type { CellData } from '../generator/generator-protocol.ts';
import type { BenchInput } from '../input.ts';
import type { CapacityReport, CapacityStep, FaultRecord, Report } from '../report.ts';
import type { BenchedPart } from '../system.ts';

/** What is known of a search for the machine's capacity before its first window. */
export type SearchHead = Pick<
  CapacityReport,
  'plannedPerSecond' | 'predictedPerSecond' | 'binding' | 'calibrated' | 'times' | 'cores'
>;

/** The first line. */
export interface RunHead {
  readonly kind: 'run';
  readonly schemaVersion: 1;
  readonly dspVersion: string;
  readonly target: Report['target'];
  readonly scale: number;
  readonly seed: number;
  readonly replay: string;
  /** Below scale 1, a run without violation is good enough. */
  readonly smoke: boolean;
  /** Ms since 1970. */
  readonly startMs: number;
  /** Of the plan that was deployed. */
  readonly planDigest: string;
  /** Of everything that a downtime may depend on. */
  readonly sizesDigest: string;
  readonly requirements: Requirements;
  /** Those that take load, with what is meant to be offered to them per second, by operation. */
  readonly parts: readonly { readonly name: string; readonly offeredLoad: Readonly<Record<string, number>> }[];
  readonly machine: Fingerprint;
  readonly search?: SearchHead;
}

/** What one operation of one part came to in one second of one phase, or in a piece of it: such lines add up. */
export interface CellLine extends Omit<CellData, 'part'> {
  readonly kind: 'cell';
  readonly part: string;
}

export type LoadLine =
  /** The phase began; `fault` is the name of what is injected. */
  | { readonly kind: 'phase'; readonly phase: Phase; readonly atMs: number; readonly fault?: string }
  /** What ended until then has been written, or follows at once. */
  | { readonly kind: 'seen'; readonly atMs: number }
  | CellLine
  | { readonly kind: 'fault'; readonly fault: FaultRecord }
  /** Share of the machine's CPU that others used during the steady load. */
  | { readonly kind: 'others'; readonly cpuShare: number | null }
  /** The machine's wall clock jumped. */
  | ({ readonly kind: 'clock' } & ClockStep)
  /** The load is over. `historyCut`: operations that found no room in the history. */
  | { readonly kind: 'ended'; readonly atMs: number; readonly historyCut: number };

export type ResultLine =
  | RunHead
  /** One window of a search. */
  | { readonly kind: 'step'; readonly step: CapacityStep }
  | { readonly kind: 'capacity'; readonly capacity: Omit<CapacityReport, 'steps'> }
  | LoadLine
  | JudgedLine;

/** The last line of a run that came to its end. */
export interface JudgedLine {
  readonly kind: 'judged';
  readonly invariants: Report['invariants'];
  readonly shards?: NonNullable<Report['shards']>;
}

export type ResultsSink = (line: ResultLine) => void;

/** Where a run's lines go while it runs: opened with the first, told of each that follows. */
export type OpenResults = (head: RunHead) => ResultsSink;

export function runHead(
  { plan, deployment, settings, dspVersion }: Pick<BenchInput, 'plan' | 'deployment' | 'settings' | 'dspVersion'>,
  loaded: readonly BenchedPart[],
  startMs: number,
): RunHead {
  return {
    kind: 'run',
    schemaVersion: 1,
    dspVersion,
    target: deployment.target,
    scale: deployment.scale,
    seed: settings.seed,
    replay: settings.replay,
    smoke: settings.smoke,
    startMs,
    planDigest: sha256(formatPlan(plan)),
    sizesDigest: sizesDigest(plan),
    requirements: plan.requirements,
    parts: loaded.map(({ part, offeredLoad }) => ({ name: part.name, offeredLoad })),
    machine: fingerprint(),
  };
}

/** Of everything that a downtime may depend on. */
export function sizesDigest({ parts }: Pick<Plan, 'parts'>): string {
  return sha256(JSON.stringify(withSortedKeys(parts.map(({ name, localSizing }) => ({ name, localSizing })))));
}
