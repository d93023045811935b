/** Two limiters on a real Redis, hammered by the bench's workload: the atomic one holds, the one of GET and SET does not. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InvariantResult } from '../../src/checkers/invariant.ts';
import invariants from '../../templates/rate-limiter/invariants.ts';
import workload from '../../templates/rate-limiter/workload.ts';
import { requirementsOf } from '../unit/templates/requirements.ts';
import { Drive, type Handler, serve } from './mutants-drive.ts';
import { type RedisServer, RedisServers } from './mutants-redis.ts';

const policy = { name: 'default', limit: 100, periodMs: 1000, burst: 20 };
const intervalUs = (policy.periodMs * 1000) / policy.limit;
const context = {
  part: 'limiter',
  sizing: { policy },
  options: {},
  requirements: requirementsOf(),
  offeredLoad: { check: 2000 },
  seed: 11,
  workerIndex: 0,
  workerCount: 1,
};

/** The generic cell rate algorithm in one script: the key holds the time at which its debt is paid. */
const atomicScript = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local after = paid + ARGV[1] * ARGV[2]
if after - now > ARGV[3] * ARGV[2] then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', after))
return 1`;

type Decide = (key: string, cost: number) => Promise<boolean>;

const atomic =
  ({ client }: RedisServer): Decide =>
  async (key, cost) =>
    (await client.eval(atomicScript, 1, `atomic:${key}`, cost, intervalUs, policy.burst)) === 1;

/** The same arithmetic, but the state is read by one command and written by another. */
const getThenSet =
  ({ client }: RedisServer): Decide =>
  async (key, cost) => {
    const [seconds, microseconds] = await client.time();
    const now = Number(seconds) * 1e6 + Number(microseconds);
    const paid = Math.max(now, Number((await client.get(`mutant:${key}`)) ?? 0));
    const after = paid + cost * intervalUs;
    if (after - now > policy.burst * intervalUs) return false;
    await client.set(`mutant:${key}`, after);
    return true;
  };

function limiter(decide: Decide): Handler {
  return async ({ body }) => {
    const { key, cost } = JSON.parse(body);
    const allowed = await decide(key, cost);
    const standing = { limit: policy.limit, remaining: 0, resetMs: 0, retryAfterMs: 0 };
    const answer = { status: allowed ? 200 : 429, body: JSON.stringify({ allowed, ...standing }) };
    return allowed ? answer : { ...answer, headers: { 'retry-after': '1' } };
  };
}

describe('limiters on a real Redis', () => {
  const servers = new RedisServers();
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await servers.start();
  });
  afterAll(() => servers.close());

  async function hammer(decide: Decide): Promise<readonly InvariantResult[]> {
    const server = await serve(limiter(decide));
    const drive = new Drive(workload, context, server.port);
    try {
      await drive.load(6000, 48);
    } finally {
      await server.close();
    }
    const { part, sizing, options, requirements } = context;
    return invariants.check({
      part,
      sizing,
      options,
      requirements,
      history: drive.finish(),
      faults: [],
      clockSteps: [],
      probe: null,
    });
  }

  it('holds where one script decides', async () => {
    const results = await hammer(atomic(redis));
    expect(results.map(({ id, verdict, violations }) => [id, verdict, violations])).toEqual([
      ['no-over-admission', 'held', []],
      ['no-wrong-denial', 'held', []],
    ]);
  });

  it('is violated where GET and SET are apart', async () => {
    const [overAdmission] = await hammer(getThenSet(redis));
    expect(overAdmission?.verdict).toBe('violated');
    expect(overAdmission?.violations[0]).toMatch(/^key bench-b-hot-\S+ was admitted \d+ units within/);
  });
});
