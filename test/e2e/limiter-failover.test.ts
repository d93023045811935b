/** The exact mode through a failover: a real cluster whose primary is killed, or paused and resumed, under load. */

import { afterEach, describe, expect, it } from 'vitest';
import {
  ask,
  bundleLimiter,
  excesses,
  hammer,
  hasRedis,
  httpChecker,
  ownerPort,
  type RedisProcess,
  Scope,
  startCluster,
  startLimiter,
  until,
} from './limiter-harness.ts';

/** Takes longer to refill than a failover to happen: a bucket that restarted full would be seen. */
const policies = 'policies: [{ name: default, limit: 2, periodMs: 1000, burst: 40 }]';
const ratePerMs = 0.002;
const burst = 40;
const nodeTimeoutMs = 1500;
const keys = Array.from({ length: 8 }, (_, n) => `caller-${n}`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasRedis)('a limiter on a cluster (skipped without redis-server on PATH)', () => {
  let scope: Scope;
  afterEach(() => scope.end());

  const start = async () => {
    scope = new Scope();
    const nodes = await startCluster(scope, nodeTimeoutMs);
    const env = {
      KV_MODE: 'cluster',
      KV_NODES: nodes.map(({ port }) => `127.0.0.1:${port}`).join(','),
      WAIT_REPLICAS: '1',
      WAIT_TIMEOUT_MS: '500',
    };
    const bundle = await bundleLimiter(scope);
    const services = [
      await startLimiter(scope, bundle, policies, env),
      await startLimiter(scope, bundle, policies, env),
    ];
    return { nodes, services, checkers: services.map(({ url }) => httpChecker(scope, url)) };
  };

  /** The primary of the first bucket, and another node to ask about the cluster. */
  const victimOf = async (nodes: readonly RedisProcess[]) => {
    const port = await ownerPort(nodes[0]?.port as number, 'rl:{b0}');
    const victim = nodes.find((node) => node.port === port) as RedisProcess;
    return { victim, witness: nodes.find((node) => node !== victim) as RedisProcess };
  };

  it.each([
    ['killed', 'SIGKILL'],
    ['paused past the failover, and resumed', 'SIGSTOP'],
  ] as const)('admits no more while a primary is %s, and serves every key again', async (_what, signal) => {
    const { nodes, services, checkers } = await start();
    const { victim, witness } = await victimOf(nodes);
    const load = hammer(checkers, keys, 40);
    await sleep(1500);
    const faultMs = performance.now();
    victim.child.kill(signal);
    await until(async () => (await ownerPort(witness.port, 'rl:{b0}')) !== victim.port, 'a replica is promoted');
    // Alone, the new primary can have nothing confirmed: keys of its slots are refused until it has a replica again.
    if (signal === 'SIGKILL') await victim.restart();
    else victim.child.kill('SIGCONT');
    const healedMs = performance.now();
    const served = (key: string) =>
      load.seen.some((seen) => seen.key === key && seen.allowed && seen.sentMs > healedMs);
    await until(async () => keys.every(served), 'every key is admitted again');
    await sleep(1500);
    await load.stop();

    expect(excesses(load.seen, ratePerMs, burst)).toEqual([]);
    for (const key of keys) {
      expect(load.seen.some((seen) => seen.key === key && seen.allowed && seen.answeredMs < faultMs)).toBe(true);
    }
    const metrics = await Promise.all(services.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
    const fences = metrics.map((text) => Number(/^limiter_bucket_fences_total\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0));
    expect(fences.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    if (signal === 'SIGSTOP') {
      await until(async () => String(await ask(victim.port, 'ROLE')).startsWith('slave'), 'the old primary follows');
    }
  });
});
