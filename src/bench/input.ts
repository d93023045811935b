/** What a bench is given. */

import type { Deployment, FaultAccess, Hold, Serving } from '../deploy/deployment.ts';
import type { KeySkew } from '../key-skew.ts';
import type { Json, Pattern } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import type { Arrivals } from './generator/pacer.ts';
import type { RateShape } from './generator/rate-shape.ts';

/** How load reaches the parts: at their exposed ports, or where they offer it, at their engines in that protocol. */
export type Via = 'http' | 'redis';

export interface BenchSettings {
  readonly warmupMs: number;
  readonly steadyMs: number;
  readonly seed: number;
  readonly arrivals: Arrivals;
  /** Absent: the rate stays. */
  readonly shape?: RateShape;
  /** Null or absent: as the patterns' users choose. */
  readonly skew?: KeySkew | null;
  /** Absent: at the exposed ports. */
  readonly via?: Via;
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

/**
 * `what` of the part grows by `by` (0: as its pattern thinks right), and on lifting becomes what it was. `serving` is told
 * of the instances that may be called whenever they change; what is to be stopped waits for it.
 */
export type Rescale = (part: string, what: string, by: number, serving: Serving) => Promise<Resized>;

export interface Resized extends Hold {
  /** The part's local sizing while it lasts. */
  readonly sizing?: Json;
}

export interface BenchInput {
  readonly plan: Plan;
  readonly deployment: Deployment;
  readonly access: FaultAccess;
  /** Deploys another size of a part and, on lifting, the one before; absent where that cannot be done. */
  readonly rescale?: Rescale;
  readonly patternOf: (id: string) => Pattern;
  readonly settings: BenchSettings;
  readonly dspVersion: string;
}
