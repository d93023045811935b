/** One connection to one Redis server: commands go out once, in order, and each ends in exactly one answer. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from './clock.ts';
import type { RedisAccess } from './redis-access.ts';
import { type Argument, CommandWriter, MalformedReplyError, ReplyError, ReplyReader } from './resp.ts';

export type { Argument } from './resp.ts';

export interface Command {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Values and words as bytes, not as text. */
  readonly asBuffer?: boolean;
}

/** How a command ended. `unsent` certainly did not run; of `lost` nobody knows. */
export type Answer = { readonly kind: 'reply'; readonly value: unknown } | Unanswered;

/** How a command ended that has no value. */
export type Unanswered =
  | { readonly kind: 'error'; readonly error: Error }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string };

/** Port after the last colon, so that an IPv6 host may stand before it. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}

/** A command whose answer has not come, in the order of the answers. */
interface Waiting {
  readonly asBuffer: boolean;
  readonly sentMs: number;
  readonly deadlineMs: number;
  readonly reply: (value: unknown) => void;
  /** Undefined when nobody waits any more. */
  otherwise: ((answer: Unanswered) => void) | undefined;
  next: Waiting | undefined;
}

/** The server, or the client, will have nothing to do with the other until somebody changes its configuration. */
export class RedisRefusedError extends Error {
  override readonly name = 'RedisRefusedError';
}

/** The error in words that say what to change; undefined when it is none of that kind. */
function refusalOf(address: string, { user, tls }: RedisAccess, error: unknown): RedisRefusedError | undefined {
  const { message = '', code = '' } = error as NodeJS.ErrnoException;
  const because = (reason: string) => new RedisRefusedError(`${address}: ${reason}`, { cause: error });
  if (message.startsWith('WRONGPASS')) {
    return because(`the password of user ${user?.name} is refused: KV_PASSWORD is another one than the server's`);
  }
  if (/^NOPERM|^NOAUTH/.test(message)) return because(`user ${user?.name ?? 'default'} may not do this: ${message}`);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return because(`its certificate is not for ${tls?.serverName}`);
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return because(`its certificate is not to be trusted: ${message}`);
  if (code === 'EPROTO') return because(`it does not speak TLS: ${message}`);
  return undefined;
}

function socketTo(address: string, { tls }: RedisAccess): Socket {
  const to = { ...splitAddress(address), noDelay: true, keepAlive: true };
  return tls ? connectTls({ ...to, ca: tls.ca, servername: tls.serverName }) : connect(to);
}

export class RedisConnection {
  readonly address: string;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #writer = new CommandWriter();
  readonly #reader = new ReplyReader();
  #runId = '';
  #usable = true;
  #failure: Error | undefined;
  /** Commands in the order of their answers. */
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #pending = 0;
  /** The first command that was not written yet. */
  #unwritten: Waiting | undefined;
  /** The one timer that watches over all of them. */
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  /** When the last answer came, or the first command since then went out. */
  #heardAtMs = 0;

