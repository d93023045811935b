/**
 * The kit's sharded client on a ring of three servers, beside: one direct connection to each (the client's own connection,
 * and ioredis with its automatic pipelining, the shard chosen by the same ring), and the same three behind nutcracker (through
 * ioredis, and through the kit's protocol on a bare socket, which leaves the proxy alone to differ).
 * Servers and proxy share core 0, the client has core 1. Then, without any server, how many keys move from 3 shards to 4.
 *
 * `npm run bench -- client [rounds]`
 */

import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { claimPort } from '../fixtures/ports.ts';
import { has } from './side-by-side.ts';
import { Bench, figures, onCore1, ratio, rounds, type Turn, turn } from './turns.ts';

interface Node {
  readonly name: string;
  readonly address: string;
  readonly weight: number;
}

interface Emitted {
  ringKv(options: object): { get(key: string): Promise<string | null>; close(): Promise<void> };
  buildRing(nodes: readonly Node[]): object;
  serverOf(ring: object, key: string): number;
  RedisConnection: {
    open(
      address: string,
      timeoutMs: number,
      clock: object,
    ): Promise<{ send(command: object, timeoutMs: number): Promise<unknown>; close(): void }>;
  };
  systemClock: object;
  CommandWriter: new () => { add(name: string, args: readonly string[]): void; take(): readonly Buffer[] };
  ReplyReader: new () => { push(chunk: Buffer): void; next(asBytes: boolean): unknown };
}

const exported = `
export { ringKv } from './templates/kit/src/kv-ring.ts';
export { buildRing, serverOf } from './templates/kit/src/ketama.ts';
export { RedisConnection } from './templates/kit/src/redis-connection.ts';
export { systemClock } from './templates/kit/src/clock.ts';
export { CommandWriter, ReplyReader } from './templates/kit/src/resp.ts';`;

const seconds = 2;
const callers = 256;
const keys = 5000;
const shards = 3;
/** nutcracker knows neither HELLO nor CLIENT nor INFO, and ends the connection that sends them. */
const options = { enableAutoPipelining: true, protocol: 2, disableClientInfo: true, enableReadyCheck: false } as const;

