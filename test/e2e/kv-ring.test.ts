/** Our ring beside the proxy whose ring it is: what a real nutcracker writes is found where our ring looks. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/random.ts';
import { buildRing, serverOf } from '../../templates/kit/src/ketama.ts';
import { defineScript, KvUnavailableError } from '../../templates/kit/src/kv-client.ts';
import { ringKv } from '../../templates/kit/src/kv-ring.ts';
import { claimPort } from '../fixtures/ports.ts';
import { eventually, onPath, RedisFarm, type RedisServer } from './kv-redis.ts';

let farm: RedisFarm;
let proxy: ChildProcess | undefined;

interface NamedServer {
  readonly server: RedisServer;
  readonly name: string;
  readonly weight: number;
}

async function startProxy(servers: readonly NamedServer[]): Promise<number> {
  const port = await claimPort();
  const lines = servers.map(({ server, name, weight }) => `   - ${server.address}:${weight} ${name}`);
  const pool = [
    'pool:',
    `  listen: 127.0.0.1:${port}`,
    '  hash: fnv1a_64',
    '  distribution: ketama',
    '  redis: true',
    '  auto_eject_hosts: false',
    '  servers:',
  ];
  const file = join(farm.dir, 'nutcracker.yml');
  writeFileSync(file, `${[...pool, ...lines].join('\n')}\n`);
  const log = join(farm.dir, 'nutcracker.log');
  const args = ['-c', file, '-o', log, '-s', String(await claimPort()), '-a', '127.0.0.1'];
  proxy = spawn('nutcracker', args, { stdio: 'ignore' });
  return port;
}

/** Keys of all kinds: short, long, with tags, and with characters beyond ASCII. */
function randomKeys(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const letters = [...'abcXYZ0189:-_{}./é漢🙂'];
  return Array.from({ length: count }, (_, index) => {
    const length = 1 + random.integer(40);
    return `${index}${Array.from({ length }, () => letters[random.integer(letters.length)]).join('')}`;
  });
}

afterEach(async () => {
  const running = proxy;
  proxy = undefined;
  if (running !== undefined && running.exitCode === null && running.signalCode === null) {
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
  }
  await farm.end();
});

describe.skipIf(!onPath('redis-server') || !onPath('nutcracker'))(
  'the ring (needs redis-server and nutcracker on PATH)',
  () => {
    it.each([
      { weights: [1, 1, 1], seed: 11 },
      { weights: [1, 1, 1, 1, 1], seed: 12 },
      { weights: [1, 2, 5, 3], seed: 13 },
    ])('has every key where nutcracker puts it, weights $weights', async ({ weights, seed }) => {
      farm = new RedisFarm();
      const started = await farm.add(weights.length, []);
      const servers = started.map((server, index) => ({
        server,
        name: `cache-${index}`,
        weight: weights[index] as number,
      }));
      const port = await startProxy(servers);
      const keys = randomKeys(3_000, seed);
      await writeThrough(port, keys);
      const ring = buildRing(servers);
      const misplaced: string[] = [];
      const held = await Promise.all(
        started.map(async (server) => new Set((await server.command('KEYS', '*')) as string[])),
      );
      for (const key of keys) if (!held[serverOf(ring, key)]?.has(key)) misplaced.push(key);
      expect(misplaced, `seed ${seed}`).toEqual([]);
      expect(held.every((set) => set.size > 0)).toBe(true);

      const kv = ringKv({
        timeoutMs: 2_000,
        nodes: servers.map(({ server, name, weight }) => ({ name, weight, address: server.address })),
      });
      await kv.ready();
      for (const key of keys.slice(0, 300)) expect(await kv.get(key)).toBe('written');
      await kv.close();
    });

    it('never looks for the keys of a dead server on another', async () => {
      farm = new RedisFarm();
      const servers = await farm.add(3, []);
      const nodes = servers.map((server, index) => ({ name: `c-${index}`, weight: 1, address: server.address }));
      const kv = ringKv({ timeoutMs: 300, nodes });
      const ring = buildRing(nodes);
      const keys = randomKeys(60, 14);
      for (const key of keys) await kv.set(key, key, { ttlMs: 60_000 });
      await servers[1]?.kill();
      const increment = defineScript("return {ARGV[1], redis.call('APPEND', KEYS[1], ARGV[2])}");
      for (const key of keys) {
        if (serverOf(ring, key) !== 1) {
          expect(await kv.get(key)).toBe(key);
          continue;
        }
        const failure = await kv.run(increment, key, ['!']).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(KvUnavailableError);
        expect((failure as KvUnavailableError).mayHaveRun).toBe(false);
        break;
      }
      await servers[1]?.start();
      const lost = keys.find((key) => serverOf(ring, key) === 1) as string;
      expect(await kv.get(lost)).toBeNull();
      expect(await kv.run(increment, lost, ['!'])).toEqual([expect.stringMatching(/^[0-9a-f]{40}$/), 1]);
      expect(await kv.delete(lost)).toBe(true);
      expect(await kv.delete(lost)).toBe(false);
      await kv.close();
    });
  },
);

/** Plain RESP over a socket: nutcracker refuses what clients say to a Redis when they connect. */
async function writeThrough(port: number, keys: readonly string[]): Promise<void> {
  const socket = await eventually(async () => {
    const opening = connect(port, '127.0.0.1');
    await once(opening, 'connect');
    return opening;
  });
  let answers = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answers += text;
  });
  const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
  for (const key of keys) socket.write(`*3\r\n${bulk('SET')}${bulk(key)}${bulk('written')}`);
  await eventually(async () => answers.length >= keys.length * '+OK\r\n'.length);
  socket.destroy();
  expect(answers.replaceAll('+OK\r\n', '')).toBe('');
}
