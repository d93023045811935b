/** A real Redis Cluster as it must be, then damaged in each way that the probe looks for. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../src/deploy/deployment.ts';
import invariants from '../../templates/sharded-redis/invariants.ts';
import { probe } from '../../templates/sharded-redis/probe.ts';
import { requirementsOf } from '../unit/templates/requirements.ts';
import { type RedisServer, RedisServers, until } from './mutants-redis.ts';

const lastSlot = 16_383;
const firstOfSecond = 8192;

describe('a real Redis Cluster', () => {
  const servers = new RedisServers();
  let first: RedisServer;
  let second: RedisServer;
  let replica: RedisServer;
  let instances: readonly Instance[];

  const all = () => [first, second, replica];
  const agree = async (what: string, form: RegExp) => {
    const seen = async (server: RedisServer) => form.test(String(await server.client.cluster('INFO')));
    await until(what, async () => (await Promise.all(all().map(seen))).every(Boolean));
  };
  const idOf = async (server: RedisServer) => String(await server.client.cluster('MYID'));

  beforeAll(async () => {
    const options = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '2000',
      '--cluster-require-full-coverage',
      'no',
    ];
    [first, second, replica] = (await Promise.all([1, 2, 3].map(() => servers.start(...options)))) as [
      RedisServer,
      RedisServer,
      RedisServer,
    ];
    await first.client.cluster('ADDSLOTSRANGE', 0, firstOfSecond - 1);
    await second.client.cluster('ADDSLOTSRANGE', firstOfSecond, lastSlot);
    await second.client.call('CLUSTER', 'SET-CONFIG-EPOCH', '2');
    await first.client.cluster('MEET', '127.0.0.1', second.port);
    await first.client.cluster('MEET', '127.0.0.1', replica.port);
    await agree('three nodes and all slots', /cluster_slots_ok:16384[\s\S]*cluster_known_nodes:3/);
    await replica.client.cluster('REPLICATE', await idOf(first));
    await until('the replica', async () => String((await replica.client.role())[0]) === 'slave');
    await agree('the cluster to serve', /cluster_state:ok/);
    instances = all().map(({ port }, ordinal) => ({
      id: `store-redis-${ordinal}`,
      set: 'store-redis',
      part: 'store',
      ordinal,
      kind: 'engine',
      host: '127.0.0.1',
      ports: { redis: port },
      logPath: '',
    }));
  });
  afterAll(() => servers.close());

  async function look(looks: number): Promise<Record<string, { verdict: string; violations: string }>> {
    const seen = await probe(instances, looks);
    const input = {
      part: 'store',
      sizing: { mode: 'store', totalMiB: 64 },
      options: {},
      requirements: requirementsOf(),
      history: [],
    };
    const results = invariants.check({ ...input, faults: [], clockSteps: [], probe: seen });
    return Object.fromEntries(
      results.map(({ id, verdict, violations }) => [id, { verdict, violations: violations.join('\n') }]),
    );
  }
  const findRole = (role: string) => invariants.faultTargets.find((target) => target.role === role)?.find(instances);

  it('knows who is what', async () => {
    expect(await findRole('primary')).toEqual(['store-redis-0', 'store-redis-1']);
    expect(await findRole('replica')).toEqual(['store-redis-2']);
  });

  it('accepts what is in order, with keys in it', async () => {
    for (let i = 0; i < 200; i++) {
      const slot = Number(await first.client.cluster('KEYSLOT', `key-${i}`));
      await (slot < firstOfSecond ? first : second).client.set(`key-${i}`, 'x');
    }
    expect(await first.client.dbsize()).toBeGreaterThan(50);
    expect(await look(20)).toEqual({
      'slots-covered': { verdict: 'held', violations: '' },
      'one-owner': { verdict: 'held', violations: '' },
    });
  });

  it('sees a migration that was left open', async () => {
    await first.client.cluster('SETSLOT', 77, 'MIGRATING', await idOf(second));
    const found = await look(1);
    expect(found['one-owner']?.violations).toContain('store-redis-0 has slots that are still being moved: [77->-');
    await first.client.cluster('SETSLOT', 77, 'STABLE');
    expect((await look(20))['one-owner']?.verdict).toBe('held');
  });

  it('sees keys that were left behind when their slot went to another owner', async () => {
    const slot = Number(await first.client.cluster('KEYSLOT', '{a}'));
    const [holder, taker] = slot < firstOfSecond ? [first, second] : [second, first];
    for (const key of ['{a}1', '{a}2', '{a}3']) await holder.client.set(key, 'x');
    const left = await holder.client.cluster('COUNTKEYSINSLOT', slot);
    for (const server of all()) await server.client.cluster('DELSLOTS', slot);
    await taker.client.cluster('ADDSLOTS', slot);
    await agree('all slots', /cluster_slots_ok:16384/);
    const found = await look(1);
    expect(found['slots-covered']?.verdict).toBe('held');
    expect(left).toBeGreaterThanOrEqual(3);
    expect(found['one-owner']?.violations).toContain(` holds ${left} keys of slots that it does not own`);
  });

  it('sees a slot without an owner, and a server that is gone', async () => {
    for (const server of all()) await server.client.cluster('DELSLOTS', 5);
    const uncovered = await look(1);
    expect(uncovered['slots-covered']?.violations).toMatch(/slots 5 have/);
    await second.kill();
    const silent = await look(1);
    expect(silent['slots-covered']?.violations).toMatch(/store-redis-1 does not answer/);
  });
});
