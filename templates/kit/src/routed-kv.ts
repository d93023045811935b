/**
 * The kv client over any way to find a key's owner: bounded retries of what certainly did not run, never of a write
 * that may have run.
 */

import { type Clock, systemClock } from './clock.ts';
import {
  type KvClient,
  KvUnavailableError,
  type Script,
  type SetOptions,
  UnreplicatedError,
  type WaitOptions,
} from './kv-client.ts';
import { Counter, Histogram, type Registry } from './metrics.ts';
import type { RedisAccess } from './redis-access.ts';
import type { Command } from './redis-connection.ts';
import type { Attempt, AttemptAnswer, RedisNode } from './redis-node.ts';

/** Where a command goes next. `asking` for a slot that is on its way to that node. */
export interface Target {
  readonly node: Pick<RedisNode, 'address' | 'attempt' | 'submit'>;
  readonly asking: boolean;
}

/**
 * What follows from an answer that settles nothing: `target` says where to send the command instead, `again` that the
 * owner is to be found anew after a pause, `final` that the answer is the caller's.
 */
export type Redirect =
  | { readonly kind: 'target'; readonly target: Target }
  | { readonly kind: 'again'; readonly reason: string }
  | { readonly kind: 'final' };

export interface Router {
  ready(): Promise<void>;
  /** The node that owns the key now; undefined while nobody is known to. */
  owner(key: string): Target | undefined;
  /** Learns from an error reply. */
  onError(key: string, error: Error): Redirect;
  /**
   * The node gave no answer, or nobody was known to own the key: the owner may have changed. Resolves when it has been
   * looked for, found or not.
   */
  onSilence(): Promise<void>;
  close(): void;
}

export interface RoutedKvOptions {
  /** Bound of every command in all, from the call to the server's answer, waiting for replicas not counted. */
  readonly timeoutMs: number;
  /** Absent: as nobody, in clear. */
  readonly access?: RedisAccess;
  readonly metrics?: Registry;
  readonly clock?: Clock;
}

interface Tried {
  readonly target: Target;
  readonly answer: AttemptAnswer;
}

/** What is asked of the owner of `key`. */
interface Asked {
  /** In metrics. */
  readonly name: string;
  readonly key: string;
  /** Sent again even when it may have run. */
  readonly readOnly: boolean;
  readonly command: Attempt['command'];
  /** Whether the error said that the command did not run, and the next one of `command` mends it. */
  mends?(error: Error): boolean;
}

interface Operation extends Asked, Attempt {
  /** On the clock's monotonic scale. */
  readonly startMs: number;
}

/** Redirects followed in a row before a pause: each is one round trip, and a map at odds with itself could loop. */
const redirectsInARow = 5;
const noWait: WaitOptions = {};
const firstPauseMs = 5;
const longestPauseMs = 100;

export class RoutedKv implements KvClient {
  readonly #router: Router;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #meters: Meters | undefined;

  constructor(router: Router, options: RoutedKvOptions) {
    this.#router = router;
    this.#timeoutMs = options.timeoutMs;
    this.#clock = options.clock ?? systemClock;
    this.#meters = options.metrics && createMeters(options.metrics);
  }

  ready(): Promise<void> {
    return this.#router.ready();
  }

  get(key: string): Promise<string | null> {
    const command = { name: 'GET', args: [key] };
    return this.#do({ name: 'get', key, readOnly: true, command }) as Promise<string | null>;
  }

  getBuffer(key: string): Promise<Buffer | null> {
    const command = { name: 'GET', args: [key], asBuffer: true };
    return this.#do({ name: 'get', key, readOnly: true, command }) as Promise<Buffer | null>;
  }

  async set(key: string, value: string | Buffer, options: SetOptions = noWait): Promise<void> {
    const ttl = options.ttlMs === undefined ? [] : ['PX', options.ttlMs];
    const command = { name: 'SET', args: [key, value, ...ttl] };
    await this.#do({ name: 'set', key, readOnly: false, command }, options);
  }

