/** One connection through the proxy: who made it, to whom, and what is done to it now. */

import { connect, type Socket } from 'node:net';
import type { Clock } from '../../../clock.ts';
import type { Random } from '../../../random.ts';
import type { Disturbance, Route } from './protocol.ts';
import { type Gate, openGate, Pump } from './pump.ts';

/** A disturbance under way, with what it has done. */
export interface Active extends Disturbance {
  readonly counters: {
    connections: number;
    resets: number;
    delayedBytes: number;
    heldBytes: number;
    swallowedBytes: number;
  };
  /** Connections that it took hold of. */
  readonly links: Set<Link>;
}

export interface LinkOptions {
  readonly client: Socket;
  readonly route: Route;
  readonly host: string;
  /** Instance that connected; null: unknown, or not looked up yet. */
  readonly source: string | null;
  readonly setOf: (instance: string) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly onClosed: (link: Link) => void;
}

export class Link {
  readonly route: Route;
  readonly client: Socket;
  source: string | null;
  readonly #options: LinkOptions;
  #server: Socket | null = null;
  #up: Pump | null = null;
  #down: Pump | null = null;
  #active: readonly Active[] = [];
  #closing = false;
  #dead = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.route = options.route;
    this.client = options.client;
    this.source = options.source;
    this.client.on('error', () => {});
    this.client.on('close', (failed) => this.#closed(failed));
  }

  /** A half-open rule takes only what is there when it begins, so that it is told apart here. */
  apply(active: readonly Active[], begins: Active | null): void {
    this.#active = active.filter((one) => this.#towards(one) !== null);
    if (begins?.rule.kind === 'half-open' && this.#active.includes(begins)) this.#dead = true;
    for (const one of this.#active) this.#count(one);
    const up = this.#gateOf('up');
    const down = this.#gateOf('down');
    // The first byte of a new connection that must not pass does not even reach the server.
    if (this.#server === null && !up.hold && !down.hold) this.#open();
    if (this.#up !== null) this.#up.gate = up;
    if (this.#down !== null) this.#down.gate = down;
    if (this.#closing && !up.hold && !down.hold && !this.#dead) this.destroy(false);
  }

  /** Ends both sides: `reset` by RST. */
  destroy(reset: boolean): void {
    this.#dead = false;
    for (const socket of [this.client, this.#server]) {
      if (socket === null) continue;
      if (reset) socket.resetAndDestroy();
      else socket.destroy();
    }
    this.#up?.stop();
    this.#down?.stop();
    this.#options.onClosed(this);
  }

  #open(): void {
    const { client, clock, random } = this.#options;
    const server = connect({ host: this.#options.host, port: this.route.target, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    server.on('error', () => {});
    server.on('close', (failed) => this.#closed(failed));
    this.#up = new Pump(client, server, clock, random);
    this.#down = new Pump(server, client, clock, random);
  }

  /** When one side has closed the other closes too, unless it must not hear of it yet. */
  #closed(failed: boolean): void {
    this.#closing = true;
    if (this.#dead || this.#active.some(({ rule }) => rule.kind === 'partition')) return;
    this.destroy(failed);
  }

  /** The direction whose bytes run to the instance that the rule is about; null when the connection is none of its. */
  #towards({ instance, set, rule }: Active): 'up' | 'down' | null {
    const into = this.route.instance === instance;
    if (!into && this.source !== instance) return null;
    if (into && this.source === instance) return null;
    const other = into ? this.source : this.route.instance;
    const isPeer = other !== null && this.#options.setOf(other) === set;
    const among = rule.among === 'all' || (rule.among === 'peers') === isPeer;
    return among ? (into ? 'up' : 'down') : null;
  }

  #count(active: Active): void {
    // A half-open connection that began later is an ordinary one.
    if (active.rule.kind === 'half-open' && !this.#dead) return;
    if (active.links.has(this)) return;
    active.links.add(this);
    active.counters.connections += 1;
  }

  #gateOf(direction: 'up' | 'down'): Gate {
    const gate: { -readonly [K in keyof Gate]: Gate[K] } = { ...openGate };
    const counting: Active[] = [];
    for (const active of this.#active) {
      const { rule } = active;
      const toIt = this.#towards(active) === direction;
      const swallow = rule.kind === 'half-open' && this.#dead;
      const hold = rule.kind === 'partition' && (rule.way === 'both' || (rule.way === 'in') === toIt);
      if (swallow || hold || rule.kind === 'latency') counting.push(active);
      gate.swallow ||= swallow;
      gate.hold ||= hold;
      gate.delayMs += rule.kind === 'latency' ? rule.ms : 0;
      gate.jitterMs += rule.kind === 'latency' ? rule.jitterMs : 0;
    }
    gate.count = (kind, bytes) => {
      for (const { counters } of counting) counters[`${kind}Bytes`] += bytes;
    };
    return gate;
  }
}
