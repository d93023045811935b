/**
 * The exact limiter as a plain function beside rate-limiter-flexible, each on the same Redis, asked by as many callers at a
 * time about the same keys: checks for each second of CPU time, the limiter's and Redis' together. rate-limiter-flexible is
 * installed into a folder of its own; it counts in fixed windows, one script call a check.
 *
 * `npm run bench -- limiter-vs-flexible [rounds]`
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { anchorPackage, Bench, figures, onCore1, ratio, rounds, type Turn, turn } from './turns.ts';

const version = '11.4.0';
const seconds = 2;
const callers = 512;
const keys = 10_000;
/** As the planner gives each shard. */
const buckets = 5;

interface Emitted {
  createLimiter(options: object): {
    check(policy: string, key: string): Promise<{ readonly allowed: boolean }>;
    ready(): Promise<void>;
    close(): Promise<void>;
  };
  parsePolicies(text: string): ReadonlyMap<string, object>;
  fixedPolicies(policies: ReadonlyMap<string, object>): object;
  ringKv(options: object): { close(): Promise<void> };
}

const exported = `
export { createLimiter } from './templates/rate-limiter/service/src/limiter.ts';
export { parsePolicies, fixedPolicies } from './templates/rate-limiter/service/src/policies.ts';
export { ringKv } from './templates/kit/src/kv-ring.ts';`;

interface Flexible {
  RateLimiterRedis: new (options: object) => { consume(key: string): Promise<unknown> };
}

async function ask(ms: number, check: (key: string) => Promise<unknown>): Promise<number> {
  const untilMs = performance.now() + ms;
  const counts = await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      let asked = 0;
      for (let at = caller * 17; performance.now() < untilMs; at++, asked++) await check(`user-${at % keys}`);
      return asked;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function compare(count: number): Promise<void> {
  const bench = new Bench();
  try {
    const { RateLimiterRedis } = createRequire(join(anchorPackage('rate-limiter-flexible', version), 'x.js'))(
      'rate-limiter-flexible',
    ) as Flexible;
    const emitted = await bench.bundle<Emitted>(exported);
    const { port, pid } = await bench.redis();
    const client = new Redis({ port });
    const pipelining = new Redis({ port, enableAutoPipelining: true });
    const flexible = (storeClient: Redis) => new RateLimiterRedis({ storeClient, points: 1_000_000, duration: 60 });
    const [plain, pipelined] = [flexible(client), flexible(pipelining)];
    const kv = emitted.ringKv({ timeoutMs: 5000, nodes: [{ name: 'a', address: `127.0.0.1:${port}`, weight: 1 }] });
    const limits = 'policies: [{ name: p, limit: 1000000, periodMs: 60000, burst: 1000000 }]';
    const policies = emitted.fixedPolicies(emitted.parsePolicies(limits));
    const limiter = emitted.createLimiter({ kv, policies, buckets });
    await limiter.ready();
    const of = (check: (key: string) => Promise<unknown>) => (): Promise<Turn> =>
      turn([pid], seconds * 1000, (ms) => ask(ms, check));
    const turns = await rounds(count, {
      plain: of((key) => plain.consume(key)),
      pipelined: of((key) => pipelined.consume(key)),
      ours: of((key) => limiter.check('p', key)),
    });
    const cpu = (found: readonly Turn[]) => found.map(({ clientUs, serverUs }) => clientUs + serverUs);
    const than = (found: readonly Turn[]) => ratio(cpu(found), cpu(turns.ours));
    console.log(`exact limiter, checks per CPU second: ${than(turns.plain)} rate-limiter-flexible ${version}`);
    console.log(`  and ${than(turns.pipelined)} the same with ioredis' automatic pipelining`);
    for (const [name, found] of Object.entries(turns)) console.log(`  ${figures(name, found)}`);
    await limiter.close();
    await kv.close();
    client.disconnect();
    pipelining.disconnect();
  } finally {
    await bench.end();
  }
}

if (await onCore1()) await compare(Number(process.argv[2] ?? 5));
