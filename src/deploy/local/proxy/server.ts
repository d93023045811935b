/** The fault proxy: listens where others connect, passes everything on, and does what a disturbance says meanwhile. */

import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Clock } from '../../../clock.ts';
import type { Random } from '../../../random.ts';
import type { LocalConnection } from '../procfs.ts';
import { type Active, Link } from './link.ts';
import type { Counters, Disturbance, ProxyReply, ProxyRequest, Route } from './protocol.ts';

export interface ProxyOptions {
  readonly host: string;
  readonly controlPort: number;
  /** What a control connection must say first. */
  readonly token: string;
  readonly routes: readonly Route[];
  /** Which instance made each connection; null: none. */
  readonly ownersOf: (connections: readonly LocalConnection[]) => readonly (string | null)[];
  readonly clock: Clock;
  readonly random: Random;
}

/** Looking up who made connections takes milliseconds in which nothing passes: it may take no more than a fifth of the time. */
const leastLookUpPauseMs = 5;
const lookUpPauseFactor = 4;

interface Listener {
  readonly route: Route;
  readonly server: Server;
}

export class ProxyServer {
  readonly #options: ProxyOptions;
  readonly #listeners = new Map<number, Listener>();
  readonly #links = new Set<Link>();
  readonly #active = new Set<Active>();
  /** Accepted, and nothing passes yet. */
  readonly #waiting = new Set<Link>();
  #lookUpPauseMs = leastLookUpPauseMs;
  readonly #control: Server;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#control = createServer((socket) => this.#serveControl(socket));
  }

  /** Resolves when every route takes connections; rejects when a port is taken. */
  async start(): Promise<void> {
    await this.#setRoutes(this.#options.routes);
    await listening(this.#control, this.#options.host, this.#options.controlPort);
  }

  /** Ends everything; for tests. */
  close(): void {
    this.#control.close();
    for (const { server } of this.#listeners.values()) server.close();
    for (const link of [...this.#links]) link.destroy(true);
  }

  /** Connections of routes that stay go on. */
  async #setRoutes(routes: readonly Route[]): Promise<void> {
    const wanted = new Map(routes.map((route) => [route.listen, route]));
    for (const [port, { route, server }] of this.#listeners) {
      const now = wanted.get(port);
      if (now?.target === route.target && now.instance === route.instance) continue;
      server.close();
      this.#listeners.delete(port);
      for (const link of [...this.#links]) if (link.route.listen === port) link.destroy(true);
    }
    await Promise.all(routes.filter(({ listen }) => !this.#listeners.has(listen)).map((route) => this.#listen(route)));
  }

  async #listen(route: Route): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client, route));
    this.#listeners.set(route.listen, { route, server });
    await listening(server, this.#options.host, route.listen);
  }

  #accept(client: Socket, route: Route): void {
    const { host, clock, random } = this.#options;
    const link = new Link({
      client,
      route,
      host,
      source: null,
      setOf: (instance) => this.#setOf(instance),
      clock,
      random,
      onClosed: (closed) => this.#links.delete(closed),
    });
    this.#links.add(link);
    // Nobody asks whose an ordinary connection is, since looking takes longer than a proxy may.
    if (this.#active.size === 0) link.apply([], null);
    else this.#lookUpSoon(link);
  }

  /** Connections that come during a disturbance wait until their makers are known: looked up together, and not too often. */
  #lookUpSoon(link: Link): void {
    this.#waiting.add(link);
    if (this.#waiting.size > 1) return;
    void this.#options.clock.sleep(this.#lookUpPauseMs).then(() => this.#lookUpWaiting());
  }

  #lookUpWaiting(): void {
    const links = [...this.#waiting].filter((link) => this.#links.has(link));
    this.#waiting.clear();
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    this.#lookUpSources(links);
    this.#lookUpPauseMs = Math.max(leastLookUpPauseMs, lookUpPauseFactor * (clock.monotonicMs() - startMs));
    for (const link of links) link.apply([...this.#active], null);
  }

  #setOf(instance: string): string | undefined {
    for (const { route } of this.#listeners.values()) if (route.instance === instance) return route.set;
    for (const one of this.#active) if (one.instance === instance) return one.set;
    return undefined;
  }

  #serveControl(socket: Socket): void {
    let trusted = false;
    let active: Active | null = null;
    let queue = Promise.resolve();
    socket.on('error', () => {});
    // Also when the dsp that asked was killed: the kernel closes its end.
    socket.on('close', () => {
      if (active !== null) this.#lift(active);
      active = null;
    });
    const answer = (reply: ProxyReply) => socket.write(`${JSON.stringify(reply)}\n`);
    const handle = async (request: ProxyRequest) => {
      if (request.kind === 'routes') await this.#setRoutes(request.routes);
      else if (request.kind === 'disturb') active = this.#disturb(request.disturbance);
      const counters = active === null ? noCounters : countersOf(active);
      if (request.kind === 'lift' && active !== null) {
        this.#lift(active);
        active = null;
      }
      answer({ ok: true, counters });
    };
    createInterface({ input: socket }).on('line', (line) => {
      if (!trusted) {
        trusted = line === this.#options.token;
        if (!trusted) socket.destroy();
        return;
      }
      queue = queue
        .then(() => handle(JSON.parse(line) as ProxyRequest))
        .catch((error: unknown) => void answer({ ok: false, problem: String(error) }));
    });
  }

  #disturb(disturbance: Disturbance): Active {
    const counters = { ...noCounters };
    const active: Active = { ...disturbance, counters, links: new Set() };
    this.#lookUpSources([...this.#links]);
    this.#active.add(active);
    for (const link of this.#links) link.apply([...this.#active], active);
    if (disturbance.rule.kind === 'reset') this.#resetEvery(active, disturbance.rule.everyMs);
    return active;
  }

  /** At once, then again and again what has connected meanwhile. */
  #resetEvery(active: Active, everyMs: number): void {
    const reset = () => {
      for (const link of [...active.links]) {
        if (!this.#links.has(link)) continue;
        active.counters.resets += 1;
        link.destroy(true);
      }
    };
    reset();
    const timer = setInterval(() => (this.#active.has(active) ? reset() : clearInterval(timer)), everyMs);
  }

  #lift(active: Active): void {
    this.#active.delete(active);
    for (const link of [...active.links]) {
      if (!this.#links.has(link)) continue;
      // What it swallowed can never come: only a reset makes both ends start anew.
      if (active.rule.kind === 'half-open') link.destroy(true);
      else link.apply([...this.#active], null);
    }
  }

  #lookUpSources(links: readonly Link[]): void {
    const unknown = links.filter(({ source }) => source === null);
    if (unknown.length === 0) return;
    const owners = this.#options.ownersOf(unknown.map(({ client }) => endsOf(client)));
    unknown.forEach((link, i) => {
      link.source = owners[i] ?? null;
    });
  }
}

const noCounters: Counters = { connections: 0, resets: 0, delayedBytes: 0, heldBytes: 0, swallowedBytes: 0 };

function countersOf({ counters }: Active): Counters {
  return { ...counters };
}

/** As the client sees it. */
function endsOf(client: Socket): LocalConnection {
  return { localPort: client.remotePort ?? 0, remotePort: client.localPort ?? 0 };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}
