/** One connection to one Redis server: commands go out once, in order, and each ends in exactly one answer. */

import { Redis, ReplyError } from 'ioredis';
import type { Clock } from './clock.ts';
import type { RedisAccess } from './redis-access.ts';

export type Argument = string | Buffer | number;

export interface Command {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Bulk replies as bytes, not as text. */
  readonly asBuffer?: boolean;
}

/** How a command ended. `unsent` certainly did not run; of `lost` nobody knows. */
export type Answer =
  | { readonly kind: 'reply'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: Error }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string };

/** Port after the last colon, so that an IPv6 host may stand before it. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}

interface Waiting {
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly resolve: (answer: Answer) => void;
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

export class RedisConnection {
  readonly address: string;
  /** Of the server process at the other end; a restart of it ends the connection, so it never changes. */
  readonly runId: string;
  readonly #redis: Redis;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  #pending = 0;
  /** Commands whose time is not up, and the one timer that watches over them. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  /** When the last answer came, or the first command since then went out. */
  #heardAtMs = 0;
  #corked = false;

  private constructor(address: string, runId: string, redis: Redis, timeoutMs: number, clock: Clock) {
    this.address = address;
    this.runId = runId;
    this.#redis = redis;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
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
    const { user, tls } = access;
    const redis = new Redis({
      ...splitAddress(address),
      ...(tls ? { tls: { ca: tls.ca, servername: tls.serverName } } : {}),
      lazyConnect: true,
      connectTimeout: timeoutMs,
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      // What is sent must be known to be sent: no queue, no resending, no reconnecting behind our back.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // Failures arrive through the commands' promises; an `error` event without a listener would be printed.
    let failure: Error | undefined;
    redis.on('error', (error) => {
      failure = error;
    });
    const timer = setTimeout(() => redis.disconnect(), timeoutMs);
    try {
      await redis.connect();
      // Not left to the driver, which would go on as nobody after a refusal.
      if (user !== undefined) await redis.call('AUTH', user.name, user.password);
      const info = String(await redis.call('INFO', 'server'));
      const runId = /^run_id:(\w+)/m.exec(info)?.[1];
      if (runId === undefined) throw new Error('INFO names no run_id');
      return new RedisConnection(address, runId, redis, timeoutMs, clock);
    } catch (error) {
      redis.disconnect();
      throw refusalOf(address, access, failure ?? error) ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  get usable(): boolean {
    return this.#redis.status === 'ready' && this.#redis.stream.writable;
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
    if (!this.usable) return Promise.resolve({ kind: 'unsent', reason: `${this.address}: the connection is closed` });
    const nowMs = this.#clock.monotonicMs();
    if (this.#pending++ === 0) this.#heardAtMs = nowMs;
    this.#cork();
    const args = command.args as (string | Buffer | number)[];
    const reply = command.asBuffer ? this.#redis.callBuffer(command.name, args) : this.#redis.call(command.name, args);
    return new Promise((resolve) => {
      const waiting = { deadlineMs: nowMs + timeoutMs, timeoutMs, resolve };
      this.#waiting.add(waiting);
      this.#watch(waiting.deadlineMs, nowMs);
      reply.then(
        (value) => this.#end(waiting, { kind: 'reply', value }),
        (error: unknown) => this.#end(waiting, this.#failed(error)),
      );
    });
  }

  #end(waiting: Waiting, answer: Answer): void {
    this.#pending--;
    this.#heardAtMs = this.#clock.monotonicMs();
    this.#waiting.delete(waiting);
    waiting.resolve(answer);
  }

  #failed(error: unknown): Answer {
    if (error instanceof ReplyError) return { kind: 'error', error: error as Error };
    return { kind: 'lost', reason: `${this.address}: the connection was lost` };
  }

  /** One timer for all, set to the first deadline of those that waited when it last ran out. */
  #watch(deadlineMs: number, nowMs: number): void {
    if (this.#timer !== undefined && this.#timerAtMs <= deadlineMs) return;
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
    for (const waiting of this.#waiting) {
      // A timer may run out a little before its time.
      if (waiting.deadlineMs > nowMs + 1) {
        nextMs = Math.min(nextMs, waiting.deadlineMs);
        continue;
      }
      gaveUp = true;
      this.#waiting.delete(waiting);
      waiting.resolve({
        kind: 'lost',
        reason: `${this.address}: no answer within ${Math.round(waiting.timeoutMs)} ms`,
      });
    }
    if (gaveUp && nowMs - this.#heardAtMs >= 0.9 * this.#timeoutMs) this.close();
    if (nextMs < Number.POSITIVE_INFINITY) this.#watch(nextMs, nowMs);
  }

  /** Ends the connection; what is in flight is lost. */
  close(): void {
    this.#redis.disconnect();
  }

  /** Commands sent in one turn of the event loop leave in one write. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    const { stream } = this.#redis;
    stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      stream.uncork();
    });
  }
}