  async delete(key: string, options: WaitOptions = noWait): Promise<boolean> {
    const command = { name: 'DEL', args: [key] };
    return (await this.#do({ name: 'delete', key, readOnly: false, command }, options)) === 1;
  }

  run(
    script: Script,
    key: string,
    args: readonly (string | number)[],
    options: WaitOptions = noWait,
  ): Promise<unknown> {
    let byText = false;
    const command = (runId: string): Command =>
      byText
        ? { name: 'EVAL', args: [script.lua, 1, key, runId, ...args] }
        : { name: 'EVALSHA', args: [script.sha1, 1, key, runId, ...args] };
    const mends = (error: Error) => {
      const unknown = !byText && codeOf(error) === 'NOSCRIPT';
      byText ||= unknown;
      return unknown;
    };
    return this.#do({ name: 'run', key, readOnly: false, command, mends }, options);
  }

  /**
   * One command to the owner of `key`, as it stands, for whoever speaks the servers' own protocol. `readOnly`: sent again
   * even when it may have run.
   */
  command(key: string, command: Command, readOnly: boolean): Promise<unknown> {
    return this.#do({ name: 'command', key, readOnly, command });
  }

  async close(): Promise<void> {
    this.#router.close();
  }

  /**
   * Nearly every command that waits for no replica is done with its owner's first answer, and costs a promise and what the
   * connection remembers of it; what is not goes the long way.
   */
  #do(asked: Asked, wait: WaitOptions = noWait): Promise<unknown> {
    const startMs = this.#clock.monotonicMs();
    const target = this.#router.owner(asked.key);
    if (wait.waitReplicas || target === undefined || target.asking) return this.#doRouted(asked, wait, startMs);
    return new Promise((resolve) => {
      const reply = this.#meters === undefined ? resolve : this.#observed(asked.name, startMs, resolve);
      target.node.submit(asked.command, startMs, startMs + this.#timeoutMs, reply, (answer) =>
        resolve(this.#doRouted(asked, noWait, startMs, { target, answer })),
      );
    });
  }

  #observed(name: string, startMs: number, resolve: (value: unknown) => void): (value: unknown) => void {
    return (value) => {
      this.#meters?.observe(name, 'ok', this.#clock.monotonicMs() - startMs);
      resolve(value);
    };
  }

  async #doRouted(asked: Asked, wait: WaitOptions, startMs: number, tried?: Tried): Promise<unknown> {
    const { name } = asked;
    try {
      const value = await this.#route(this.#operation(asked, wait, startMs), tried);
      this.#meters?.observe(name, 'ok', this.#clock.monotonicMs() - startMs);
      return value;
    } catch (error) {
      this.#meters?.observe(name, outcomeOf(error), this.#clock.monotonicMs() - startMs);
      throw error;
    }
  }

  #operation(asked: Asked, { waitReplicas = 0, waitTimeoutMs = 0 }: WaitOptions, startMs: number): Operation {
    if (waitReplicas > 0 && !(waitTimeoutMs >= 1)) {
      // WAIT takes 0 for "for ever", which would hold up everything behind it.
      throw new TypeError('waitReplicas needs a waitTimeoutMs of 1 ms or more');
    }
    const wait = { waitReplicas, waitTimeoutMs: Math.ceil(waitTimeoutMs) };
    return { ...asked, asking: false, ...wait, startMs, deadlineMs: startMs + this.#timeoutMs };
  }

  /** Sends the command to one target after the other until one settles it, or the time is up; `tried` is what was sent before. */
  async #route(operation: Operation, tried?: Tried): Promise<unknown> {
    const { deadlineMs } = operation;
    let before = tried;
    // Before the first map is read there is nothing to try.
    if (before === undefined && this.#router.owner(operation.key) === undefined) await this.#router.onSilence();
    let target = before?.target ?? this.#router.owner(operation.key);
    let pauseMs = firstPauseMs;
    let redirects = 0;
    let reason = 'nobody is known to own the key';
    for (;;) {
      if (target === undefined) {
        void this.#router.onSilence();
      } else {
        const answer =
          before?.answer ?? (await target.node.attempt(target.asking ? { ...operation, asking: true } : operation));
        before = undefined;
        const next = this.#next(operation, target, answer);
        if (next.kind === 'final') return settle(operation, answer);
        this.#meters?.retries.inc({ reason: answer.kind === 'error' ? codeOf(answer.error) : answer.kind });
        reason = next.kind === 'again' ? next.reason : `redirected to ${next.target.node.address}`;
        if (next.kind === 'target' && redirects++ < redirectsInARow && this.#clock.monotonicMs() < deadlineMs) {
          target = next.target;
          continue;
        }
      }
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) throw new KvUnavailableError(`not done within ${this.#timeoutMs} ms: ${reason}`, false);
      await this.#clock.sleep(Math.min(pauseMs, leftMs));
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      redirects = 0;
      target = this.#router.owner(operation.key);
    }
  }

  #next(operation: Operation, target: Target, answer: AttemptAnswer): Redirect {
    switch (answer.kind) {
      case 'reply':
        return { kind: 'final' };
      case 'error':
        if (operation.mends?.(answer.error)) return { kind: 'target', target };
        return this.#router.onError(operation.key, answer.error);
      case 'unsent':
        void this.#router.onSilence();
        return { kind: 'again', reason: answer.reason };
      case 'lost':
        void this.#router.onSilence();
        return operation.readOnly ? { kind: 'again', reason: answer.reason } : { kind: 'final' };
    }
  }
}

