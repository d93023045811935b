/** A thread's way to Redis servers, against servers that do what a test tells them. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import keySlot from 'cluster-key-slot';
import { afterEach, describe, expect, it } from 'vitest';
import type { DrivenPart } from '../../../../src/bench/generator/driver.ts';
import { Exchange } from '../../../../src/bench/generator/exchange.ts';
import { RedisTransport } from '../../../../src/bench/generator/redis-transport.ts';
import { RespReader } from '../../../../src/bench/generator/resp.ts';
import type { TransportOptions } from '../../../../src/bench/generator/transport.ts';
import type { RespRequest, RespResponse } from '../../../../src/bench/generator/workload.ts';
import { claimPort } from '../../../fixtures/ports.ts';

type Answering = (words: readonly string[], socket: Socket) => string | null;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** Answers each command with what `answer` says; null: never. */
class FakeServer {
  readonly heard: string[][] = [];
  connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  answer: Answering;

  constructor(answer: Answering) {
    this.answer = answer;
    this.#server = createServer((socket) => this.#serve(socket));
    cleanups.push(() => this.stop());
  }

  async listen(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    const reader = new RespReader();
    socket.on('data', (chunk) => {
      for (const words of reader.push(chunk) as string[][]) {
        this.heard.push(words);
        const text = words[0] === 'PING' ? '+PONG\r\n' : this.answer(words, socket);
        if (text !== null) socket.write(text);
      }
    });
  }
}

const slotsOf = (port: number, from = 0, to = 16_383) =>
  `*1\r\n*3\r\n:${from}\r\n:${to}\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`;
const isMap = (words: readonly string[]) => words[0] === 'CLUSTER';

/** One request at a time, or many: each with how it ended. */
function transportTo(servers: readonly FakeServer[], changes: Partial<TransportOptions> = {}) {
  const waiting = new Map<unknown, (ended: { answer: unknown; sentMs: number | null }) => void>();
  const now = () => performance.timeOrigin + performance.now();
  const transport = new RedisTransport({
    targets: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    maxConnections: 10,
    timeoutMs: 600,
    now,
    readBuffer: Buffer.alloc(0),
    ended: (exchange, answer) => waiting.get(exchange)?.({ answer, sentMs: exchange.sentMs }),
    ...changes,
  });
  const sweeping = setInterval(() => transport.sweep(now()), 10);
  cleanups.push(() => {
    clearInterval(sweeping);
    transport.close();
  });
  const ask = (...commands: (readonly string[])[]) => {
    const key = commands[0]?.[1] ?? '';
    const request: RespRequest = { operation: 'x', key, value: 0, commands, routedBy: key };
    const exchange = new Exchange({} as DrivenPart, request, 'steady', now(), now(), null);
    return new Promise<{ answer: unknown; sentMs: number | null }>((resolve) => {
      waiting.set(exchange, resolve);
      transport.submit(exchange, now());
    });
  };
  return { transport, ask };
}

const repliesOf = ({ answer }: { answer: unknown }) => (answer as RespResponse).replies;
const ofOne = { place: () => 0 };

describe('one server', () => {
  it('answers many requests in flight, each its own', async () => {
    const server = await new FakeServer(([, key = '']) => `$${key.length}\r\n${key}\r\n`).listen();
    const { transport, ask } = transportTo([server], ofOne);
    const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
    const all = Promise.all(keys.map((key) => ask(['GET', key])));
    expect(transport.pending).toBe(500);
    expect((await all).map((ended) => repliesOf(ended)[0])).toEqual(keys);
    expect(transport.pending).toBe(0);
    expect(server.connections).toBeLessThanOrEqual(4);
  });

  it('is told who calls before anything else', async () => {
    const server = await new FakeServer(([word]) => (word === 'AUTH' ? '+OK\r\n' : '$-1\r\n')).listen();
    const { ask } = transportTo([server], { ...ofOne, access: { user: 'me', password: 's3' } });
    expect(await ask(['GET', 'a'])).toMatchObject({ answer: { status: 'nil', replies: [null] } });
    expect(server.heard).toEqual([
      ['AUTH', 'me', 's3'],
      ['GET', 'a'],
    ]);
  });

  it('that lets nobody in gets no request, and the request is dropped in time', async () => {
    const server = await new FakeServer(() => '-WRONGPASS no\r\n').listen();
    const { ask } = transportTo([server], { ...ofOne, access: { user: 'me', password: 'x' } });
    expect(await ask(['GET', 'a'])).toEqual({ answer: null, sentMs: null });
    expect(new Set(server.heard.map(([word]) => word))).toEqual(new Set(['AUTH']));
  });

  it('answers several commands of one request together, and with an error by its code', async () => {
    const server = await new FakeServer(([word]) =>
      word === 'SET' ? '+OK\r\n' : word === 'WAIT' ? ':1\r\n' : '-OOM no\r\n',
    ).listen();
    const { ask } = transportTo([server], ofOne);
    expect((await ask(['SET', 'a', '1'], ['WAIT', '1', '100'])).answer).toEqual({ status: 'ok', replies: ['OK', 1] });
    expect((await ask(['DEL', 'a'])).answer).toMatchObject({ status: 'OOM', replies: [{ code: 'OOM' }] });
  });

  it('that is silent times each request out, and the next ones get another connection', async () => {
    let silent = true;
    const server = await new FakeServer(() => (silent ? null : '+OK\r\n')).listen();
    const { ask, transport } = transportTo([server], ofOne);
    const slow = await Promise.all(Array.from({ length: 4 }, () => ask(['GET', 'a'])));
    expect(slow.map(({ answer }) => answer)).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    expect(slow[0]?.sentMs).not.toBeNull();
    silent = false;
    const before = server.connections;
    expect((await ask(['GET', 'a'])).answer).toMatchObject({ status: 'ok' });
    expect(server.connections).toBeGreaterThan(before);
    expect(transport.pending).toBe(0);
  });

  it('that breaks off loses what was sent; what it makes up is malformed', async () => {
    const server = await new FakeServer((_, socket) => {
      socket.destroy();
      return null;
    }).listen();
    const { ask } = transportTo([server], ofOne);
    expect((await ask(['SET', 'a', '1'])).answer).toBe('lost');
    server.answer = () => 'what?\r\n';
    expect((await ask(['GET', 'a'])).answer).toBe('malformed');
  });

  it('that comes back within the time-out gets the requests that waited', async () => {
    const port = await claimPort();
    const server = await new FakeServer(() => '+OK\r\n').listen(port);
    const { ask } = transportTo([server], { ...ofOne, timeoutMs: 4000 });
    server.stop();
    const asked = ask(['GET', 'a']);
    setTimeout(() => void new FakeServer(() => '+OK\r\n').listen(port), 400);
    expect((await asked).answer).toMatchObject({ status: 'ok' });
  });
});

