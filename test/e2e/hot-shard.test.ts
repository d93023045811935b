/** A bench of real shards: their keys are where it says, one hot key is found, and an even load accuses nobody. */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchSettings } from '../../src/bench/input.ts';
import { sampleProcesses } from '../../src/bench/machine/process-cpu.ts';
import type { Deployment, FaultAccess } from '../../src/deploy/deployment.ts';
import { withAccess } from '../../src/deploy/local/secrets.ts';
import type { KeySkew } from '../../src/key-skew.ts';
import type { Pattern } from '../../src/pattern.ts';
import { catalogue } from '../../templates/index.ts';
import { shards } from '../../templates/sharded-redis/shards.ts';
import { compiled, deps } from '../fixtures/bench-servers.ts';
import { deployPlan, discardProject, makeStoreProject, storePlan } from './store-fixture.ts';

const { bench } = await compiled<typeof import('../../src/bench/bench.ts')>('src/bench/bench');
const patternOf = (id: string) => catalogue.find((pattern) => pattern.id === id) as Pattern;

const cache = { loss: { rpoMs: 1e9 }, availability: { target: 0.99, recoveryMs: 60_000 } };

describe.each([
  ['a cluster', {}],
  ['a ring', cache],
] as const)('the shards of %s', (_, changes) => {
  const plan = storePlan({}, changes);
  let root = '';
  let deployment: Deployment;

  beforeAll(async () => {
    root = await makeStoreProject(plan);
    deployment = withAccess(await deployPlan(root, plan));
  }, 180_000);

  afterAll(async () => {
    if (root !== '') await discardProject(root);
  }, 60_000);

  async function run(skew: KeySkew | null) {
    const settings: BenchSettings = {
      warmupMs: 500,
      steadyMs: 4000,
      seed: 5,
      arrivals: 'poisson',
      skew,
      faults: [],
      smoke: true,
      workers: 1,
      rateFactor: 1,
      replay: 'dsp bench --seed 5',
    };
    const access = {} as FaultAccess;
    const sampling = { ...deps(), sampleCpu: () => sampleProcesses(deployment.root) };
    const { report } = await bench({ plan, deployment, access, patternOf, settings, dspVersion: '0.1.0' }, sampling);
    const [found] = report.shards ?? [];
    if (found === undefined) throw new Error('the bench did not look at the shards');
    return found;
  }

  it('have a hot one where one key takes most, and the key is named with what helps', async () => {
    const found = await run({ kind: 'hot', share: 0.7, keys: 1 });
    expect(found).toMatchObject({ part: 'store', verdict: 'hot' });
    const [key] = found.hottestKeys;
    expect(key?.share).toBeGreaterThan(0.4);
    expect(found.shards.find(({ verdict }) => verdict === 'hot')?.instance).toBe(key?.shard);
    expect(found.hotKey?.remedies.map(({ name }) => name)).toContain('local cache');
  }, 120_000);

  it('accuse no key where all are asked for evenly', async () => {
    const found = await run({ kind: 'uniform' });
    // Keys that differ in their last digits alone lie side by side on a ring, and are not spread as a cluster's.
    if (plan.parts[0]?.guarantees.kv?.durability === 'disk') expect(found.verdict).not.toBe('hot');
    expect(found.hotKey).toBeNull();
    expect(found.requests).toBeGreaterThan(500);
  }, 120_000);

  it('hold the keys that they are said to hold', async () => {
    const { instances, ownerOf } = await shards(deployment.instances);
    expect(instances).toHaveLength(3);
    const counts = new Map<string, number>();
    for (let i = 0; i < 2000; i++) {
      const owner = ownerOf(`item:bench-${i}`) as string;
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    for (const instance of deployment.instances.filter(({ id }) => instances.includes(id))) {
      const { user: username, password } = instance.access ?? {};
      const redis = new Redis({
        host: instance.host,
        port: instance.ports.redis as number,
        username,
        password,
        enableReadyCheck: false,
      });
      expect(await redis.dbsize(), instance.id).toBe(counts.get(instance.id));
      redis.disconnect();
    }
  }, 60_000);
});
