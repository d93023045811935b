/** The end of a run: what its history says of the invariants and of the shards. */

import { checkSafely } from '../checkers/result.ts';
import { reportShards, type ShardsInput } from './hot-shards.ts';
import type { LoadResult } from './load.ts';
import type { Report } from './report.ts';
import type { JudgedLine } from './results/results.ts';
import type { BenchedPart } from './system.ts';

export interface Concluded extends Omit<ShardsInput, 'result'> {
  readonly result: ShardsInput['result'] & Pick<LoadResult, 'faults' | 'clockSteps'>;
}

export async function conclude(input: Concluded): Promise<JudgedLine> {
  const invariants = await Promise.all(input.parts.map((part) => invariantsOf(input, part)));
  const shards = reportShards(input);
  return { kind: 'judged', invariants: invariants.flat(), ...(shards.length === 0 ? {} : { shards }) };
}

/** A part that only other parts call has no history of its own: what its probe can't say is said of its callers. */
async function invariantsOf(input: Concluded, benched: BenchedPart): Promise<Report['invariants']> {
  const { plan, loaded, result } = input;
  const { part, invariants, instances } = benched;
  const index = loaded.indexOf(benched);
  const probe = (await invariants.probe?.(instances).catch(() => null)) ?? null;
  const found = checkSafely(invariants, {
    part: part.name,
    sizing: part.localSizing,
    options: part.options,
    requirements: plan.requirements,
    history: index < 0 ? [] : result.history.of(index, part.name),
    faults: result.faults,
    clockSteps: result.clockSteps,
    probe,
  });
  return found
    .filter(({ verdict }) => index >= 0 || verdict !== 'unexercised')
    .map((invariant) => ({ ...invariant, part: part.name }));
}
