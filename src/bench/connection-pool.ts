/**
 * The connections of one generator thread to one part. A request takes a free connection of the next instance in turn,
 * or opens one up to a bound, or waits; what waited longer than the time-out was never sent. An instance that refuses
 * or hangs is passed over for a moment, as a Service or load balancer would.
 */

import type { Clock } from '../clock.ts';
import { type Answer, Connection, type ConnectionEvents } from './connection.ts';
import { requestEncoder } from './request-bytes.ts';
import type { WorkloadRequest } from './workload.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** One request on its way. */
export interface Exchange {
  readonly request: WorkloadRequest;
  /** When it is dropped unless a connection was free before. */
  readonly dropAtMs: number;
  /** When its bytes were handed to a socket, monotonic ms; null until then. */
  sentMs: number | null;
  /** Null when it was dropped. */
  done(answer: Answer | null): void;
}

export interface PoolOptions {
  readonly targets: readonly Target[];
  readonly maxConnections: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly readBuffer: Buffer;
}

interface Site {
  readonly target: Target;
  readonly encode: (request: WorkloadRequest) => string | Buffer;
  readonly free: Connection[];
  open: number;
  downUntilMs: number;
  lastAnswerMs: number;
}

/** Servers close idle connections (Node's after 5 s): an older one is not trusted with a request. */
const maxIdleMs = 4000;
const refusedPauseMs = 250;
const hangingPauseMs = 1000;

export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #sites: readonly Site[];
  readonly #perSite: number;
  readonly #inFlight = new Map<Connection, { readonly exchange: Exchange; readonly site: Site; tries: number }>();
  readonly #events: ConnectionEvents;
  readonly #siteOf = new Map<Connection, Site>();
  #waiting: Exchange[] = [];
  #waitingFrom = 0;
  #turn = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#perSite = Math.max(1, Math.floor(options.maxConnections / Math.max(1, options.targets.length)));
    this.#sites = options.targets.map((target) => ({
      target,
      encode: requestEncoder(`${target.host}:${target.port}`),
      free: [],
      open: 0,
      downUntilMs: 0,
      lastAnswerMs: Number.NEGATIVE_INFINITY,
    }));
    this.#events = {
      sent: (connection) => {
        const found = this.#inFlight.get(connection);
        if (found) found.exchange.sentMs = options.clock.monotonicMs();
      },
      answered: (connection, answer) => this.#answered(connection, answer),
      gone: (connection) => this.#gone(connection),
    };
  }

  /** Requests sent and not answered, and waiting ones. */
  get pending(): number {
    return this.#inFlight.size + this.#waiting.length - this.#waitingFrom;
  }

  submit(exchange: Exchange): void {
    if (this.#waitingFrom < this.#waiting.length || !this.#trySend(exchange, 0)) this.#waiting.push(exchange);
  }

  /** Ends what is over its time; to be called every few ms. */
  sweep(nowMs: number): void {
    // In order of sending, so the first that still has time ends the search.
    for (const connection of [...this.#expired(nowMs)]) connection.timeOut();
    while (this.#waitingFrom < this.#waiting.length) {
      const first = this.#waiting[this.#waitingFrom];
      if (first === undefined || first.dropAtMs > nowMs) break;
      this.#waitingFrom += 1;
      first.done(null);
    }
    this.#serveWaiting();
  }

  close(): void {
    for (const connection of this.#siteOf.keys()) connection.destroy();
    this.#siteOf.clear();
  }

  *#expired(nowMs: number): Generator<Connection> {
    for (const connection of this.#inFlight.keys()) {
      if (nowMs - connection.sinceMs < this.#options.timeoutMs) return;
      yield connection;
    }
  }

  #trySend(exchange: Exchange, tries: number): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const site = this.#nextSite(nowMs);
    if (site === null) return false;
    const connection = this.#takeConnection(site, nowMs);
    connection.sinceMs = nowMs;
    this.#inFlight.set(connection, { exchange, site, tries });
    connection.send(site.encode(exchange.request), exchange.request.method);
    return true;
  }

  /** The next in turn that is up and not full; instances that are down are asked only when all are. */
  #nextSite(nowMs: number): Site | null {
    const count = this.#sites.length;
    let anyUp = false;
    let fallback: Site | null = null;
    for (let i = 0; i < count; i++) {
      const site = this.#sites[(this.#turn + i) % count];
      if (site === undefined) continue;
      const up = site.downUntilMs <= nowMs;
      anyUp ||= up;
      if (site.free.length === 0 && site.open >= this.#perSite) continue;
      if (up) {
        this.#turn = (this.#turn + i + 1) % count;
        return site;
      }
      fallback ??= site;
    }
    return anyUp ? null : fallback;
  }

  #takeConnection(site: Site, nowMs: number): Connection {
    for (let connection = site.free.pop(); connection; connection = site.free.pop()) {
      if (nowMs - connection.sinceMs < maxIdleMs) return connection;
      connection.destroy();
      this.#forget(connection, site);
    }
    const opened = new Connection(site.target, this.#options.readBuffer, this.#events);
    site.open += 1;
    this.#siteOf.set(opened, site);
    return opened;
  }

  #answered(connection: Connection, answer: Answer): void {
    const found = this.#inFlight.get(connection);
    if (!found) return;
    const { exchange, site, tries } = found;
    const nowMs = this.#options.clock.monotonicMs();
    this.#inFlight.delete(connection);
    this.#judgeSite(site, connection, answer, nowMs);
    if (answer.kind === 'response' && answer.response.keepAlive) {
      connection.sinceMs = nowMs;
      site.free.push(connection);
    }
    // Nothing was sent on a refused connection, so another instance may have it.
    const elsewhere = answer.kind === 'refused' && tries + 1 < this.#sites.length;
    if (!elsewhere || !this.#trySend(exchange, tries + 1)) exchange.done(answer);
    this.#serveWaiting();
  }

  #judgeSite(site: Site, connection: Connection, answer: Answer, nowMs: number): void {
    if (answer.kind === 'response') {
      site.lastAnswerMs = nowMs;
      site.downUntilMs = 0;
    } else if (answer.kind === 'refused') {
      site.downUntilMs = nowMs + refusedPauseMs;
    } else if (answer.kind === 'timeout' && site.lastAnswerMs < connection.sinceMs) {
      site.downUntilMs = nowMs + hangingPauseMs;
    }
  }

  #gone(connection: Connection): void {
    const site = this.#siteOf.get(connection);
    if (site === undefined) return;
    const at = site.free.indexOf(connection);
    if (at >= 0) site.free.splice(at, 1);
    this.#forget(connection, site);
    this.#serveWaiting();
  }

  #forget(connection: Connection, site: Site): void {
    if (this.#siteOf.delete(connection)) site.open -= 1;
  }

  #serveWaiting(): void {
    if (this.#waiting.length === 0) return;
    while (this.#waitingFrom < this.#waiting.length) {
      const first = this.#waiting[this.#waitingFrom];
      if (first === undefined || !this.#trySend(first, 0)) break;
      this.#waitingFrom += 1;
    }
    if (this.#waitingFrom > 1024 || this.#waitingFrom === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }
}
