/**
 * The ambassador's Redis side: any Redis client connects to one address, and each command goes to the server of the ring
 * that owns its key. What no single server can answer (scripts, transactions, scans, subscriptions) is refused by name.
 */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { RoutedKv } from '@dsp/kit/kv';
import { KvUnavailableError } from '@dsp/kit/kv';
import { encodeReply, ProtocolError, RequestReader, type RespLimits, Status } from './resp.ts';
import { joinAnswers, partsOf, type RingCommand, ringCommand } from './ring-commands.ts';

export interface AmbassadorOptions {
  readonly kv: Pick<RoutedKv, 'command'>;
  readonly limits: RespLimits;
  /** Of this process, as a Redis server has one: it changes with every restart. */
  readonly runId: string;
}

/** Requests of one connection that are under way at a time; more wait in its socket. */
const maxUnderWay = 1_024;

/** Listens nowhere yet. */
export function createAmbassador(options: AmbassadorOptions): Server {
  return createServer({ noDelay: true }, (socket) => serve(socket, options));
}

export async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

function serve(socket: Socket, options: AmbassadorOptions): void {
  const reader = new RequestReader(options.limits);
  /** Answers leave in the order of their requests, however their servers took turns. */
  let last: Promise<void> = Promise.resolve();
  let underWay = 0;
  const answerWith = (answer: Promise<unknown>, andEnd: boolean) => {
    underWay++;
    if (underWay >= maxUnderWay) socket.pause();
    last = Promise.all([answer, last]).then(([value]) => {
      underWay--;
      if (underWay < maxUnderWay) socket.resume();
      if (socket.writable) socket.write(encodeReply(value));
      if (andEnd) socket.end();
    });
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    try {
      for (const words of reader.read(chunk)) answerWith(answer(words, options), isQuit(words));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      answerWith(Promise.resolve(new Error(`ERR Protocol error: ${error.message}`)), true);
    }
  });
}

const isQuit = ([name]: readonly Buffer[]) => name?.toString('latin1').toLowerCase() === 'quit';

/** Never rejects: an error is an answer too. */
async function answer(words: readonly Buffer[], options: AmbassadorOptions): Promise<unknown> {
  const [first, ...args] = words as [Buffer, ...Buffer[]];
  const name = first.toString('latin1').toLowerCase();
  const own = ownAnswer(name, args, options);
  if (own !== undefined) return own;
  const command = ringCommand(name);
  if (command === undefined)
    return new Error(`ERR '${name.slice(0, 40)}' is not for a ring: no single server can answer it`);
  if (args.length === 0) return new Error(`ERR wrong number of arguments for '${name}' command`);
  try {
    return await fromOwners(name, command, args, options.kv);
  } catch (error) {
    return errorAnswer(error);
  }
}

async function fromOwners(
  name: string,
  command: RingCommand,
  args: readonly Buffer[],
  kv: AmbassadorOptions['kv'],
): Promise<unknown> {
  const answers = await Promise.all(
    partsOf(name, command, args).map((part) =>
      kv.command(part.key.toString(), { name: name.toUpperCase(), args: part.args, asBuffer: true }, command.readOnly),
    ),
  );
  const joined = joinAnswers(command, answers);
  return isWord(name, joined) ? new Status(joined.toString()) : joined;
}

/** The kit's client does not tell a word from a value: the commands that answer with words are known. */
function isWord(name: string, value: unknown): value is Buffer {
  if (!Buffer.isBuffer(value)) return false;
  if (name === 'type') return true;
  return ['set', 'setex', 'psetex', 'lset', 'ltrim'].includes(name) && value.toString('latin1') === 'OK';
}

function errorAnswer(error: unknown): Error {
  if (error instanceof KvUnavailableError) {
    return new Error(
      `${error.mayHaveRun ? 'UNKNOWN it may have run' : 'UNAVAILABLE nothing was done'}: ${error.message}`,
    );
  }
  return error instanceof Error ? error : new Error(`ERR ${String(error)}`);
}

/** What clients say to any server before and between their commands; undefined for everything else. */
function ownAnswer(name: string, args: readonly Buffer[], { runId }: AmbassadorOptions): unknown {
  switch (name) {
    case 'ping':
      return args[0] ?? new Status('PONG');
    case 'echo':
      return args[0];
    case 'quit':
      return new Status('OK');
    case 'select':
      return args[0]?.toString() === '0' ? new Status('OK') : new Error('ERR a ring has one database, 0');
    case 'client':
      return clientAnswer(args);
    case 'command':
      return [];
    case 'hello':
      return new Error('NOPROTO the ambassador speaks RESP2');
    case 'info':
      return `# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nrun_id:${runId}\r\nloading:0\r\n`;
    default:
      return undefined;
  }
}

function clientAnswer([word]: readonly Buffer[]): unknown {
  const subcommand = word?.toString('latin1').toLowerCase();
  if (subcommand === 'setinfo' || subcommand === 'setname') return new Status('OK');
  return new Error('ERR the ambassador knows CLIENT SETINFO and SETNAME');
}
