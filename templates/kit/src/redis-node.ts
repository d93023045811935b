/**
 * One Redis server as a client uses it: a connection for plain commands, and one for writes that wait for replicas.
 *
 * WAIT blocks its connection until the replicas have acknowledged, and with it every command behind it. So the writes
 * that wait are committed in groups: while one group waits, the next gathers, and goes out as one burst of commands
 * with one WAIT behind it, which covers them all. Plain commands never stand behind a WAIT. More connections with
 * smaller groups were slower when measured (4 instead of 1: −14 to −32 %).
 */

import type { Clock } from './clock.ts';
import type { RedisAccess } from './redis-access.ts';
import { type Answer, type Command, RedisConnection, type Unanswered } from './redis-connection.ts';

export interface Attempt {
  /** Or how it is made, with the run_id of the server that it is about to be sent to. */
  readonly command: Command | ((runId: string) => Command);
  /** Send ASKING right before it: the slot is on its way to this server. */
  readonly asking: boolean;
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  /** On the clock's monotonic scale: the command is not sent after it. */
  readonly deadlineMs: number;
}

/** A reply says how many replicas acknowledged it, when the attempt asked to wait for some. */
export type AttemptAnswer = Answer & { readonly acknowledged?: number };

interface Queued {
  readonly attempt: Attempt;
  readonly resolve: (answer: AttemptAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

/** A command waits this long for a connection, then its sender looks again who owns the key. */
const connectPatienceMs = 100;
/** After a failed connect the next try is no sooner than this. */
const reconnectPauseMs = 50;

export class RedisNode {
  readonly address: string;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #plain: Link;
  readonly #commits: Link;
  /** Writes that wait for the group before them. */
  #queue: Queued[] = [];
  #committing = false;

  constructor(address: string, timeoutMs: number, clock: Clock, access: RedisAccess = {}) {
    this.address = address;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    const open = () => RedisConnection.open(address, timeoutMs, clock, access);
    this.#plain = new Link(address, clock, open);
    this.#commits = new Link(address, clock, open);
  }

  /** Connects; rejects when the server was not reached within the time-out. */
  async open(): Promise<void> {
    await this.#plain.open();
  }

  /** Sends the command once, at most; `unsent` when no connection was there in time. */
  attempt(attempt: Attempt): Promise<AttemptAnswer> {
    return attempt.waitReplicas > 0 ? this.#commit(attempt) : this.#attemptWhenOpen(attempt);
  }

  /**
   * The same for what waits for no replica, without a promise where the connection is there: one of `reply` and `otherwise`
   * is called once, maybe at once. `nowMs` and `deadlineMs` are on the clock's monotonic scale.
   */
  submit(
    command: Attempt['command'],
    nowMs: number,
    deadlineMs: number,
    reply: (value: unknown) => void,
    otherwise: (answer: Unanswered) => void,
  ): void {
    const connection = this.#plain.current;
    if (connection !== undefined) {
      connection.submit(commandFor(connection, command), nowMs, deadlineMs - nowMs, reply, otherwise);
      return;
    }
    void this.#attemptWhenOpen({ command, asking: false, waitReplicas: 0, waitTimeoutMs: 0, deadlineMs }).then(
      (answer) => (answer.kind === 'reply' ? reply(answer.value) : otherwise(answer)),
    );
  }

  async #attemptWhenOpen(attempt: Attempt): Promise<AttemptAnswer> {
    const connection = this.#plain.current ?? (await this.#plain.connection(attempt.deadlineMs));
    if (typeof connection === 'string') return { kind: 'unsent', reason: connection };
    return sendOne(connection, attempt, attempt.deadlineMs - this.#clock.monotonicMs());
  }

  /** Closes what nobody is waiting for. */
  closeIdle(): void {
    this.#plain.closeIdle();
    this.#commits.closeIdle();
  }

  close(): void {
    this.#plain.close();
    this.#commits.close();
  }

  #commit(attempt: Attempt): Promise<AttemptAnswer> {
    return new Promise((resolve) => {
      const expire = () => {
        const index = this.#queue.indexOf(queued);
        if (index < 0) return;
        this.#queue.splice(index, 1);
        resolve({ kind: 'unsent', reason: `${this.address}: earlier writes are still waiting for a replica` });
      };
      const timer = setTimeout(expire, Math.max(0, attempt.deadlineMs - this.#clock.monotonicMs()));
      const queued: Queued = { attempt, resolve, timer };
      this.#queue.push(queued);
      this.#pump();
    });
  }

  /** Sends the next group unless one is out: the oldest write, and all that wait for the same. */
  #pump(): void {
    const [oldest] = this.#queue;
    if (this.#committing || oldest === undefined) return;
    const { waitReplicas, waitTimeoutMs } = oldest.attempt;
    const fits = ({ attempt }: Queued) =>
      attempt.waitReplicas === waitReplicas && attempt.waitTimeoutMs === waitTimeoutMs;
    const group = this.#queue.filter(fits);
    this.#queue = this.#queue.filter((queued) => !fits(queued));
    this.#committing = true;
    this.#commitGroup(group, waitReplicas, waitTimeoutMs).finally(() => {
      this.#committing = false;
      this.#pump();
    });
  }

