/** Another number of a service's pods while a bench in the cluster loads them. */

import { isDeepStrictEqual } from 'node:util';
import { catalogue } from '../../templates/index.ts';
import type { Rescale } from '../bench/input.ts';
import { type Hold, missed } from '../deploy/deployment.ts';
import type { SetSize } from '../deploy/kubernetes/rollout.ts';
import type { Json, Topology } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import { withLocalSizing } from '../plan/resize.ts';
import { type FaultSpec, readFaults } from '../requirements/faults.ts';
import { otherSizing } from './rescale.ts';

/**
 * Only services are scaled: what takes the project's program too, as shards that are to be moved, is not done beside it.
 * The service in front of the pods shares out the load: nobody is told of instances.
 */
export function podRescaler(plan: Plan, scale: (sets: readonly SetSize[]) => Promise<Hold>): Rescale {
  return async (part, what, by) => {
    const found = resized(plan, part, what, by);
    return found === null
      ? missed(`${what} of ${part} cannot be scaled beside the project's program`)
      : { ...(await scale(found.sets)), sizing: found.sizing };
  };
}

/** Those of the phases that ask for another size which only the project's program can bring about, as they were written. */
export function outOfScale(plan: Plan, phases: readonly string[]): readonly string[] {
  const specs = phases.map(readFaults).flatMap((found): readonly FaultSpec[] => ('problem' in found ? [] : found));
  const scales = specs.filter(({ kind }) => kind === 'scale');
  return scales.filter(({ part, role, by }) => resized(plan, part, role, by) === null).map(({ text }) => text);
}

function resized(
  plan: Plan,
  part: string,
  what: string,
  by: number,
): { readonly sizing: Json; readonly sets: readonly SetSize[] } | null {
  const sizing = otherSizing(plan, part, what, by);
  if (sizing === null) return null;
  const larger = withLocalSizing(plan, catalogue, part, sizing);
  const sets = sizesOf(plan.local.topology, larger.local.topology);
  return sets === null ? null : { sizing, sets };
}

/** What of `larger` is another number of a service's processes, and what they are told of it; null when more differs. */
function sizesOf(before: Topology, larger: Topology): readonly SetSize[] | null {
  const sizes: SetSize[] = [];
  for (const set of larger.processSets) {
    const old = before.processSets.find(({ id }) => id === set.id);
    if (old === undefined) return null;
    const told = Object.entries(set.env).filter(([name, value]) => !isDeepStrictEqual(old.env[name], value));
    const same = { ...set, replicas: old.replicas, env: { ...set.env, ...old.env } };
    if (!isDeepStrictEqual(same, old) || told.some(([, value]) => typeof value !== 'string')) return null;
    if (set.replicas === old.replicas && told.length === 0) continue;
    if (set.program.kind === 'engine') return null;
    sizes.push({ set: set.id, replicas: set.replicas, env: Object.fromEntries(told) as Record<string, string> });
  }
  return isDeepStrictEqual(before.jobs, larger.jobs) ? sizes : null;
}
