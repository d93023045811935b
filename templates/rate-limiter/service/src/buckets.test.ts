/** What a call says to the store, and whose answer is whose. What the store makes of it is in script.test.ts. */

import type { KvClient } from '@dsp/kit/kv';
import { describe, expect, it } from 'vitest';
import { type Charge, createBuckets } from './buckets.ts';
import { compileRate } from './gcra.ts';
import type { Policy } from './policies.ts';

function policyOf(name: string, limit: number): Policy {
  const quota = { limit, periodMs: 1000, burst: limit };
  return { name, ...quota, onStoreFailure: 'closed', shadow: false, allowedError: 0, rate: compileRate(quota) };
}

const ofRate = ({ rate }: Policy) => [rate.ticksPerUs, rate.unitTicks, rate.capacityTicks];
const charge = (policy: Policy, key: string, cost = 1): Charge => ({ policy, field: `${policy.name}:${key}`, cost });

/** The arguments of one call that is answered with these numbers, and what became of its charges. */
async function call(charges: readonly Charge[], numbers: readonly number[]) {
  const sent: (readonly (string | number)[])[] = [];
  const run: KvClient['run'] = async (_script, _key, args) => {
    sent.push(args);
    return [1, 0, ...numbers];
  };
  const buckets = createBuckets({ kv: { run } as KvClient, count: 4, wait: { waitReplicas: 0, waitTimeoutMs: 0 } });
  const { rulings } = await buckets.check(0, charges, false);
  return { args: sent[0], rulings };
}

describe('a call of the store', () => {
  const [ten, five] = [policyOf('ten', 10), policyOf('five', 5)];

  it('groups keys by rate, names a key once, and gives each charge its own answer', async () => {
    const charges = [charge(ten, 'a'), charge(five, 'b'), charge(ten, 'c', 3), charge(ten, 'a'), charge(ten, 'd')];
    const { args, rulings } = await call(charges, [1, 2, 3, -4, -5]);
    const special = [2, 1, 2, 1, 1, 2, 1, 3];
    expect(args).toEqual([
      4,
      0,
      2,
      ...ofRate(ten),
      3,
      ...ofRate(five),
      1,
      ...special,
      'ten:a',
      'ten:c',
      'ten:d',
      'five:b',
    ]);
    expect(rulings.map(({ allowed, debtTicks }) => [allowed, debtTicks])).toEqual([
      [true, 1],
      [false, 4],
      [true, 3],
      [true, 2],
      [false, 3],
    ]);
  });

  it('goes by the latest policy where one was replaced meanwhile', async () => {
    const raised = policyOf('ten', 20);
    const { args, rulings } = await call([charge(ten, 'a'), charge(raised, 'a')], [1, 2]);
    expect(args).toEqual([4, 0, 1, ...ofRate(raised), 1, 1, 1, 2, 1, 1, 'ten:a']);
    expect(rulings.map(({ rate }) => rate)).toEqual([raised.rate, raised.rate]);
  });

  it('takes no answer of another length', async () => {
    await expect(call([charge(ten, 'a')], [1, 2])).rejects.toThrow('something else');
    await expect(call([charge(ten, 'a')], [])).rejects.toThrow('something else');
  });
});
