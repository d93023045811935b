/** Another size of one part while a bench loads it, and the one before when it is over. */

import { catalogue } from '../../templates/index.ts';
import type { Rescale } from '../bench/input.ts';
import { systemClock } from '../clock.ts';
import { missed, type Serving, type Witness } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import type { Json } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import { withLocalSizing } from '../plan/resize.ts';

/** What the bench calls for a `scale` fault. */
export function rescaler(project: string, plan: Plan): Rescale {
  return async (part, what, by, serving) => {
    const sizing = otherSizing(plan, part, what, by);
    if (sizing === null) return missed(`${part} cannot have other ${what}`);
    const deploy = (wanted: Plan) => deployed(project, wanted, part, serving);
    const before = processesOf(plan, part);
    const began = await outcome(async () => {
      const { count, words } = await deploy(withLocalSizing(plan, catalogue, part, sizing));
      return { hit: count > before, seen: `${part} went from ${before} to ${count} processes ${words}` };
    });
    return {
      began,
      sizing,
      async lift() {
        const { count, words } = await deploy(plan);
        return { hit: began.hit && count === before, seen: `back to ${count} ${words}` };
      },
    };
  };
}

/** The part's local sizing with so many more of `what`; null when its pattern knows no such thing. */
export function otherSizing(plan: Plan, name: string, what: string, by: number): Json {
  const part = plan.parts.find((one) => one.name === name);
  const pattern = catalogue.find(({ id }) => id === part?.pattern);
  return part === undefined ? null : (pattern?.scales?.[what]?.(part.localSizing as never, by) ?? null);
}

async function deployed(
  project: string,
  plan: Plan,
  part: string,
  serving: Serving,
): Promise<{ count: number; words: string }> {
  const clock = systemClock;
  const startMs = clock.monotonicMs();
  // A change that was begun is brought to its end even when the bench is interrupted.
  const { signal } = new AbortController();
  const { instances } = await deployLocal(project, plan, { clock, signal, report: () => {}, build: false, serving });
  const words = `within ${(clock.monotonicMs() - startMs).toFixed(0)} ms`;
  return { count: instances.filter((instance) => instance.part === part).length, words };
}

/** A change that came half of its way is taken back like any other. */
async function outcome(change: () => Promise<Witness>): Promise<Witness> {
  try {
    return await change();
  } catch (error) {
    return { hit: false, seen: error instanceof Error ? error.message : String(error) };
  }
}

function processesOf(plan: Plan, part: string): number {
  const sets = plan.local.topology.processSets.filter((set) => set.part === part);
  return sets.reduce((sum, { replicas }) => sum + replicas, 0);
}
