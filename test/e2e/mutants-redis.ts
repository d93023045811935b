/** Real redis-servers for the mutants, on ports and in a folder of their own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { claimPortWithBus } from '../fixtures/ports.ts';

export interface RedisServer {
  readonly port: number;
  /** One command on a connection that lasts as long as the server. */
  readonly client: Redis;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Servers that all end, and leave nothing behind, with {@link RedisServers.close}. */
export class RedisServers {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dsp-mutants-'));
  readonly #servers: RedisServer[] = [];

  async start(...args: readonly string[]): Promise<RedisServer> {
    const port = await claimPortWithBus();
    const folder = mkdtempSync(join(this.#folder, 'redis-'));
    const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--dir', folder];
    const process = spawn('redis-server', ['--port', String(port), ...quiet, ...args], { stdio: 'ignore' });
    const client = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 50, maxRetriesPerRequest: null });
    client.on('error', () => {});
    const server = { port, client, kill: () => end(process, client) };
    this.#servers.push(server);
    await client.ping();
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function end(process: ChildProcess, client: Redis): Promise<void> {
  client.disconnect();
  if (process.exitCode !== null || process.signalCode !== null) return;
  const gone = new Promise((resolve) => process.once('exit', resolve));
  process.kill('SIGKILL');
  await gone;
}

/** Polls until `done` says so; fails loudly, with what it waited for. */
export async function until(what: string, done: () => Promise<boolean> | boolean, withinMs = 60_000): Promise<void> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 50) {
    if (await done()) return;
    await delay(50);
  }
  throw new Error(`waited ${withinMs} ms for ${what}`);
}
