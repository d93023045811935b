/** Another size of one part while a bench loads it, and the one before when it is over. */

import { catalogue } from '../../templates/index.ts';
import { systemClock } from '../clock.ts';
import type { Hold } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import type { Plan } from '../plan/plan.ts';
import { withLocalSizing } from '../plan/resize.ts';

/** What the bench calls for a `scale` fault: {@link BenchInput.rescale}. */
export function rescaler(project: string, plan: Plan): (part: string, what: string, by: number) => Promise<Hold> {
  const deploy = async (wanted: Plan) => {
    const startMs = systemClock.monotonicMs();
    // A change that was begun is brought to its end even when the bench is interrupted.
    const { signal } = new AbortController();
    const deployed = await deployLocal(project, wanted, { clock: systemClock, signal, report: () => {}, build: false });
    const tookMs = systemClock.monotonicMs() - startMs;
    return { deployed, words: `within ${tookMs.toFixed(0)} ms` };
  };
  return async (name, what, by) => {
    const part = plan.parts.find((one) => one.name === name);
    const pattern = catalogue.find(({ id }) => id === part?.pattern);
    const sizing = part === undefined ? null : (pattern?.scales?.[what]?.(part.localSizing as never, by) ?? null);
    if (sizing === null) {
      const witness = { hit: false, seen: `${name} cannot have other ${what}` };
      return { began: witness, lift: async () => witness };
    }
    const count = (of: Plan) => processesOf(of, name);
    const larger = withLocalSizing(plan, catalogue, name, sizing);
    const { deployed, words } = await deploy(larger);
    const now = deployed.instances.filter((instance) => instance.part === name).length;
    const seen = `${name} went from ${count(plan)} to ${now} processes ${words}`;
    return {
      began: { hit: now > count(plan), seen },
      async lift() {
        const back = await deploy(plan);
        const left = back.deployed.instances.filter((instance) => instance.part === name).length;
        return { hit: left === count(plan), seen: `back to ${left} ${back.words}` };
      },
    };
  };
}

function processesOf(plan: Plan, part: string): number {
  const sets = plan.local.topology.processSets.filter((set) => set.part === part);
  return sets.reduce((sum, { replicas }) => sum + replicas, 0);
}
