/** The service as a process: policies that change under it, a store that goes away and comes back, and its own end. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bundleLimiter,
  hasRedis,
  type LimiterService,
  type RedisProcess,
  Scope,
  startLimiter,
  startRedis,
  until,
} from './limiter-harness.ts';

const policies = `
policies:
  - { name: closed, limit: 5, periodMs: 3600000 }
  - { name: open, limit: 5, periodMs: 3600000, onStoreFailure: open }
  - { name: local, limit: 4, periodMs: 3600000, onStoreFailure: local }
`;

describe.skipIf(!hasRedis)('the limiter service (skipped without redis-server on PATH)', () => {
  let scope: Scope;
  let redis: RedisProcess;
  let service: LimiterService;
  beforeEach(async () => {
    scope = new Scope();
    redis = await startRedis(scope, '--appendonly', 'yes');
    service = await startLimiter(scope, await bundleLimiter(scope), policies, {
      KV_MODE: 'ring',
      KV_NODES: `127.0.0.1:${redis.port}`,
      KV_NAMES: 'limiter-store-0',
      INSTANCES: '2',
      POLICIES_POLL_MS: '50',
    });
  });
  afterEach(() => scope.end());

  const check = async (policy: string, cost = 1, key = 'k') => {
    const response = await fetch(`${service.url}/v1/check`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ policy, key, cost }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const metric = async (name: string) => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    return Number(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  it('takes new policies without a restart, and keeps the old ones when the new are wrong', async () => {
    expect((await check('closed', 6)).status).toBe(400);
    await writeFile(service.policiesFile, 'policies: [{ name: closed, limit: 6, periodMs: 3600000 }]');
    await until(async () => (await check('open')).status === 404, 'the new policies hold');
    expect((await check('closed', 6)).body).toMatchObject({ allowed: true, limit: 6 });
    await writeFile(service.policiesFile, 'policies: nonsense');
    await until(async () => (await metric('limiter_policies_current')) === 0, 'the bad file is reported');
    expect((await check('closed')).status).toBe(429);
    expect(await metric('limiter_policies')).toBe(1);
  });

  it('answers by onStoreFailure while the store is away, and exactly when it is back, then empty', async () => {
    expect((await check('closed')).status).toBe(200);
    redis.child.kill('SIGKILL');
    await once(redis.child, 'exit');
    await until(async () => (await check('closed')).body.reason === 'store', 'the store is missed');
    expect((await check('open', 5)).body).toMatchObject({ allowed: true, reason: 'store' });
    expect((await check('open', 5)).body).toMatchObject({ allowed: true, reason: 'store' });
    expect((await check('local', 2)).body).toMatchObject({ allowed: true, reason: 'store' });
    expect((await check('local', 1)).body).toMatchObject({ allowed: false, reason: 'store' });
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    await redis.restart();
    await until(async () => (await check('closed')).body.reason === undefined, 'the store decides again');
    const after = await check('closed', 1, 'never seen before');
    expect(after).toMatchObject({ status: 429, body: { allowed: false, remaining: 0 } });
    expect(after.body).not.toHaveProperty('reason');
  });

  it('ends well when it is told to', async () => {
    await check('closed');
    service.child.kill('SIGTERM');
    const [code, signal] = await once(service.child, 'exit');
    expect([code, signal]).toEqual([0, null]);
  });
});
