/** The connection against a server of a few lines, which answers when the test says so. */

import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { type Answer, RedisConnection, RedisRefusedError } from './redis-connection.ts';

const info = '$11\r\nrun_id:abc\n\r\n';
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Served {
  readonly address: string;
  /** Each write of the client as it came. */
  readonly chunks: string[];
  readonly sockets: Socket[];
}

/** `answer` is given what has come in one piece; what it returns is sent. */
async function serve(answer: (text: string) => string | undefined): Promise<Served> {
  const served = { chunks: [] as string[], sockets: [] as Socket[] };
  const server = createServer((socket) => {
    served.sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const text = bytes.toString();
      const reply = answer(text);
      if (text.includes('INFO')) {
        socket.write(reply ?? info);
        return;
      }
      served.chunks.push(text);
      if (reply !== undefined) socket.write(reply);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.close();
    for (const socket of served.sockets) socket.destroy();
  });
  return { ...served, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function connected(served: Served, timeoutMs = 5_000): Promise<RedisConnection> {
  const connection = await RedisConnection.open(served.address, timeoutMs, systemClock);
  closing.push(() => connection.close());
  return connection;
}

const get = (key: string) => ({ name: 'GET', args: [key] });
const kindOf = ({ kind }: Answer) => kind;

describe('RedisConnection', () => {
  it('sends what one turn asks for in one write, and gives each its answer', async () => {
    const served = await serve((text) => (text.includes('GET') ? ':1\r\n-ERR no\r\n$1\r\nx\r\n' : undefined));
    const connection = await connected(served);
    expect(connection.runId).toBe('abc');
    const answers = ['a', 'b', 'c'].map((key) => connection.send(get(key), 5_000));
    expect(connection.pending).toBe(3);
    expect(await Promise.all(answers)).toEqual([
      { kind: 'reply', value: 1 },
      { kind: 'error', error: expect.objectContaining({ message: 'ERR no' }) },
      { kind: 'reply', value: 'x' },
    ]);
    expect(served.chunks).toEqual([
      '*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n',
    ]);
    expect(connection.pending).toBe(0);
  });

  it('joins what later callbacks of a turn ask for, while an answer is still to come', async () => {
    const served = await serve(() => undefined);
    const connection = await connected(served);
    void connection.send(get('a'), 5_000);
    await expect.poll(() => served.chunks.length).toBe(1);
    const writes = vi.spyOn(Socket.prototype, 'write');
    for (const key of ['b', 'c', 'd']) setImmediate(() => void connection.send(get(key), 5_000));
    await expect.poll(() => served.chunks.join('').match(/GET/g)).toHaveLength(4);
    expect(writes).toHaveBeenCalledTimes(1);
    writes.mockRestore();
  });

  it('tells what was never written from what may have run', async () => {
    const served = await serve(() => undefined);
    const connection = await connected(served);
    const written = connection.send(get('a'), 5_000);
    await expect.poll(() => served.chunks.length).toBe(1);
    const unwritten = connection.send(get('b'), 5_000);
    connection.close();
    const late = connection.send(get('c'), 5_000);
    expect((await Promise.all([written, unwritten, late])).map(kindOf)).toEqual(['lost', 'unsent', 'unsent']);
    expect(served.chunks.join('')).not.toContain('$1\r\nb');
    expect(connection.usable).toBe(false);
  });

  it('loses what is in flight when the server goes', async () => {
    const served = await serve(() => undefined);
    const connection = await connected(served);
    const asked = connection.send(get('a'), 5_000);
    await expect.poll(() => served.chunks.length).toBe(1);
    served.sockets[0]?.destroy();
    expect(await asked).toMatchObject({ kind: 'lost' });
    expect(connection.usable).toBe(false);
  });

  it('gives a late answer to nobody, and the next one to whom it belongs', async () => {
    const served = await serve(() => undefined);
    const connection = await connected(served);
    const [early, later] = [connection.send(get('a'), 30), connection.send(get('b'), 60_000)];
    expect(await early).toMatchObject({ kind: 'lost', reason: expect.stringContaining('no answer within 30 ms') });
    expect(connection.pending).toBe(2);
    served.sockets[0]?.write(':1\r\n:2\r\n');
    expect(await later).toEqual({ kind: 'reply', value: 2 });
    expect(connection.usable).toBe(true);
  });

  it('closes when nothing at all was answered for its time-out', async () => {
    const served = await serve(() => undefined);
    const connection = await connected(served, 200);
    const answers = await Promise.all([connection.send(get('a'), 200), connection.send(get('b'), 60_000)]);
    expect(answers.map(kindOf)).toEqual(['lost', 'lost']);
    expect(connection.usable).toBe(false);
  });

  it.each([
    ['an answer that nobody asked for', ':1\r\n:2\r\n'],
    ['something that is no answer', 'HTTP/1.1 400\r\n'],
  ])('ends at %s', async (_, bytes) => {
    const served = await serve((text) => (text.includes('GET') ? bytes : undefined));
    const connection = await connected(served);
    await connection.send(get('a'), 5_000);
    await expect.poll(() => connection.usable).toBe(false);
    expect(await connection.send(get('b'), 5_000)).toMatchObject({ kind: 'unsent' });
  });

  it('is refused by name, and gives up on a server that says nothing', async () => {
    const refusing = await serve((text) => (text.includes('AUTH') ? '-WRONGPASS bad\r\n-NOAUTH first\r\n' : undefined));
    const access = { user: { name: 'ada', password: 'wrong' } };
    const refused = RedisConnection.open(refusing.address, 5_000, systemClock, access);
    await expect(refused).rejects.toThrow(RedisRefusedError);
    await expect(refused).rejects.toThrow('the password of user ada is refused');
    const silent = await serve(() => '');
    await expect(RedisConnection.open(silent.address, 100, systemClock)).rejects.toThrow('100 ms');
    await expect(RedisConnection.open('127.0.0.1:1', 5_000, systemClock)).rejects.toThrow('ECONNREFUSED');
  });
});
