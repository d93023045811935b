/** Instances that lease: on a real store they pass the limit by no more than they may hold, a mutant does, and it is seen. */

import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  bundleLimiter,
  excesses,
  hammer,
  hasRedis,
  httpChecker,
  type LimiterService,
  Scope,
  startLimiter,
  startRedis,
} from './limiter-harness.ts';

/** Two instances and one more while they are replaced: a chunk of 10 each. */
const policies = 'policies: [{ name: default, limit: 300, periodMs: 1000, burst: 60, allowedError: 30 }]';
const ratePerMs = 0.3;
const burst = 60;
const leased = 2 * 10;
const keys = ['ada', 'grace'];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasRedis)('two instances that lease (skipped without redis-server on PATH)', () => {
  let scope: Scope;
  afterEach(() => scope.end());

  const start = async (mutate: (bundle: string) => string = (bundle) => bundle): Promise<LimiterService[]> => {
    scope = new Scope();
    const redis = await startRedis(scope);
    const bundle = await bundleLimiter(scope);
    await writeFile(bundle, mutate(await readFile(bundle, 'utf8')));
    const env = { KV_MODE: 'ring', KV_NODES: `127.0.0.1:${redis.port}`, KV_NAMES: 'limiter-store-0', INSTANCES: '2' };
    return [await startLimiter(scope, bundle, policies, env), await startLimiter(scope, bundle, policies, env)];
  };
  const unitsLeased = async ({ url }: LimiterService) => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return Number(/^limiter_leased_units_total\{[^}]*\} (\d+)$/m.exec(metrics)?.[1]);
  };
  /** Callers that come, pause until their bucket is full again, and come back for all there is. */
  const hammerThreeTimes = async (services: readonly LimiterService[]) => {
    const checkers = services.map(({ url }) => httpChecker(scope, url));
    const seen = [];
    for (let round = 0; round < 3; round++) {
      const load = hammer(checkers, keys, 20);
      await sleep(1000);
      await load.stop();
      seen.push(...load.seen);
      await sleep(400);
    }
    return seen;
  };

  it('pass the limit by no more than they may hold, through the death of one', async () => {
    const services = await start();
    const before = await hammerThreeTimes(services);
    expect(Math.min(...(await Promise.all(services.map(unitsLeased))))).toBeGreaterThan(0);
    services[0]?.child.kill('SIGKILL');
    const after = await hammerThreeTimes(services.slice(1));
    const seen = [...before, ...after];
    expect(excesses(seen, ratePerMs, burst + leased)).toEqual([]);
    for (const key of keys) {
      const admitted = after.filter((entry) => entry.key === key && entry.allowed);
      expect(admitted.reduce((sum, { cost }) => sum + cost, 0)).toBeGreaterThan(burst);
      expect(seen.some((entry) => entry.key === key && !entry.allowed)).toBe(true);
    }
  });

  it('would be caught if the store did not count what it leases', async () => {
    const counts = 'debt, changed = debt + taken * T, true';
    const services = await start((bundle) => {
      expect(bundle).toContain(counts);
      return bundle.replace(counts, 'changed = true');
    });
    const seen = await hammerThreeTimes(services);
    expect(excesses(seen, ratePerMs, burst + leased).length).toBeGreaterThan(0);
  });
});
