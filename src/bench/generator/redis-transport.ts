/**
 * Requests to the servers of a sharded Redis, as a client sends them that knows which server has which key: by the
 * cluster's slots, which it learns from the servers and their redirects, or by a rule of the part's own (a ring). A few
 * connections a server, each with many requests in flight. A request whose server can't be reached waits until it can, or until
 * another has its keys.
 */

import keySlot from 'cluster-key-slot';
import type { Answered, Failure } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { RedisLink } from './redis-link.ts';
import { readRedirect, readSlots, type SlotOwners } from './redis-slots.ts';
import { encodeCommand, RespError } from './resp.ts';
import type { Target } from './target.ts';
import type { Transport, TransportOptions } from './transport.ts';
import type { Operation, RespReply, RespRequest, RespResponse } from './workload.ts';

type RespExchange = Exchange<RespRequest>;

interface RespAnswer extends RespResponse, Answered {}

/** One of a server's connections, while there is one. */
interface Site {
  link: RedisLink | null;
  downUntilMs: number;
}

/** A server works on the commands of one connection in turn, and one that waits for a replica holds up those after it. */
const connectionsPerServer = 4;
const downMs = 250;
const askEveryMs = 200;
/** A slot that moves redirects once or twice; more is a cluster that does not agree with itself. */
const mostRedirects = 5;
const asking = encodeCommand(['ASKING']);
const clusterSlots = encodeCommand(['CLUSTER', 'SLOTS']);

