/**
 * The connections of one generator thread to one part. A request takes a free connection of the next instance in turn,
 * or opens one up to a bound, or waits; what waited longer than the time-out was never sent. An instance that refuses
 * or hangs is passed over for a moment, as a Service or load balancer would.
 */

import type { Answer, Failure } from './answer.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import type { Exchange } from './exchange.ts';
import { requestEncoder } from './request-bytes.ts';
import { HeadReader } from './response-head.ts';
import { ResponseParser } from './response-parser.ts';
import type { Target } from './target.ts';
import type { Transport, TransportOptions } from './transport.ts';
import type { Operation, WorkloadRequest } from './workload.ts';

/** One instance, and its connections. */
interface Site {
  readonly target: Target;
  readonly encode: (request: WorkloadRequest) => string | Buffer;
  readonly heads: HeadReader;
  readonly free: Connection[];
  readonly open: Set<Connection>;
  downUntilMs: number;
  lastAnswerMs: number;
}

/** Servers close idle connections (Node's after 5 s): an older one is not trusted with a request. */
const maxIdleMs = 4000;
const refusedPauseMs = 250;
const hangingPauseMs = 1000;

export class ConnectionPool implements Transport {
  readonly #options: TransportOptions;
  #sites: readonly Site[] = [];
  /** Instances that are called no more, while an answer of theirs is still awaited. */
  #left: readonly Site[] = [];
  #perSite = 1;
  #inFlight = 0;
  #waiting: Exchange[] = [];
  #waitingFrom = 0;
  #turn = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.retarget(options.targets);
  }

  /** As a Service does when its set has changed. */
  retarget(targets: readonly Target[]): void {
    const known = new Map(this.#sites.map((site) => [addressOf(site.target), site]));
    const sites = targets.map((target) => known.get(addressOf(target)) ?? siteOf(target));
    const leaving = this.#sites.filter((site) => !sites.includes(site));
    for (const site of leaving) {
      for (const connection of site.free.splice(0)) {
        connection.destroy();
        site.open.delete(connection);
      }
    }
    this.#left = [...this.#left, ...leaving].filter(({ open }) => open.size > 0);
    this.#sites = sites;
    this.#turn = 0;
    this.#perSite = Math.max(1, Math.floor(this.#options.maxConnections / Math.max(1, sites.length)));
  }

  get pending(): number {
    return this.#inFlight + this.#waiting.length - this.#waitingFrom;
  }

  get crowded(): boolean {
    return this.#waitingFrom < this.#waiting.length;
  }

  get draining(): boolean {
    return this.#left.length > 0;
  }

  /** Sends at once, which is `nowMs`, or when a connection is free. */
  submit(submitted: Exchange<Operation>, nowMs: number): void {
    const exchange = submitted as Exchange;
    if (this.#waitingFrom < this.#waiting.length || !this.#trySend(exchange, 0, nowMs)) this.#waiting.push(exchange);
  }

  sweep(nowMs: number): void {
    const { timeoutMs } = this.#options;
    for (const site of [...this.#sites, ...this.#left]) {
      for (const connection of [...site.open]) {
        if (connection.inFlight && nowMs - connection.sinceMs >= timeoutMs) connection.timeOut();
      }
    }
    while (this.#waitingFrom < this.#waiting.length) {
      const first = this.#waiting[this.#waitingFrom];
      if (first === undefined || nowMs - first.takenMs < timeoutMs) break;
      this.#waitingFrom += 1;
      this.#options.ended(first, null, nowMs);
    }
    this.#serveWaiting(nowMs);
  }

  close(): void {
    for (const site of [...this.#sites, ...this.#left]) {
      for (const connection of site.open) connection.destroy();
      site.open.clear();
      site.free.length = 0;
    }
  }

  #trySend(exchange: Exchange, tries: number, nowMs: number): boolean {
    const site = this.#nextSite(nowMs);
    if (site === null) return false;
    const connection = this.#takeConnection(site, nowMs);
    connection.sinceMs = nowMs;
    connection.tries = tries;
    this.#inFlight += 1;
    connection.send(exchange, site.encode(exchange.request), nowMs);
    return true;
  }

  /** The next in turn that is up and not full; when all are down, the one that may be up again the soonest. */
  #nextSite(nowMs: number): Site | null {
    const count = this.#sites.length;
    let anyUp = false;
    let fallback: Site | null = null;
    for (let i = 0; i < count; i++) {
      const site = this.#sites[(this.#turn + i) % count];
      if (site === undefined) continue;
      const up = site.downUntilMs <= nowMs;
      anyUp ||= up;
      if (site.free.length === 0 && site.open.size >= this.#perSite) continue;
      if (up) {
        this.#turn = (this.#turn + i + 1) % count;
        return site;
      }
      if (fallback === null || site.downUntilMs < fallback.downUntilMs) fallback = site;
    }
    return anyUp ? null : fallback;
  }

  #takeConnection(site: Site, nowMs: number): Connection {
    for (let connection = site.free.pop(); connection; connection = site.free.pop()) {
      if (nowMs - connection.sinceMs < maxIdleMs) return connection;
      connection.destroy();
      site.open.delete(connection);
    }
    const { readBuffer, now } = this.#options;
    const events = this.#eventsOf(site);
    const opened = new Connection({ ...site.target, parser: new ResponseParser(site.heads), readBuffer, now, events });
    site.open.add(opened);
    return opened;
  }

  #eventsOf(site: Site): ConnectionEvents {
    return {
      answered: (connection, exchange, answer) => this.#answered(site, connection, exchange, answer),
      gone: (connection) => this.#gone(site, connection),
    };
  }

  #answered(site: Site, connection: Connection, exchange: Exchange, answer: Answer | Failure): void {
    const nowMs = this.#options.now();
    this.#inFlight -= 1;
    if (typeof answer === 'string') judgeSite(site, connection, answer, nowMs);
    else {
      site.lastAnswerMs = nowMs;
      site.downUntilMs = 0;
      connection.sinceMs = nowMs;
      if (this.#left.includes(site)) this.#leave(site, connection);
      else if (answer.keepAlive) site.free.push(connection);
    }
    // Nothing was sent on a refused connection, so another instance may have it.
    const elsewhere = answer === 'refused' && connection.tries + 1 < this.#sites.length;
    if (!elsewhere || !this.#trySend(exchange, connection.tries + 1, nowMs)) {
      this.#options.ended(exchange, answer, nowMs);
    }
    this.#serveWaiting(nowMs);
  }

  #gone(site: Site, connection: Connection): void {
    const at = site.free.indexOf(connection);
    if (at >= 0) site.free.splice(at, 1);
    this.#leave(site, connection);
    this.#serveWaiting(this.#options.now());
  }

  #leave(site: Site, connection: Connection): void {
    connection.destroy();
    site.open.delete(connection);
    if (site.open.size === 0) this.#left = this.#left.filter((other) => other !== site);
  }

  #serveWaiting(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    while (this.#waitingFrom < this.#waiting.length) {
      const first = this.#waiting[this.#waitingFrom];
      if (first === undefined || !this.#trySend(first, 0, nowMs)) break;
      this.#waitingFrom += 1;
    }
    if (this.#waitingFrom > 1024 || this.#waitingFrom === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }
}

function siteOf(target: Target): Site {
  return {
    target,
    encode: requestEncoder(addressOf(target)),
    heads: new HeadReader(),
    free: [],
    open: new Set(),
    downUntilMs: 0,
    lastAnswerMs: Number.NEGATIVE_INFINITY,
  };
}

function addressOf({ host, port }: Target): string {
  return `${host}:${port}`;
}

function judgeSite(site: Site, connection: Connection, failure: Failure, nowMs: number): void {
  if (failure === 'refused') site.downUntilMs = nowMs + refusedPauseMs;
  else if (failure === 'timeout' && site.lastAnswerMs < connection.sinceMs) site.downUntilMs = nowMs + hangingPauseMs;
}
