/** What every run of load begins with, whether it judges the planned rates or searches for others. */

import { availableParallelism } from 'node:os';
import { DspError } from '../errors.ts';
import type { KeySkew } from '../key-skew.ts';
import type { Requirements } from '../requirements/requirements.ts';
import { type GeneratorPart, phases } from './generator/generator-protocol.ts';
import type { BenchInput, Via } from './input.ts';
import { type BenchedPart, benchedParts, loadedParts } from './system.ts';
import { parseThresholds, type Threshold } from './verdict/thresholds.ts';

/** Per part and worker. */
export const maxConnections = 512;

export interface Loading {
  readonly parts: readonly BenchedPart[];
  /** Those that take load; never none. */
  readonly loaded: readonly BenchedPart[];
  readonly thresholds: readonly Threshold[];
}

/** Throws `bench.no-deployment`, `bench.threshold`, and `bench.load` when nothing can be reached that way. */
export async function readyLoading(
  { plan, deployment, patternOf }: Pick<BenchInput, 'plan' | 'deployment' | 'patternOf'>,
  rateFactor: number,
  via: Via = 'http',
): Promise<Loading> {
  const { name: project, slo } = plan.requirements;
  const parts = await benchedParts(plan, deployment, patternOf, rateFactor, via);
  const loaded = loadedParts(parts);
  if (loaded.length === 0) throw new DspError('bench.no-deployment', { project, missing: 'no part takes load' });
  if (loaded.every((part) => part.via !== via)) {
    throw new DspError('bench.load', { flag: 'via', problem: `no part of this plan takes load over ${via}` });
  }
  const operations = Object.fromEntries(loaded.map(({ part, offeredLoad }) => [part.name, Object.keys(offeredLoad)]));
  return { parts, loaded, thresholds: parseThresholds(slo, { operations, phases }) };
}

export interface PartLoad {
  readonly requirements: Requirements;
  readonly seed: number;
  /** Null or absent: as the pattern's users choose. */
  readonly skew?: KeySkew | null;
  /** Per second by operation. */
  readonly offeredLoad: Readonly<Record<string, number>>;
}

/** The part as the generator's threads are told of it. */
export function generatorPart({ part, workloadUrl, targets, via, access }: BenchedPart, load: PartLoad): GeneratorPart {
  const { name, localSizing, options } = part;
  const { requirements, seed, skew, offeredLoad } = load;
  const context = { part: name, sizing: localSizing, options, requirements, offeredLoad, seed, ...(skew && { skew }) };
  return { name, workloadUrl, targets: targets ?? [], via, ...(access && { access }), context };
}

/** For an answer. */
export function timeoutMsOf({ latency }: Requirements): number {
  return Math.min(5000, Math.max(2000, 10 * latency.p99Ms));
}

/** The generator's share of this machine, in threads: what it calls is on the same cores. */
export function mostWorkers(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
}
