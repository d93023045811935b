/** No window over-admits, whoever asks which instance: on a real store, and on a mutant that the checker must catch. */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bundleLimiter,
  type Checker,
  excesses,
  hammer,
  hasRedis,
  httpChecker,
  type RedisProcess,
  Scope,
  startLimiter,
  startRedis,
} from './limiter-harness.ts';

const policies = 'policies: [{ name: default, limit: 200, periodMs: 1000, burst: 20 }]';
const ratePerMs = 0.2;
const burst = 20;
const keys = ['ada', 'grace', 'barbara'];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasRedis)('two limiters on one store (skipped without redis-server on PATH)', () => {
  const scope = new Scope();
  let redis: RedisProcess;
  let checkers: Checker[];

  beforeAll(async () => {
    redis = await startRedis(scope);
    const bundle = await bundleLimiter(scope);
    const env = { KV_MODE: 'ring', KV_NODES: `127.0.0.1:${redis.port}`, KV_NAMES: 'limiter-store-0' };
    const services = [
      await startLimiter(scope, bundle, policies, env),
      await startLimiter(scope, bundle, policies, env),
    ];
    checkers = services.map(({ url }) => httpChecker(scope, url));
  });
  afterAll(() => scope.end());

  it('admit no more than one would', async () => {
    const load = hammer(checkers, keys, 50);
    await sleep(3000);
    await load.stop();
    expect(excesses(load.seen, ratePerMs, burst)).toEqual([]);
    for (const key of keys) {
      const ofKey = load.seen.filter((entry) => entry.key === key);
      const admitted = ofKey.reduce((sum, { allowed, cost }) => sum + (allowed ? cost : 0), 0);
      expect(admitted).toBeGreaterThan(burst);
      expect(ofKey.some(({ allowed }) => !allowed)).toBe(true);
    }
  });

  it('would be caught if they read and wrote in two steps', async () => {
    const client = new Redis(redis.port);
    const twoSteps: Checker = async (key, cost) => {
      const nowMs = performance.now();
      const tatMs = Math.max(Number((await client.get(`mutant:${key}`)) ?? 0), nowMs) + cost / ratePerMs;
      if (tatMs - nowMs > burst / ratePerMs) return false;
      await client.set(`mutant:${key}`, tatMs);
      return true;
    };
    const load = hammer([twoSteps], keys, 50);
    await sleep(300);
    await load.stop();
    client.disconnect();
    expect(excesses(load.seen, ratePerMs, burst).length).toBeGreaterThan(0);
  });
});