  async #commitGroup(group: readonly Queued[], waitReplicas: number, waitTimeoutMs: number): Promise<void> {
    for (const { timer } of group) clearTimeout(timer);
    const connection = await this.#commits.connection(Math.min(...group.map(({ attempt }) => attempt.deadlineMs)));
    if (typeof connection === 'string') {
      for (const { resolve } of group) resolve({ kind: 'unsent', reason: connection });
      return;
    }
    const now = this.#clock.monotonicMs();
    const answers = group.map(({ attempt }) => sendOne(connection, attempt, attempt.deadlineMs - now));
    const waited = connection.send(
      { name: 'WAIT', args: [waitReplicas, waitTimeoutMs] },
      waitTimeoutMs + this.#timeoutMs,
    );
    await Promise.all(
      group.map(async ({ resolve }, index) => {
        const answer = (await answers[index]) as Answer;
        if (answer.kind !== 'reply') return resolve(answer);
        const wait = await waited;
        resolve({ ...answer, acknowledged: wait.kind === 'reply' ? Number(wait.value) : 0 });
      }),
    );
    await waited;
  }
}

function sendOne(connection: RedisConnection, attempt: Attempt, timeoutMs: number): Promise<Answer> {
  if (timeoutMs <= 0) return Promise.resolve({ kind: 'unsent', reason: `${connection.address}: no time left` });
  // Both are written in one turn, so that nothing comes between them.
  if (attempt.asking) void connection.send({ name: 'ASKING', args: [] }, timeoutMs);
  return connection.send(commandFor(connection, attempt.command), timeoutMs);
}

function commandFor(connection: RedisConnection, command: Attempt['command']): Command {
  return typeof command === 'function' ? command(connection.runId) : command;
}

/** A connection that is opened when it is needed, and again when it was lost. */
class Link {
  readonly #address: string;
  readonly #clock: Clock;
  readonly #connect: () => Promise<RedisConnection>;
  #current: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(address: string, clock: Clock, connect: () => Promise<RedisConnection>) {
    this.#address = address;
    this.#clock = clock;
    this.#connect = connect;
  }

  /** The live connection, if there is one. */
  get current(): RedisConnection | undefined {
    return this.#current?.usable ? this.#current : undefined;
  }

  async open(): Promise<RedisConnection> {
    if (this.#current?.usable) return this.#current;
    if (this.#closed) throw new Error('the client is closed');
    this.#opening ??= this.#connect()
      .then((connection) => {
        if (this.#closed) connection.close();
        this.#current = connection;
        return connection;
      })
      .catch((error: unknown) => {
        this.#failedAtMs = this.#clock.monotonicMs();
        throw error;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** A live connection, or why there is none now. */
  async connection(deadlineMs: number): Promise<RedisConnection | string> {
    if (this.#current?.usable) return this.#current;
    const now = this.#clock.monotonicMs();
    if (now - this.#failedAtMs < reconnectPauseMs) return `${this.#address}: not reachable`;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<string>((resolve) => {
      const waitMs = Math.max(0, Math.min(connectPatienceMs, deadlineMs - now));
      timer = setTimeout(() => resolve(`${this.#address}: not connected yet`), waitMs);
    });
    try {
      return await Promise.race([this.open(), patience]);
    } catch (error) {
      return `${this.#address}: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      clearTimeout(timer);
    }
  }

  closeIdle(): void {
    if (this.#current?.pending === 0) this.#current.close();
  }

  close(): void {
    this.#closed = true;
    this.#current?.close();
  }
}
