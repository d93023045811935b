/**
 * A real primary with a replica behind a slow link, killed under the bench's workload. What is acknowledged at once is
 * lost by the failover and found so; what is acknowledged after WAIT is not.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FaultWindow, InvariantResult } from '../../src/checkers/invariant.ts';
import { sharedNowMs, systemClock } from '../../src/clock.ts';
import { exactly } from '../../src/requirements/requirements.ts';
import invariants from '../../templates/sharded-redis/invariants.ts';
import workload from '../../templates/sharded-redis/workload.ts';
import { claimPort } from '../fixtures/ports.ts';
import { requirementsOf } from '../unit/templates/requirements.ts';
import { Drive, type Handler, serve } from './mutants-drive.ts';
import { type RedisServer, RedisServers, until } from './mutants-redis.ts';

const linkDelayMs = 150;

/** Passes bytes on in both directions, each chunk after the delay; what is under way when it is cut is lost. */
class SlowLink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly port: number;

  private constructor(port: number, targetPort: number) {
    this.port = port;
    this.#server = createServer((incoming) => {
      const outgoing = connect(targetPort, '127.0.0.1');
      for (const [from, to] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => to.destroy());
        from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), linkDelayMs));
      }
    });
  }

  static async to(targetPort: number): Promise<SlowLink> {
    const link = new SlowLink(await claimPort(), targetPort);
    await new Promise<void>((resolve) => link.#server.listen(link.port, '127.0.0.1', resolve));
    return link;
  }

  async cut(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

interface Replicated {
  readonly handle: Handler;
  /** Kills the primary and lets the replica take over. */
  failOver(): Promise<FaultWindow>;
}

async function replicatedStore(
  servers: RedisServers,
  link: SlowLink,
  primary: RedisServer,
  wait: boolean,
): Promise<Replicated> {
  const replica = await servers.start('--replicaof', `127.0.0.1 ${link.port}`, '--repl-ping-replica-period', '1');
  await until('the replica to be in sync', async () =>
    (await replica.client.info('replication')).includes('master_link_status:up'),
  );
  let serving: RedisServer | null = primary;
  const waiting: Redis[] = [];
  const handle: Handler = async ({ method, path, body }) => {
    const from = serving;
    if (from === null) return { status: 503, body: '{"outcome":"not done"}' };
    if (method === 'GET') {
      const value = await from.client.get(path);
      return value === null ? { status: 404 } : { status: 200, body: value };
    }
    if (!wait || from !== primary) {
      await from.client.set(path, body);
      return { status: 204 };
    }
    // WAIT holds up its whole connection.
    const connection = waiting.pop() ?? from.client.duplicate({ maxRetriesPerRequest: 0, retryStrategy: () => null });
    connection.on('error', () => {});
    await connection.set(path, body);
    const replicas = await connection.wait(1, 2000);
    waiting.push(connection);
    return { status: replicas < 1 ? 504 : 204 };
  };
  return {
    handle,
    async failOver() {
      const startMs = sharedNowMs(systemClock);
      serving = null;
      for (const connection of waiting) connection.disconnect();
      await Promise.all([primary.kill(), link.cut()]);
      await replica.client.replicaof('NO', 'ONE');
      serving = replica;
      const healedMs = sharedNowMs(systemClock);
      return {
        kind: 'kill',
        instance: 'store-redis-0',
        set: 'store-redis',
        part: 'store',
        startMs,
        healedMs,
        hit: true,
      };
    },
  };
}

describe('a failover of a real Redis', () => {
  let servers: RedisServers;
  const closing: (() => Promise<unknown>)[] = [];
  beforeEach(() => {
    servers = new RedisServers();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close().catch(() => {});
    await servers.close();
  });

  async function run(wait: boolean, rpoMs: number): Promise<readonly InvariantResult[]> {
    const primary = await servers.start('--repl-diskless-sync-delay', '0');
    const link = await SlowLink.to(primary.port);
    closing.push(() => link.cut());
    const store = await replicatedStore(servers, link, primary, wait);
    const server = await serve(store.handle);
    closing.push(() => server.close());
    const requirements = requirementsOf({
      data: { payloadBytes: exactly(100), totalMiB: exactly(0.04) },
      loss: { rpoMs },
      consistency: { level: 'eventual', stalenessMs: 0 },
    });
    const context = { part: 'store', sizing: { mode: 'store', totalMiB: 0.04 }, options: {}, requirements, seed: 3 };
    const offeredLoad = { read: 200, write: 200 };
    const drive = new Drive(workload, { ...context, offeredLoad, workerIndex: 0, workerCount: 1 }, server.port);
    if (!wait) await drive.prepare();
    const loading = drive.load(wait ? 300 : 2000, 16, 5);
    await until('some writes', () => drive.history.filter(({ operation }) => operation === 'write').length > 60);
    const fault = await store.failOver();
    await loading;
    await drive.readBack();
    return invariants.check({ ...context, history: drive.finish(), faults: [fault], clockSteps: [], probe: null });
  }

  const lostWrites = (results: readonly InvariantResult[]) => results.find(({ id }) => id === 'no-lost-writes');

  it('loses what was acknowledged before it was replicated, and is caught', async () => {
    const found = lostWrites(await run(false, 0));
    expect(found?.verdict).toBe('violated');
    expect(found?.violations[0]).toMatch(/ms before the kill of store-redis-0/);
  });

  it('may lose it where so much was declared', async () => {
    const found = lostWrites(await run(false, 60_000));
    expect(found?.verdict).toBe('held');
    expect(found?.note).toMatch(/0 lost, and [1-9]\d* more within/);
  });

  it('loses nothing that WAIT has confirmed', async () => {
    const found = lostWrites(await run(true, 0));
    expect([found?.verdict, found?.violations]).toEqual(['held', []]);
    expect(found?.checked).toBeGreaterThan(20);
  });
});