  private constructor(address: string, socket: Socket, timeoutMs: number, clock: Clock) {
    this.address = address;
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('end', () => {
      this.#usable = false;
    });
    socket.on('close', () => this.#closed());
  }

  /**
   * Connects, names itself, and reads the server's run_id. Rejects when that was not done within `timeoutMs`, and with
   * {@link RedisRefusedError} when the server does not know the user or the client does not trust the server.
   */
  static async open(
    address: string,
    timeoutMs: number,
    clock: Clock,
    access: RedisAccess = {},
  ): Promise<RedisConnection> {
    const connection = new RedisConnection(address, socketTo(address, access), timeoutMs, clock);
    const tooLate = new Error(`not connected within ${timeoutMs} ms`);
    const timer = setTimeout(() => connection.#socket.destroy(tooLate), timeoutMs);
    try {
      await connection.#greet(access);
      return connection;
    } catch (error) {
      connection.close();
      const cause = connection.#failure ?? error;
      throw refusalOf(address, access, cause) ?? cause;
    } finally {
      clearTimeout(timer);
    }
  }

  async #greet({ user, tls }: RedisAccess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once(tls ? 'secureConnect' : 'connect', resolve);
      this.#socket.once('close', () => reject(this.#failure ?? new Error('the connection was closed')));
    });
    // Both at once: without the first, the second is refused as well.
    const named = user && this.#ask({ name: 'AUTH', args: [user.name, user.password] });
    const info = this.#ask({ name: 'INFO', args: ['server'] });
    await Promise.all([named, info]);
    const runId = /^run_id:(\w+)/m.exec(String(await info))?.[1];
    if (runId === undefined) throw new Error('INFO names no run_id');
    this.#runId = runId;
  }

  async #ask(command: Command): Promise<unknown> {
    const answer = await this.send(command, this.#timeoutMs);
    if (answer.kind === 'reply') return answer.value;
    throw answer.kind === 'error' ? answer.error : new Error(answer.reason);
  }

  /** Of the server process at the other end; a restart of it ends the connection, so it never changes. */
  get runId(): string {
    return this.#runId;
  }

  get usable(): boolean {
    return this.#usable;
  }

  /** How many commands wait for their answer. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Sends the command behind those sent before, and gives up on its answer after `timeoutMs`. A connection on which
   * nothing at all was answered for the time-out it was opened with is closed then.
   */
  send(command: Command, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const reply = (value: unknown) => resolve({ kind: 'reply', value });
      this.submit(command, this.#clock.monotonicMs(), timeoutMs, reply, resolve);
    });
  }

  /**
   * The same without a promise: one of `reply` and `otherwise` is called once, maybe at once. `nowMs` is the clock's
   * monotonic time.
   */
  submit(
    command: Command,
    nowMs: number,
    timeoutMs: number,
    reply: (value: unknown) => void,
    otherwise: (answer: Unanswered) => void,
  ): void {
    if (!this.#usable) {
      otherwise({ kind: 'unsent', reason: `${this.address}: the connection is closed` });
      return;
    }
    this.#writer.add(command.name, command.args);
    const deadlineMs = nowMs + timeoutMs;
    const asBuffer = command.asBuffer === true;
    const waiting: Waiting = { asBuffer, sentMs: nowMs, deadlineMs, reply, otherwise, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
    if (this.#pending++ === 0) this.#heardAtMs = nowMs;
    if (this.#timer === undefined || this.#timerAtMs > deadlineMs) this.#watch(deadlineMs, nowMs);
    if (this.#unwritten !== undefined) return;
    this.#unwritten = waiting;
    // After silence at once. Else after everything that this turn of the event loop still reads: all that it sends leaves in
    // one write, and the server has something to do meanwhile.
    if (this.#pending === 1) process.nextTick(() => this.#write());
    else setImmediate(() => this.#write());
  }

  #write(): void {
    // What is not written when the connection ends stays known as such.
    if (!this.#usable) return;
    this.#unwritten = undefined;
    const pieces = this.#writer.take();
    if (pieces.length > 1) this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    if (pieces.length > 1) this.#socket.uncork();
  }

  #read(chunk: Buffer): void {
    this.#reader.push(chunk);
    const nowMs = this.#clock.monotonicMs();
    try {
      for (let waiting = this.#first; waiting !== undefined; waiting = this.#first) {
        const value = this.#reader.next(waiting.asBuffer);
        if (value === undefined) return;
        this.#heardAtMs = nowMs;
        this.#shift(waiting);
        if (waiting.otherwise === undefined) continue;
        if (value instanceof ReplyError) waiting.otherwise({ kind: 'error', error: value });
        else waiting.reply(value);
      }
      if (this.#reader.hasMore) throw new MalformedReplyError('an answer that nobody asked for');
    } catch (error) {
      if (!(error instanceof MalformedReplyError)) throw error;
      // No answer can be told from the next any more.
      this.close(error);
    }
  }

  #shift(waiting: Waiting): void {
    this.#first = waiting.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#pending--;
  }

  /** What was written is lost, and what was not is unsent. */
  #closed(): void {
    this.#usable = false;
    clearTimeout(this.#timer);
    const why = this.#failure === undefined ? '' : `: ${this.#failure.message}`;
    let kind: 'lost' | 'unsent' = 'lost';
    for (let waiting = this.#first; waiting !== undefined; waiting = this.#first) {
      if (waiting === this.#unwritten) kind = 'unsent';
      this.#shift(waiting);
      waiting.otherwise?.({ kind, reason: `${this.address}: the connection was lost${why}` });
    }
  }

  /** One timer for all, set to the first deadline of those that waited when it last ran out. */
  #watch(deadlineMs: number, nowMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = deadlineMs;
    // After a stall of this process the answer may be waiting in the socket: read before giving up.
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), deadlineMs - nowMs);
    // The socket keeps the process alive as long as an answer may come.
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    let gaveUp = false;
    for (let waiting = this.#first; waiting !== undefined; waiting = waiting.next) {
      const { otherwise, sentMs, deadlineMs } = waiting;
      if (otherwise === undefined) continue;
      // A timer may run out a little before its time.
      if (deadlineMs > nowMs + 1) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      gaveUp = true;
      waiting.otherwise = undefined;
      otherwise({ kind: 'lost', reason: `${this.address}: no answer within ${Math.round(deadlineMs - sentMs)} ms` });
    }
    if (gaveUp && nowMs - this.#heardAtMs >= 0.9 * this.#timeoutMs) this.close();
    if (nextMs < Number.POSITIVE_INFINITY && this.#usable) this.#watch(nextMs, nowMs);
  }

  /** Ends the connection; what is in flight is lost. */
  close(reason?: Error): void {
    this.#usable = false;
    this.#socket.destroy(reason);
  }
}
