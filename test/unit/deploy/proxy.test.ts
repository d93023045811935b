import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { NetworkRule } from '../../../src/deploy/deployment.ts';
import type { LocalConnection } from '../../../src/deploy/local/procfs.ts';
import { ProxyControl } from '../../../src/deploy/local/proxy/client.ts';
import { tokenFile } from '../../../src/deploy/local/proxy/files.ts';
import { ProxyServer } from '../../../src/deploy/local/proxy/server.ts';
import { seededRandom } from '../../../src/random.ts';
import { claimPort } from '../../fixtures/ports.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const host = '127.0.0.1';
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(0, host);
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as { port: number }).port;
}

/** A proxy before a server that says everything back; `owner` is who every connection comes from. */
async function world(owner: string | null = null) {
  const accepted: Socket[] = [];
  const target = await listen((socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
    closers.push(() => socket.destroy());
  });
  const [port, controlPort] = [await claimPort(), await claimPort()];
  const folder = temporaryFolder('proxy');
  writeFileSync(join(folder, tokenFile), 'secret');
  const routes = [{ instance: 'store-0', set: 'store', listen: port, target }];
  const ownersOf = (connections: readonly LocalConnection[]) => connections.map(() => owner);
  const proxy = new ProxyServer({
    host,
    controlPort,
    token: 'secret',
    routes,
    ownersOf,
    clock: systemClock,
    random: seededRandom(1),
  });
  await proxy.start();
  closers.push(() => proxy.close());
  const control = async () => {
    const opened = await ProxyControl.open(host, controlPort, folder);
    closers.push(() => opened.close());
    return opened;
  };
  const disturb = async (rule: NetworkRule, instance = 'store-0', set = 'store') => {
    const opened = await control();
    await opened.disturb({ instance, set, rule });
    return opened;
  };
  return { port, controlPort, accepted, routes, control, disturb };
}

class Client {
  readonly socket: Socket;
  text = '';
  ended: string | null = null;

  constructor(port: number) {
    this.socket = connect({ host, port });
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended = error.code ?? 'error';
    });
    this.socket.on('close', () => {
      this.ended ??= 'closed';
    });
    closers.push(() => this.socket.destroy());
  }

  say(text: string): void {
    this.socket.write(text);
  }
}

