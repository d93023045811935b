import { expect, it } from 'vitest';
import { outOfScale, podRescaler } from '../../../src/commands/rescale-pods.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { catalogue } from '../../../templates/index.ts';
import { requirements } from '../plan/requirements.ts';

function planned(): Plan {
  const plan = assemblePlan(requirements({ needs: ['keep-hot-data', 'limit-callers'] }), catalogue, { scale: 1 });
  if (isNoPlan(plan)) throw new Error('no plan');
  return plan;
}

it('in a cluster, services are scaled by their number, and what must move data is not', async () => {
  const plan = planned();
  const asked: unknown[] = [];
  const witness = { hit: true, seen: 'done' };
  const rescale = podRescaler(plan, async (sets) => {
    asked.push(sets);
    return { began: witness, lift: async () => witness };
  });
  const nobody = async () => undefined;
  const before = plan.local.topology.processSets.find(({ id }) => id === 'limiter-api')?.replicas ?? 0;
  expect((await rescale('limiter', 'instances', 0, nobody)).began).toEqual(witness);
  expect(asked).toEqual([[{ set: 'limiter-api', replicas: 2 * before, env: { INSTANCES: `${2 * before}` } }]]);
  const shards = await rescale('store', 'shards', 1, nobody);
  expect(shards.began).toEqual({ hit: false, seen: expect.stringContaining('the project') });
  expect((await rescale('store', 'colours', 1, nobody)).began.hit).toBe(false);
  expect((await rescale('nobody', 'instances', 1, nobody)).began.hit).toBe(false);
  expect(asked).toHaveLength(1);
  const phases = ['scale:limiter.instances', 'kill:store.primary+scale:store.shards', 'pause:store.primary'];
  expect(outOfScale(plan, phases)).toEqual(['scale:store.shards']);
});
