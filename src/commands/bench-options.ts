/** What the command line asks of a bench. */

import type { Arrivals } from '../bench/generator/pacer.ts';
import type { Via } from '../bench/input.ts';
import type { TargetName } from './target.ts';

export interface BenchOptions {
  readonly project: string;
  readonly durationMs?: number;
  readonly warmupMs?: number;
  readonly seed?: number;
  readonly arrivals: Arrivals;
  /** As `--shape` takes it; absent: steady. */
  readonly shape?: string;
  /** As `--skew` takes it. */
  readonly skew?: string;
  /** A phase each, as `--fault` takes it; absent: those of dsp.yaml, else a kill and a pause of what the other parts build on. */
  readonly faults?: readonly string[] | 'none';
  readonly smoke: boolean;
  readonly json: boolean;
  readonly workers?: number;
  /** Absent: http. */
  readonly via?: Via;
  /** Multiplies the planned rates. */
  readonly rate?: number;
  /** Search for the highest rate instead of judging the planned one. */
  readonly findCapacity?: boolean;
  /** Measure service times instead of judging. */
  readonly calibrate?: boolean;
  /** How many phases the seed draws from the faults. */
  readonly draw?: number;
  readonly target?: TargetName;
  /** `bench=<ref>`: the image that a bench in the cluster runs from; else one is built. */
  readonly image?: readonly string[];
  readonly registry?: string;
}