async function ask(ms: number, get: (key: string) => Promise<unknown>): Promise<number> {
  const untilMs = performance.now() + ms;
  const counts = await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      let asked = 0;
      for (let at = caller * 17; performance.now() < untilMs; at++, asked++) await get(`key-${at % keys}`);
      return asked;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function startNutcracker(bench: Bench, nodes: readonly Node[]): Promise<{ port: number; pid: number }> {
  const [port, statsPort] = [await claimPort(), await claimPort()];
  const servers = nodes.map(({ name, address }) => `    - ${address}:1 ${name}`).join('\n');
  const pool = `  listen: 127.0.0.1:${port}\n  hash: fnv1a_64\n  distribution: ketama\n  redis: true\n  servers:\n${servers}`;
  const file = join(bench.directory, 'nutcracker.yml');
  writeFileSync(file, `pool:\n${pool}\n`);
  return { port, pid: await bench.server('nutcracker', ['-c', file, '-s', String(statsPort), '-m', '16384'], port) };
}

interface Getter {
  get(key: string): Promise<unknown>;
  disconnect(): void;
}

/** As little as a pipelining client can be: nutcracker does not know the INFO with which the kit's connection begins. */
function bareClient({ CommandWriter, ReplyReader }: Emitted, port: number): Getter {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const [writer, reader] = [new CommandWriter(), new ReplyReader()];
  const waiting: ((value: unknown) => void)[] = [];
  let gathering = false;
  const write = () => {
    gathering = false;
    for (const piece of writer.take()) socket.write(piece);
  };
  socket.on('data', (chunk) => {
    reader.push(chunk);
    for (let value = reader.next(false); value !== undefined; value = reader.next(false)) waiting.shift()?.(value);
  });
  const get = (key: string) => {
    writer.add('GET', [key]);
    if (!gathering) setImmediate(write);
    gathering = true;
    return new Promise((resolve) => waiting.push(resolve));
  };
  return { get, disconnect: () => socket.destroy() };
}

/** Share of a hundred thousand keys whose shard is another one when the fourth joins. */
function moved({ buildRing, serverOf }: Emitted): number {
  const nodes = Array.from({ length: 4 }, (_, n) => ({ name: `store-${n}`, address: '', weight: 1 }));
  const [three, four] = [buildRing(nodes.slice(0, 3)), buildRing(nodes)];
  const all = Array.from({ length: 100_000 }, (_, n) => `user:${n}:profile`);
  return all.filter((key) => serverOf(three, key) !== serverOf(four, key)).length / all.length;
}

async function compare(count: number): Promise<void> {
  const bench = new Bench();
  try {
    const emitted = await bench.bundle<Emitted>(exported);
    const redis = [];
    for (let shard = 0; shard < shards; shard++) redis.push(await bench.redis());
    const nodes = redis.map(({ port }, n) => ({ name: `store-${n}`, address: `127.0.0.1:${port}`, weight: 1 }));
    const ring = emitted.buildRing(nodes);
    const kv = emitted.ringKv({ timeoutMs: 5000, nodes });
    const bare = await Promise.all(
      nodes.map(({ address }) => emitted.RedisConnection.open(address, 5000, emitted.systemClock)),
    );
    const ioredis = redis.map(({ port }) => new Redis({ ...options, port }));
    const pids = redis.map(({ pid }) => pid);
    const of =
      (get: (key: string) => Promise<unknown>, also: readonly number[] = []) =>
      (): Promise<Turn> =>
        turn([...pids, ...also], seconds * 1000, (ms) => ask(ms, get));
    const contestants: Record<string, () => Promise<Turn>> = {
      kit: of((key) => kv.get(key)),
      direct: of((key) => bare[emitted.serverOf(ring, key)]!.send({ name: 'GET', args: [key] }, 5000)),
      ioredis: of((key) => ioredis[emitted.serverOf(ring, key)]!.get(key)),
    };
    const others: Getter[] = [];
    if (has('nutcracker')) {
      const proxy = await startNutcracker(bench, nodes);
      const through = new Redis({ ...options, port: proxy.port });
      const bare = bareClient(emitted, proxy.port);
      others.push(through, bare);
      contestants.nutcracker = of((key) => through.get(key), [proxy.pid]);
      contestants['bare through nutcracker'] = of((key) => bare.get(key), [proxy.pid]);
    }
    const turns = await rounds(count, contestants);
    report(turns);
    console.log(`keys that move from 3 shards to 4: ${(100 * moved(emitted)).toFixed(2)} % (goal: at most 27.5 %)`);
    await kv.close();
    for (const client of [...ioredis, ...others]) client.disconnect();
    for (const connection of bare) connection.close();
  } finally {
    await bench.end();
  }
}

function report(turns: Readonly<Record<string, readonly Turn[]>>): void {
  const of = (name: string, key: keyof Turn) => (turns[name] ?? []).map((measured) => measured[key]);
  const anchors = {
    direct: 'one direct connection a shard',
    ioredis: 'one ioredis a shard, automatic pipelining',
    nutcracker: 'ioredis through nutcracker',
    'bare through nutcracker': "the kit's protocol on a bare socket through nutcracker",
  };
  for (const [name, words] of Object.entries(anchors)) {
    if (turns[name] === undefined) {
      console.log(`sharded client: ${name} is not installed`);
      continue;
    }
    const cpu = (which: string) => of(which, 'clientUs').map((us, at) => us + (of(which, 'serverUs')[at] ?? 0));
    console.log(`sharded client, gets/s: ${ratio(of('kit', 'perSecond'), of(name, 'perSecond'))} ${words}`);
    console.log(
      `  client CPU time saved: ${ratio(of(name, 'clientUs'), of('kit', 'clientUs'))}, all: ${ratio(cpu(name), cpu('kit'))}`,
    );
  }
  for (const [name, found] of Object.entries(turns)) console.log(`  ${figures(name, found)}`);
}

if (await onCore1()) await compare(Number(process.argv[2] ?? 5));
