/** A ring behind its ambassador, with real servers: what an application sees that knows nothing of a ring. */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Deployment } from '../../src/deploy/deployment.ts';
import { faultAccess } from '../../src/deploy/local/faults.ts';
import { eventually, onPath } from './kv-redis.ts';
import { deployPlan, discardProject, makeStoreProject, storePlan } from './store-fixture.ts';

describe.skipIf(!onPath('redis-server'))('a ring behind its ambassador (needs redis-server on PATH)', () => {
  const plan = storePlan(
    { ambassador: true, tls: true },
    {
      loss: { rpoMs: 3_600_000 },
      availability: { target: 0.99, recoveryMs: 15_000 },
    },
  );
  let root: string;
  let deployment: Deployment;
  let client: Redis;

  beforeAll(async () => {
    root = await makeStoreProject(plan);
    deployment = await deployPlan(root, plan);
    const port = deployment.instances.find(({ set }) => set === 'store-api-ambassador')?.ports.redis as number;
    // With everything that the driver says to a server by itself.
    client = new Redis({ host: '127.0.0.1', port, protocol: 2, lazyConnect: true });
    await client.connect();
  });
  afterAll(async () => {
    client?.disconnect();
    await discardProject(root);
  });

  it('is one server to an ordinary client', async () => {
    expect(await client.set('app:a', 'é\r\n', 'PX', 60_000)).toBe('OK');
    const pipeline = client.pipeline();
    for (let index = 0; index < 200; index++) pipeline.set(`app:${index}`, `${index}`);
    for (let index = 0; index < 200; index++) pipeline.get(`app:${index}`);
    const answers = ((await pipeline.exec()) ?? []).slice(200).map(([, value]) => value);
    expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => `${index}`));
    expect(await client.get('app:a')).toBe('é\r\n');
    expect(await client.mget('app:1', 'app:none', 'app:2')).toEqual(['1', null, '2']);
    expect(await client.hset('app:h', 'field', 1)).toBe(1);
    expect(await client.hgetall('app:h')).toEqual({ field: '1' });
    await expect(client.incr('app:h')).rejects.toThrow('WRONGTYPE');
    expect(await client.del('app:a', 'app:h', 'app:none')).toBe(2);
    await expect(client.flushall()).rejects.toThrow("'flushall' is not for a ring");
  });

  it('carries the service, and only the keys of a lost server are away', async () => {
    // twemproxy's hash keeps keys together that differ in their last letters only.
    const items = Array.from({ length: 40 }, (_, index) => `${deployment.endpoints.store}/v1/items/${index}-of-many`);
    for (const item of items) expect((await fetch(item, { method: 'PUT', body: item })).status).toBe(204);
    const faults = faultAccess(root, systemClock);
    expect((await faults.kill('store-redis-0')).hit).toBe(true);
    const statuses = await Promise.all(items.map(async (item) => (await fetch(item)).status));
    expect(statuses).toContain(200);
    expect(statuses.filter((status) => status !== 200).length).toBeGreaterThan(0);
    expect((await faults.restart('store-redis-0')).hit).toBe(true);
    await eventually(async () => {
      const again = await Promise.all(
        items.map(async (item) => (await fetch(item, { method: 'PUT', body: '1' })).status),
      );
      return again.every((status) => status === 204);
    });
  });
});
