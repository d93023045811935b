/** For tests: a redis-server of their own, where one is installed. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KvClient } from '@dsp/kit/kv';
import { ringKv } from '@dsp/kit/kv-ring';

export const redisProgram = ['redis-server', 'valkey-server'].find(
  (program) => spawnSync(program, ['--version']).status === 0,
);

export interface TestRedis {
  readonly port: number;
  readonly process: ChildProcess;
  /** A new client of it; the caller closes it. */
  client(): KvClient;
  stop(): Promise<void>;
}

export async function startRedis(...settings: readonly string[]): Promise<TestRedis> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'limiter-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...settings];
  const server = spawn(redisProgram ?? 'redis-server', args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const client = () => ringKv({ timeoutMs: 5000, nodes: [{ name: 'test', address: `127.0.0.1:${port}`, weight: 1 }] });
  const redis = {
    port,
    process: server,
    client,
    async stop() {
      server.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
  await untilAnswers(client, ended);
  return redis;
}

async function untilAnswers(client: () => KvClient, ended: Promise<void>): Promise<void> {
  let alive = true;
  void ended.then(() => {
    alive = false;
  });
  for (let attempt = 0; alive && attempt < 300; attempt++) {
    const kv = client();
    const answered = await kv.ready().then(
      () => true,
      () => false,
    );
    await kv.close();
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('redis-server did not start');
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