export class RedisTransport implements Transport {
  readonly crowded = false;
  /** A cluster hands keys over before a server leaves, and says where they are. */
  readonly draining = false;
  readonly #options: TransportOptions;
  readonly #sites = new Map<string, Site>();
  #seeds: readonly string[] = [];
  /** Connections that were given up, until what they carry is over its time. */
  readonly #retired = new Set<RedisLink>();
  #owners: SlotOwners = [];
  #doubtful: boolean;
  #askedMs = Number.NEGATIVE_INFINITY;
  #askTurn = 0;
  #waiting: RespExchange[] = [];
  #inFlight = 0;
  #turn = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.retarget(options.targets);
    this.#doubtful = options.place === undefined;
  }

  retarget(targets: readonly Target[]): void {
    this.#seeds = targets.map(({ host, port }) => `${host}:${port}`);
  }

  get pending(): number {
    return this.#inFlight + this.#waiting.length;
  }

  submit(exchange: Exchange<Operation>, nowMs: number): void {
    this.#sendOrWait(exchange as RespExchange, nowMs);
    if (this.#doubtful) this.#ask(nowMs);
  }

  sweep(nowMs: number): void {
    const { timeoutMs } = this.#options;
    for (const site of this.#sites.values()) {
      // It may hang for ever: what comes now gets another connection.
      if (site.link?.sweep(nowMs, timeoutMs)) this.#retire(site);
    }
    for (const link of this.#retired) {
      link.sweep(nowMs, timeoutMs);
      if (!link.idle) continue;
      link.destroy();
      this.#retired.delete(link);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const exchange of waiting) {
      if (nowMs - exchange.takenMs >= timeoutMs) this.#options.ended(exchange, null, nowMs);
      else this.#sendOrWait(exchange, nowMs);
    }
    if (this.#doubtful) this.#ask(nowMs);
  }

  close(): void {
    for (const { link } of this.#sites.values()) link?.destroy();
    for (const link of this.#retired) link.destroy();
    this.#sites.clear();
    this.#retired.clear();
  }

  #sendOrWait(exchange: RespExchange, nowMs: number): void {
    const address = this.#ownerOf(exchange.request.routedBy);
    if (address === undefined || !this.#send(exchange, address, nowMs)) this.#waiting.push(exchange);
  }

  #ownerOf(key: string): string | undefined {
    const { place } = this.#options;
    return place === undefined ? this.#owners[keySlot(key)] : this.#seeds[place(key)];
  }

  /** False when the server is known to be down. */
  #send(exchange: RespExchange, address: string, nowMs: number, redirects = 0, askFirst = false): boolean {
    const link = this.#linkTo(address, this.#turn++ % connectionsPerServer, nowMs);
    if (link === null) return false;
    const { commands } = exchange.request;
    this.#inFlight += 1;
    link.send(
      {
        text: `${askFirst ? asking : ''}${commands.map(encodeCommand).join('')}`,
        count: commands.length + (askFirst ? 1 : 0),
        sinceMs: nowMs,
        sending: (sentMs) => {
          exchange.sentMs = sentMs;
        },
        ended: (result) => {
          this.#inFlight -= 1;
          this.#answered(
            exchange,
            address,
            redirects,
            typeof result === 'string' || !askFirst ? result : result.slice(1),
          );
        },
      },
      nowMs,
    );
    return true;
  }

  #answered(exchange: RespExchange, address: string, redirects: number, result: readonly RespReply[] | Failure): void {
    const nowMs = this.#options.now();
    // Nothing was sent: it waits for this server, or for whoever gets its keys.
    if (result === 'refused') {
      this.#waiting.push(exchange);
      return;
    }
    if (typeof result === 'string') {
      this.#options.ended(exchange, result, nowMs);
      return;
    }
    const [first] = result;
    const redirect = first instanceof RespError ? readRedirect(first.message, address) : null;
    if (redirect !== null && redirects < mostRedirects) {
      if (redirect.kind === 'MOVED') this.#moved(redirect.slot, redirect.address);
      if (this.#send(exchange, redirect.address, nowMs, redirects + 1, redirect.kind === 'ASK')) return;
    }
    this.#options.ended(exchange, answerOf(result), nowMs);
  }

  #moved(slot: number, address: string): void {
    this.#owners = this.#owners.with(slot, address);
    // Where one slot has moved, others have.
    this.#doubtful = true;
  }

  #linkTo(address: string, number: number, nowMs: number): RedisLink | null {
    const name = siteName(address, number);
    const site = this.#sites.get(name) ?? { link: null, downUntilMs: 0 };
    this.#sites.set(name, site);
    if (site.link !== null) return site.link;
    if (site.downUntilMs > nowMs) return null;
    const at = address.lastIndexOf(':');
    const target = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
    const { access = {}, now } = this.#options;
    site.link = new RedisLink({ target, access, now, gone: (link) => this.#gone(site, link) });
    return site.link;
  }

  #gone(site: Site, link: RedisLink): void {
    this.#retired.delete(link);
    if (site.link !== link) return;
    site.link = null;
    if (!link.ready) site.downUntilMs = this.#options.now() + downMs;
    this.#doubtful = this.#options.place === undefined;
  }

  #retire(site: Site): void {
    if (site.link !== null) this.#retired.add(site.link);
    site.link = null;
    this.#doubtful = this.#options.place === undefined;
  }

  /** One server after another, until one that is up knows an owner that is up for every slot. */
  #ask(nowMs: number): void {
    if (nowMs - this.#askedMs < askEveryMs) return;
    this.#askedMs = nowMs;
    const known = [...new Set([...this.#seeds, ...this.#owners])];
    const address = known[this.#askTurn++ % known.length];
    const link = address === undefined ? null : this.#linkTo(address, 0, nowMs);
    if (link === null || address === undefined) return;
    link.send(
      {
        text: clusterSlots,
        count: 1,
        sinceMs: nowMs,
        sending: () => {},
        ended: (result) => this.#learn(typeof result === 'string' ? null : readSlots(result[0], address)),
      },
      nowMs,
    );
  }

  #learn(owners: SlotOwners | null): void {
    if (owners === null) return;
    const nowMs = this.#options.now();
    this.#owners = owners;
    this.#doubtful = [...new Set(owners)].some((address) => {
      if (address === undefined) return true;
      const sites = Array.from({ length: connectionsPerServer }, (_, i) => this.#sites.get(siteName(address, i)));
      return sites.some((site) => site !== undefined && site.downUntilMs > nowMs);
    });
  }
}

const siteName = (address: string, number: number) => `${address} ${number}`;

function answerOf(replies: readonly RespReply[]): RespAnswer {
  const error = replies.find((reply) => reply instanceof RespError);
  const status = error instanceof RespError ? error.code : replies[0] === null ? 'nil' : 'ok';
  return { status, replies };
}