/** Polls with a generous bound. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await systemClock.sleep(10);
  expect(holds()).toBe(true);
}

const quiet = () => systemClock.sleep(150);
const all = { among: 'all' } as const;

describe('the fault proxy', () => {
  it('passes bytes both ways, and ends with either side', async () => {
    const { port, accepted } = await world();
    const client = new Client(port);
    client.say('hello');
    await until(() => client.text === 'hello');
    accepted[0]?.end('bye');
    client.socket.end();
    await until(() => client.ended === 'closed' && client.text === 'hellobye');
    const other = new Client(port);
    other.say('x');
    await until(() => accepted.length === 2);
    accepted[1]?.resetAndDestroy();
    await until(() => other.ended === 'ECONNRESET');
  });

  it('delays what passes, in order, and says how much', async () => {
    const { port, disturb } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const rule = await disturb({ kind: 'latency', ms: 200, jitterMs: 100, ...all });
    const startMs = systemClock.monotonicMs();
    client.say('b');
    await systemClock.sleep(20);
    client.say('c');
    await until(() => client.text === 'abc');
    // Each way.
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(400);
    expect(await rule.lift()).toMatchObject({ connections: 1, delayedBytes: 4 });
    client.say('d');
    await until(() => client.text === 'abcd');
  });

  it('resets what is there, and what comes', async () => {
    const { port, disturb, accepted } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const ended: string[] = [];
    accepted[0]?.on('error', (error: NodeJS.ErrnoException) => ended.push(error.code ?? ''));
    const rule = await disturb({ kind: 'reset', everyMs: 30, ...all });
    await until(() => client.ended === 'ECONNRESET' && ended.includes('ECONNRESET'));
    const next = new Client(port);
    await until(() => next.ended === 'ECONNRESET');
    expect((await rule.lift()).resets).toBeGreaterThanOrEqual(2);
    const after = new Client(port);
    after.say('b');
    await until(() => after.text === 'b');
  });

  it('holds back what runs through a partition until it is over', async () => {
    const { port, disturb, accepted } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const rule = await disturb({ kind: 'partition', way: 'both', ...all });
    client.say('b');
    const late = new Client(port);
    late.say('c');
    await quiet();
    expect([client.text, late.text, accepted.length]).toEqual(['a', '', 1]);
    expect(await rule.lift()).toMatchObject({ connections: 2, heldBytes: 1 });
    await until(() => client.text === 'ab' && late.text === 'c');
  });

  it('keeps an end from the other side for as long as the partition lasts', async () => {
    const { port, disturb, accepted } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const ended: string[] = [];
    accepted[0]?.on('close', () => ended.push('closed'));
    const rule = await disturb({ kind: 'partition', way: 'both', ...all });
    client.socket.destroy();
    await quiet();
    expect(ended).toEqual([]);
    await rule.lift();
    await until(() => ended.length === 1);
  });

  it.each([
    ['in', '', 'a'],
    ['out', 'b', 'a'],
  ] as const)('stops one way only: %s', async (way, arrived, answered) => {
    const { port, disturb, accepted } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    let seen = '';
    accepted[0]?.on('data', (chunk) => {
      seen += chunk.toString();
    });
    await disturb({ kind: 'partition', way, ...all });
    client.say('b');
    await quiet();
    expect([seen, client.text]).toEqual([arrived, answered]);
  });

  it('leaves half-open connections dead for good, and new ones alone', async () => {
    const { port, disturb } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const rule = await disturb({ kind: 'half-open', ...all });
    client.say('lost');
    const next = new Client(port);
    next.say('b');
    await until(() => next.text === 'b');
    await quiet();
    expect([client.text, client.ended]).toEqual(['a', null]);
    expect(await rule.lift()).toMatchObject({ connections: 1, swallowedBytes: 4 });
    await until(() => client.ended === 'ECONNRESET');
    expect(next.ended).toBeNull();
  });

  it.each<[string | null, 'peers' | 'clients', boolean]>([
    ['store-1', 'peers', true],
    ['store-1', 'clients', false],
    ['api-0', 'peers', false],
    ['api-0', 'clients', true],
    [null, 'clients', true],
  ])('tells apart who connects: from %s, cut off from %s: %s', async (owner, among, isCut) => {
    const found = await world(owner);
    const { port, control, routes, disturb } = found;
    const [another, service] = [await claimPort(), await claimPort()];
    await (await control()).setRoutes([
      ...routes,
      { instance: 'store-1', set: 'store', listen: another, target: 1 },
      { instance: 'api-0', set: 'api', listen: service, target: 1 },
    ]);
    await disturb({ kind: 'partition', way: 'both', among });
    const client = new Client(port);
    client.say('a');
    await quiet();
    expect(client.text).toBe(isCut ? '' : 'a');
  });

  it('cuts off what the instance itself connects to', async () => {
    const { port, disturb } = await world('store-1');
    await disturb({ kind: 'partition', way: 'both', ...all }, 'store-1');
    const client = new Client(port);
    client.say('a');
    await quiet();
    expect(client.text).toBe('');
  });

  it('heals when the one who asked is gone', async () => {
    const { port, disturb } = await world();
    const rule = await disturb({ kind: 'partition', way: 'both', ...all });
    const client = new Client(port);
    client.say('a');
    await quiet();
    expect(client.text).toBe('');
    // As the kernel does for a process that was killed.
    rule.close();
    await until(() => client.text === 'a');
  });

  it('adds up what overlaps', async () => {
    const { port, disturb } = await world();
    const first = await disturb({ kind: 'latency', ms: 100, jitterMs: 0, ...all });
    const second = await disturb({ kind: 'latency', ms: 150, jitterMs: 0, ...all });
    const client = new Client(port);
    const startMs = systemClock.monotonicMs();
    client.say('a');
    await until(() => client.text === 'a');
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(500);
    expect((await first.lift()).delayedBytes).toBe(2);
    expect((await second.lift()).delayedBytes).toBe(2);
  });

  it('takes other routes while it serves, and leaves the connections of those that stay', async () => {
    const { port, control, routes } = await world();
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
    const more = await claimPort();
    const opened = await control();
    await opened.setRoutes([...routes, { ...routes[0]!, instance: 'store-1', listen: more }]);
    const other = new Client(more);
    other.say('b');
    client.say('c');
    await until(() => other.text === 'b' && client.text === 'ac');
    await opened.setRoutes(routes);
    await until(() => other.ended === 'ECONNRESET');
    expect(client.ended).toBeNull();
  });

  it('listens to nobody without the token', async () => {
    const { controlPort, port } = await world();
    const stranger = new Client(controlPort);
    stranger.say('guess\n{"kind":"routes","routes":[]}\n');
    await until(() => stranger.ended !== null);
    const client = new Client(port);
    client.say('a');
    await until(() => client.text === 'a');
  });
});
