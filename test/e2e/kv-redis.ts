/** Real redis-servers for the kv tests: each in a directory of its own, ended by pid. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../templates/kit/src/clock.ts';
import { type Argument, RedisConnection } from '../../templates/kit/src/redis-connection.ts';
import { claimPortWithBus } from '../fixtures/ports.ts';

export function onPath(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

/** Resolves with the first value that is not undefined or false; rejects when there is none within the time. */
export async function eventually<T>(look: () => Promise<T | undefined | false>, withinMs = 60_000): Promise<T> {
  const untilMs = systemClock.monotonicMs() + withinMs;
  let last: unknown;
  while (systemClock.monotonicMs() < untilMs) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    await systemClock.sleep(50);
  }
  throw new Error(`not seen within ${withinMs} ms`, { cause: last });
}

export class RedisServer {
  readonly dir: string;
  readonly #args: readonly string[];
  port: number;
  #process: ChildProcess | undefined;

  constructor(dir: string, port: number, args: readonly string[]) {
    this.dir = dir;
    this.port = port;
    this.#args = args;
    mkdirSync(dir, { recursive: true });
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir, '--save', '', ...this.#args];
    this.#process = spawn('redis-server', [...args, '--logfile', join(this.dir, 'log')], { stdio: 'ignore' });
    await eventually(async () => (await this.command('PING')) === 'PONG');
  }

  async command(name: string, ...args: Argument[]): Promise<unknown> {
    const connection = await RedisConnection.open(this.address, 5_000, systemClock);
    try {
      const answer = await connection.send({ name, args }, 10_000);
      if (answer.kind === 'reply') return answer.value;
      throw answer.kind === 'error' ? answer.error : new Error(answer.reason);
    } finally {
      connection.close();
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGCONT');
    running.kill('SIGKILL');
    await gone;
  }
}

/** A set of servers that is gone, with its files, after {@link RedisFarm.end}. */
export class RedisFarm {
  readonly dir = mkdtempSync(join(tmpdir(), 'kv-'));
  readonly servers: RedisServer[] = [];

  async add(count: number, args: readonly string[]): Promise<RedisServer[]> {
    const added: RedisServer[] = [];
    for (let index = 0; index < count; index++) {
      const server = new RedisServer(join(this.dir, `redis-${this.servers.length}`), await claimPortWithBus(), args);
      this.servers.push(server);
      added.push(server);
    }
    await Promise.all(added.map((server) => server.start()));
    return added;
  }

  addCluster(count: number, nodeTimeoutMs: number): Promise<RedisServer[]> {
    const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs)];
    return this.add(count, [...cluster, '--appendonly', 'yes', '--repl-diskless-sync-delay', '0']);
  }

  async end(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
