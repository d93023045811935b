/** What a bench is given. */

import type { Deployment, FaultAccess, Hold } from '../deploy/deployment.ts';
import type { KeySkew } from '../key-skew.ts';
import type { Pattern } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import type { Arrivals } from './pacer.ts';
import type { RateShape } from './rate-shape.ts';

export interface BenchSettings {
  readonly warmupMs: number;
  readonly steadyMs: number;
  readonly seed: number;
  readonly arrivals: Arrivals;
  /** Absent: the rate stays. */
  readonly shape?: RateShape;
  /** Null or absent: as the patterns' users choose. */
  readonly skew?: KeySkew | null;
  /** A phase each, `kill:<part>.<role>`; null: those of the requirements, else a kill and a pause of the first role on offer. */
  readonly faults: readonly string[] | null;
  /** Below scale 1, a run without violation is good enough. */
  readonly smoke: boolean;
  /** Generator threads; null: by the rate and the machine. */
  readonly workers: number | null;
  /** Multiplies the planned rates. */
  readonly rateFactor: number;
  /** The command that repeats the run. */
  readonly replay: string;
}

export interface BenchInput {
  readonly plan: Plan;
  readonly deployment: Deployment;
  readonly access: FaultAccess;
  /** Deploys another size of a part and, on lifting, the one before; absent where that cannot be done. */
  readonly rescale?: (part: string, what: string, by: number) => Promise<Hold>;
  readonly patternOf: (id: string) => Pattern;
  readonly settings: BenchSettings;
  readonly dspVersion: string;
}