function settle(operation: Operation, answer: AttemptAnswer): unknown {
  if (answer.kind === 'error') throw answer.error;
  if (answer.kind !== 'reply') throw new KvUnavailableError(answer.reason, answer.kind === 'lost');
  const wanted = operation.waitReplicas;
  if (wanted > 0 && (answer.acknowledged ?? 0) < wanted) {
    throw new UnreplicatedError(wanted, answer.acknowledged ?? 0);
  }
  return answer.value;
}

/** The first word of an error reply: MOVED, ASK, NOSCRIPT, … */
export function codeOf(error: Error): string {
  return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
}

/** Errors by which a server says that it did not run the command, and may run it later. */
const notRunCodes = new Set(['TRYAGAIN', 'CLUSTERDOWN', 'LOADING', 'MASTERDOWN', 'READONLY', 'BUSY', 'NOREPLICAS']);

export function saysNotRunYet(error: Error): boolean {
  return notRunCodes.has(codeOf(error));
}

function outcomeOf(error: unknown): string {
  if (error instanceof KvUnavailableError) return error.mayHaveRun ? 'unknown' : 'unavailable';
  if (error instanceof UnreplicatedError) return 'unreplicated';
  return 'error';
}

interface Meters {
  observe(operation: string, outcome: string, durationMs: number): void;
  readonly retries: Counter<'reason'>;
}

function createMeters(metrics: Registry): Meters {
  const durations = new Histogram({
    name: 'kv_command_duration_seconds',
    help: 'From the call to its end, redirects and retries counted in.',
    labelNames: ['operation', 'outcome'],
    buckets: [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [metrics],
  });
  const done = new Map<string, { observe(seconds: number): void }>();
  const doneOf = (operation: string) => {
    const child = durations.labels({ operation, outcome: 'ok' });
    done.set(operation, child);
    return child;
  };
  return {
    observe(operation, outcome, durationMs) {
      // Labels are looked up once, not for each command.
      const child =
        outcome === 'ok' ? (done.get(operation) ?? doneOf(operation)) : durations.labels({ operation, outcome });
      child.observe(durationMs / 1000);
    },
    retries: new Counter({
      name: 'kv_retries_total',
      help: 'Attempts that settled nothing, by the reply that caused another (MOVED, ASK, …, unsent, lost).',
      labelNames: ['reason'],
      registers: [metrics],
    }),
  };
}
