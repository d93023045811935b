/**
 * Checks a second of one Redis core: the limiter's script as its batches send it (64 checks a call, on its buckets), beside
 * the usual way, a script call for each check on a key of its own, pipelined. Both count by GCRA on the server's clock, and
 * both without WAIT and with one WAIT for the same number of checks. Client and replica have the other core.
 *
 * `npm run bench -- limiter-exact [rounds]`
 */

import { createHash } from 'node:crypto';
import { ask, drive, frame, type Requests, type Word } from './pipeline.ts';
import { Bench, figures, onCore1, ratio, rounds, type Turn, turn } from './turns.ts';

interface Emitted {
  createBuckets(options: object): {
    check(index: number, charges: readonly object[], atomic: boolean): Promise<unknown>;
    create(index: number, fenced: boolean): Promise<unknown>;
    indexOf(field: string): number;
  };
  parsePolicies(text: string): ReadonlyMap<string, object>;
  checkScript: { readonly lua: string; readonly sha1: string };
}

const exported = `
export { createBuckets } from './templates/rate-limiter/service/src/buckets.ts';
export { parsePolicies } from './templates/rate-limiter/service/src/policies.ts';
export { checkScript } from './templates/rate-limiter/service/src/script.ts';`;

/** GCRA as it is usually written: one key for each caller, which expires when it has drained. */
const oneCheck = `
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or 0)
if tat < now then tat = now end
local after = tat + ARGV[1] * ARGV[2]
if after - now > tonumber(ARGV[3]) then return { 0, tat - now } end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return { 1, after - now }`;

const seconds = 2;
const keys = 20_000;
const buckets = 16;
const batch = 64;
/** Of 64 checks, before one WAIT: a shard's buckets share one (kit's redis-node.ts). The usual way has as many checks before it. */
const calls = 4;
const policy = 'policies: [{ name: default, limit: 100, periodMs: 60000, burst: 100 }]';

/** The same numbers every time: a linear congruential generator. */
function sequence(): (bound: number) => number {
  let state = 1;
  return (bound) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % bound;
  };
}

async function batches(emitted: Emitted, runId: string): Promise<Buffer[]> {
  const calls: Buffer[] = [];
  const run = async (_: object, key: string, args: readonly Word[]) => {
    calls.push(frame(['EVALSHA', emitted.checkScript.sha1, 1, key, runId, ...args]));
    // The answer does not matter here: the frame is what was wanted.
    return [0, 0, ...new Array(batch).fill(0)];
  };
  const made = emitted.createBuckets({ kv: { run }, count: buckets, wait: { waitReplicas: 0, waitTimeoutMs: 0 } });
  const random = sequence();
  const charges = Array.from({ length: buckets }, () => new Map<string, object>());
  const found = emitted.parsePolicies(policy).get('default');
  while (calls.length < 400) {
    const field = `default:user-${random(keys)}`;
    const index = made.indexOf(field);
    const gathered = charges[index] as Map<string, object>;
    gathered.set(field, { policy: found, field, cost: 1 });
    if (gathered.size < batch) continue;
    await made.check(index, [...gathered.values()], false);
    gathered.clear();
  }
  return calls;
}

async function compare(count: number): Promise<void> {
  const bench = new Bench();
  try {
    const emitted = await bench.bundle<Emitted>(exported);
    const { port, pid } = await bench.redis();
    const sha1 = createHash('sha1').update(oneCheck).digest('hex');
    for (const lua of [oneCheck, emitted.checkScript.lua]) await ask(port, 'SCRIPT', 'LOAD', lua);
    const runId = /^run_id:(\w+)/m.exec(await ask(port, 'INFO', 'server'))?.[1] ?? '';
    const random = sequence();
    const one = Array.from({ length: 5000 }, () =>
      frame(['EVALSHA', sha1, 1, `user-${random(keys)}`, 1, 600_000, 60_000_000]),
    );
    const many = await batches(emitted, runId);
    const wait = frame(['WAIT', 1, 1000]);
    const group = (frames: readonly Buffer[], size: number) =>
      Array.from({ length: 100 }, (_, at) =>
        Buffer.concat([...Array.from({ length: size }, (_, n) => frames[(at * size + n) % frames.length]!), wait]),
      );
    const answer = { one: 3, many: batch + 3 };
    const usual: Requests = { frames: one, lines: answer.one, operations: 1, depth: 16, connections: 4 };
    const ours: Requests = { frames: many, lines: answer.many, operations: batch, depth: 2, connections: 4 };
    const waiting = { operations: calls * batch, depth: 1, connections: 16 };
    const usualWait = { ...waiting, frames: group(one, calls * batch), lines: calls * batch * answer.one + 1 };
    const oursWait = { ...waiting, frames: group(many, calls), lines: calls * answer.many + 1 };
    const of = (requests: Requests) => (): Promise<Turn> =>
      turn([pid], seconds * 1000, (ms) => drive(port, requests, ms));

    const plain = await rounds(count, { usual: of(usual), ours: of(ours) });
    report('without WAIT', plain);
    await bench.redis(['--replicaof', '127.0.0.1', String(port)], 1);
    while (!/state=online/.test(await ask(port, 'INFO', 'replication'))) await new Promise((r) => setTimeout(r, 100));
    report('with WAIT 1', await rounds(count, { usual: of(usualWait), ours: of(oursWait) }));
  } finally {
    await bench.end();
  }
}

function report(
  how: string,
  { usual, ours }: { readonly usual: readonly Turn[]; readonly ours: readonly Turn[] },
): void {
  const of = (turns: readonly Turn[], key: keyof Turn) => turns.map((measured) => measured[key]);
  console.log(
    `exact limiter ${how}, checks/s: ${ratio(of(ours, 'perSecond'), of(usual, 'perSecond'))} one-check EVALSHA`,
  );
  console.log(`  Redis CPU time of a check, saved: ${ratio(of(usual, 'serverUs'), of(ours, 'serverUs'))}`);
  console.log(`  ${figures('one check a call', usual)}\n  ${figures(`${batch} checks a call`, ours)}`);
}

if (await onCore1()) await compare(Number(process.argv[2] ?? 5));
