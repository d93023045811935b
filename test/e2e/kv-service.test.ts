/** The demo service of the sharded store, as a process over a real Redis Cluster. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../templates/kit/src/clock.ts';
import { createLog } from '../../templates/kit/src/log.ts';
import { reconcile } from '../../templates/sharded-redis/service/src/reconcile.ts';
import { claimPort } from '../fixtures/ports.ts';
import { eventually, onPath, RedisFarm, type RedisServer } from './kv-redis.ts';

let farm: RedisFarm;
let service: ChildProcess | undefined;

async function startService(servers: readonly RedisServer[], env: Record<string, string>): Promise<string> {
  const bundle = join(farm.dir, 'service.mjs');
  await build({
    entryPoints: [new URL('../../templates/sharded-redis/service/src/main.ts', import.meta.url).pathname],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const port = await claimPort();
  const nodes = servers.map((server) => server.address).join(',');
  const kv = { KV_MODE: 'cluster', KV_NODES: nodes, KV_TIMEOUT_MS: '800', LOG_LEVEL: 'error' };
  service = spawn(process.execPath, [bundle], {
    stdio: 'inherit',
    env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), ...kv, ...env },
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await fetch(`${url}/readyz`)).ok);
  return url;
}

afterEach(async () => {
  if (service !== undefined && service.exitCode === null && service.signalCode === null) {
    const gone = once(service, 'exit');
    service.kill('SIGKILL');
    await gone;
  }
  await farm.end();
});

describe.skipIf(!onPath('redis-server'))('the demo service (needs redis-server on PATH)', () => {
  it('acknowledges what a replica has, tells unavailable from unknown, and drains', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(3, 1_500);
    await reconcile({
      nodes: servers.map((server) => server.address),
      replicasPerPrimary: 0,
      leaving: [],
      nodeTimeoutMs: 1_500,
      timeoutMs: 60_000,
      clock: systemClock,
      log: createLog('test', { LOG_LEVEL: 'error' }),
    });
    const replica = (await farm.addCluster(1, 1_500))[0] as RedisServer;
    const url = await startService(servers, { WAIT_REPLICAS: '1', WAIT_TIMEOUT_MS: '200' });
    const item = `${url}/v1/items/key`;
    const put = async (value: string) => {
      const answer = await fetch(item, { method: 'PUT', body: value });
      return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.text() };
    };

    const alone = await put('1');
    expect(alone).toMatchObject({ status: 504, body: expect.stringContaining('"outcome":"unknown"') });
    expect(await (await fetch(item)).text()).toBe('1');

    const owner = await eventually(async () => {
      for (const server of servers) if (Number(await server.command('DBSIZE')) === 1) return server;
      return undefined;
    });
    await replica.command('CLUSTER', 'MEET', '127.0.0.1', owner.port);
    const id = String(await owner.command('CLUSTER', 'MYID'));
    await eventually(async () => (await replica.command('CLUSTER', 'REPLICATE', id)) === 'OK');
    await eventually(async () => (await put('2')).status === 204);
    expect(await (await fetch(item)).text()).toBe('2');

    await replica.kill();
    await owner.kill();
    await eventually(async () => {
      const { status, retryAfter, body } = await put('3');
      return status === 503 && retryAfter === '1' && body.includes('"outcome":"not done"');
    });
    await owner.start();
    await eventually(async () => (await fetch(item)).ok);
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(
      /kv_command_duration_seconds_count\{[^}]*"unavailable"/,
    );

    const exit = once(service as ChildProcess, 'exit');
    service?.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
  });
});
