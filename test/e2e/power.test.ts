/**
 * A real redis-server that loses its power under the bench's workload, and goes on from what had been synced. What it
 * acknowledged after an fsync is there; what it acknowledged before one is lost, and found so.
 */

import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { FaultWindow, InvariantResult } from '../../src/checkers/invariant.ts';
import { sharedNowMs, systemClock } from '../../src/clock.ts';
import type { Instrumentation, Witness } from '../../src/deploy/deployment.ts';
import { deployLocal } from '../../src/deploy/local/deploy.ts';
import { faultAccess } from '../../src/deploy/local/faults.ts';
import { findCompiler } from '../../src/deploy/local/synced.ts';
import { exactly } from '../../src/requirements/requirements.ts';
import invariants from '../../templates/sharded-redis/invariants.ts';
import workload from '../../templates/sharded-redis/workload.ts';
import { requirementsOf } from '../unit/templates/requirements.ts';
import { discard, makeProject, planOf, redisSet, write } from './deploy-fixture.ts';
import { Drive, type Handler, serve } from './mutants-drive.ts';
import { until } from './mutants-redis.ts';

const topology = { processSets: [{ ...redisSet, replicas: 1 }], jobs: [] };
const id = 'store-redis-0';
const hasCompiler = findCompiler(process.env.PATH ?? '') !== null;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Settings {
  readonly appendfsync: 'always' | 'everysec' | 'no';
  readonly rpoMs: number;
  readonly instrumented?: Instrumentation;
  /** Of load before the loss of power. */
  readonly leastMs?: number;
}

interface Outcome {
  readonly witness: Witness;
  readonly lostWrites: InvariantResult;
}

async function losePower({ appendfsync, rpoMs, instrumented = 'power', leastMs = 0 }: Settings): Promise<Outcome> {
  const project = makeProject(topology);
  closing.push(() => discard(project));
  write(project, 'parts/store/redis.conf', `save ""\nappendonly yes\nappendfsync ${appendfsync}\n`);
  const { signal } = new AbortController();
  const how = { clock: systemClock, signal, report: () => {}, build: false, instrumented };
  const deployment = await deployLocal(project, planOf(topology), how);
  const port = deployment.instances.find((instance) => instance.id === id)?.ports.redis;
  const client = new Redis({ host: '127.0.0.1', port: port!, maxRetriesPerRequest: 0, retryStrategy: () => 50 });
  client.on('error', () => {});
  closing.push(() => client.disconnect());
  const server = await serve(storeOver(client));
  closing.push(() => server.close());

  const requirements = requirementsOf({
    data: { payloadBytes: exactly(100), totalMiB: exactly(0.04) },
    loss: { rpoMs },
    consistency: { level: 'eventual', stalenessMs: 0 },
  });
  const context = { part: 'store', sizing: { mode: 'store', totalMiB: 0.04 }, options: {}, requirements, seed: 5 };
  const offeredLoad = { read: 100, write: 300 };
  const drive = new Drive(workload, { ...context, offeredLoad, workerIndex: 0, workerCount: 1 }, server.port);
  const beganMs = sharedNowMs(systemClock);
  const loading = drive.load(leastMs > 0 ? 20_000 : 2000, 8, 5);
  const isEnough = () => drive.history.length > 300 && sharedNowMs(systemClock) - beganMs >= leastMs;
  await until('some writes', isEnough);
  const access = faultAccess(project, systemClock);
  const startMs = sharedNowMs(systemClock);
  const witness = await access.cutPower(id);
  expect(await access.restart(id)).toMatchObject({ hit: true });
  const fault: FaultWindow = {
    kind: 'power',
    instance: id,
    set: 'store-redis',
    part: 'store',
    startMs,
    healedMs: sharedNowMs(systemClock),
    hit: witness.hit,
  };
  drive.stop();
  await loading;
  await until('an answer', async () => (await client.ping().catch(() => '')) === 'PONG');
  await drive.readBack();
  const found = invariants.check({ ...context, history: drive.finish(), faults: [fault], clockSteps: [], probe: null });
  return { witness, lostWrites: found.find((one) => one.id === 'no-lost-writes')! };
}

function storeOver(client: Redis): Handler {
  return async ({ method, path, body }) => {
    if (method !== 'GET') {
      await client.set(path, body);
      return { status: 204 };
    }
    const value = await client.get(path);
    return value === null ? { status: 404 } : { status: 200, body: value };
  };
}

describe.skipIf(!hasCompiler)('a loss of power of a real Redis', { timeout: 60_000 }, () => {
  it('takes nothing that was acknowledged after an fsync', async () => {
    const { witness, lostWrites } = await losePower({ appendfsync: 'always', rpoMs: 0 });
    expect(witness.hit).toBe(true);
    expect(witness.assumed).toBeUndefined();
    expect(witness.seen).toMatch(/appendonly\.aof\.1\.incr\.aof cut by \d+ bytes to the [1-9]\d* that were synced/);
    expect([lostWrites.verdict, lostWrites.violations]).toEqual(['held', []]);
    expect(lostWrites.checked).toBeGreaterThan(100);
  });

  it('takes what was acknowledged and never synced, and is caught', async () => {
    const { witness, lostWrites } = await losePower({ appendfsync: 'no', rpoMs: 0 });
    expect(witness.seen).toMatch(/appendonly\.aof\.1\.incr\.aof cut by [1-9]\d* bytes to the 0 that were synced/);
    expect(lostWrites.verdict).toBe('violated');
    // Of a few keys a write may have been acknowledged while the power went.
    expect(lostWrites.violations).toContainEqual(expect.stringMatching(/ms before the power of store-redis-0/));
  });

  it('takes the last moments where a sync follows once a second, which was declared', async () => {
    // A busy machine may take longer for the second.
    const lose = () => losePower({ appendfsync: 'everysec', rpoMs: 5000, leastMs: 8000 });
    let outcome = await lose();
    // Right after a sync there is nothing to take.
    for (let tries = 1; tries < 3 && outcome.witness.seen.includes('cut by 0 bytes'); tries++) outcome = await lose();
    const { witness, lostWrites } = outcome;
    expect(witness.seen).toMatch(/cut by [1-9]\d* bytes to the [1-9]\d* that were synced/);
    expect([lostWrites.verdict, lostWrites.violations]).toEqual(['held', []]);
    expect(lostWrites.note).toMatch(/0 lost, and [1-9]\d* more within/);
  });
});

it('a loss of power is assumed where nobody knows what was synced', { timeout: 60_000 }, async () => {
  const { witness, lostWrites } = await losePower({ appendfsync: 'no', rpoMs: 0, instrumented: 'network' });
  expect(witness).toMatchObject({ hit: true, assumed: true });
  expect(witness.seen).toMatch(/not known, so that nothing was cut$/);
  expect(lostWrites.verdict).toBe('held');
});
