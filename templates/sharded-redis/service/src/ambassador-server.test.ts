import { once } from 'node:events';
import { connect, type Server } from 'node:net';
import { KvUnavailableError } from '@dsp/kit/kv';
import { afterEach, describe, expect, it } from 'vitest';
import { createAmbassador, listen } from './ambassador-server.ts';

interface Sent {
  readonly key: string;
  readonly name: string;
  readonly args: readonly string[];
  readonly readOnly: boolean;
}

let server: Server | undefined;
afterEach(async () => {
  server?.close();
  if (server) await once(server, 'close');
  server = undefined;
});

/** All that an ambassador over `reply` says to `text`, after which the client takes its leave. */
async function say(text: string, reply: (sent: Sent) => unknown, sent: Sent[] = []): Promise<string> {
  const limits = { maxBytes: 1000, maxArguments: 10 };
  const kv = {
    async command(key: string, command: { name: string; args: readonly unknown[] }, readOnly: boolean) {
      const one = { key, name: command.name, args: command.args.map(String), readOnly };
      sent.push(one);
      return reply(one);
    },
  };
  server = createAmbassador({ kv, limits, runId: 'r1' });
  const port = await listen(server, '127.0.0.1', 0);
  const socket = connect(port, '127.0.0.1', () => socket.write(`${text}QUIT\r\n`));
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  await once(socket, 'close');
  return answer.replace(/\+OK\r\n$/, '');
}

describe('the ambassador', () => {
  it('sends each command to the owner of its key, and gives words and values apart', async () => {
    const sent: Sent[] = [];
    const answers: Record<string, unknown> = { SET: Buffer.from('OK'), GET: Buffer.from('OK'), INCR: 2 };
    const said = await say('SET a 1\r\nget a\r\nINCR b\r\n', ({ name }) => answers[name], sent);
    expect(said).toBe('+OK\r\n$2\r\nOK\r\n:2\r\n');
    expect(sent).toEqual([
      { key: 'a', name: 'SET', args: ['a', '1'], readOnly: false },
      { key: 'a', name: 'GET', args: ['a'], readOnly: true },
      { key: 'b', name: 'INCR', args: ['b'], readOnly: false },
    ]);
  });

  it('answers in the order of asking, whoever is quicker', async () => {
    const slowFirst = ({ key }: Sent) => new Promise((resolve) => setTimeout(() => resolve(key), key === 'a' ? 50 : 0));
    expect(await say('GET a\r\nGET b\r\nPING\r\n', slowFirst)).toBe('$1\r\na\r\n$1\r\nb\r\n+PONG\r\n');
  });

  it('joins what several servers say', async () => {
    const said = await say('MGET a b\r\nDEL a b c\r\n', ({ key, name }) => (name === 'MGET' ? [key] : 1));
    expect(said).toBe('*2\r\n$1\r\na\r\n$1\r\nb\r\n:3\r\n');
  });

  it('tells what was not done from what nobody knows', async () => {
    const fails = ({ key }: Sent) => {
      throw new KvUnavailableError('silent', key === 'a');
    };
    const said = await say('SET a 1\r\nSET b 1\r\n', fails);
    expect(said).toBe('-UNKNOWN it may have run: silent\r\n-UNAVAILABLE nothing was done: silent\r\n');
  });

  it('refuses what no single server can answer, and goes on', async () => {
    const said = await say('FLUSHALL\r\nGET\r\nPING\r\n', () => null);
    expect(said).toMatch(/^-ERR 'flushall' is not for a ring.*\r\n-ERR wrong number.*\r\n\+PONG\r\n$/);
  });

  it('ends a connection that sends no requests', async () => {
    expect(await say('*999\r\n', () => null)).toMatch(/^-ERR Protocol error.*\r\n$/);
  });

  it('ends a connection at QUIT, after what was asked before', async () => {
    expect(await say('GET a\r\nQUIT\r\nGET b\r\n', () => 'v')).toBe('$1\r\nv\r\n');
  });
});