describe('a cluster', () => {
  it('says itself who has which slot', async () => {
    const second = await new FakeServer(() => '$1\r\n2\r\n').listen();
    const first: FakeServer = await new FakeServer((words) =>
      isMap(words) ? slotsOf(second.port) : '-ERR not here\r\n',
    ).listen();
    const { ask } = transportTo([first]);
    expect(repliesOf(await ask(['GET', 'a']))).toEqual(['2']);
    expect(first.heard.map(([word]) => word)).not.toContain('GET');
  });

  it('moves a slot: the request follows, and so do the next ones', async () => {
    const second: FakeServer = await new FakeServer((words) =>
      isMap(words) ? slotsOf(second.port) : '$1\r\n2\r\n',
    ).listen();
    const first: FakeServer = await new FakeServer((words) =>
      isMap(words) ? slotsOf(first.port) : `-MOVED ${keySlot('a')} 127.0.0.1:${second.port}\r\n`,
    ).listen();
    const { ask } = transportTo([first]);
    expect(repliesOf(await ask(['SET', 'a', '1'], ['GET', 'a']))).toEqual(['2', '2']);
    expect(repliesOf(await ask(['GET', 'a']))).toEqual(['2']);
    expect(first.heard.filter(([word]) => word !== 'PING' && word !== 'CLUSTER')).toEqual([
      ['SET', 'a', '1'],
      ['GET', 'a'],
    ]);
  });

  it('hands a key over: ASKING goes before the request, once, and its answer is nobody’s', async () => {
    const second = await new FakeServer(([word]) => (word === 'ASKING' ? '+OK\r\n' : '$1\r\n2\r\n')).listen();
    const first: FakeServer = await new FakeServer((words) =>
      isMap(words) ? slotsOf(first.port) : `-ASK ${keySlot('a')} 127.0.0.1:${second.port}\r\n`,
    ).listen();
    const { ask } = transportTo([first]);
    for (let i = 0; i < 2; i++) expect((await ask(['GET', 'a'])).answer).toEqual({ status: 'ok', replies: ['2'] });
    expect(second.heard.filter(([word]) => word !== 'PING')).toEqual([
      ['ASKING'],
      ['GET', 'a'],
      ['ASKING'],
      ['GET', 'a'],
    ]);
    expect(first.heard.filter(([word]) => word === 'GET')).toHaveLength(2);
  });

  it('that does not agree with itself is not asked for ever', async () => {
    const server: FakeServer = await new FakeServer((words) =>
      isMap(words) ? slotsOf(server.port) : `-MOVED ${keySlot('a')} 127.0.0.1:${server.port}\r\n`,
    ).listen();
    const { ask } = transportTo([server]);
    expect((await ask(['GET', 'a'])).answer).toMatchObject({ status: 'MOVED' });
    expect(server.heard.filter(([word]) => word === 'GET')).toHaveLength(6);
  });

  it('that loses a server is asked for the new owner, and what waited goes there', async () => {
    let owner = 0;
    const lost = await new FakeServer(() => '$1\r\n1\r\n').listen();
    const left: FakeServer = await new FakeServer((words) => (isMap(words) ? slotsOf(owner) : '$1\r\n2\r\n')).listen();
    owner = lost.port;
    const { ask } = transportTo([left, lost], { timeoutMs: 5000 });
    lost.answer = (words) => (isMap(words) ? slotsOf(owner) : '$1\r\n1\r\n');
    expect(repliesOf(await ask(['GET', 'a']))).toEqual(['1']);
    lost.stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const asked = ask(['GET', 'a']);
    setTimeout(() => {
      owner = left.port;
    }, 300);
    expect(repliesOf(await asked)).toEqual(['2']);
  });
});
