/**
 * The kv client of a consistent-hash ring of independent Redis servers. No server is ever ejected: while one is away
 * its keys are unavailable, and never served, stale, by another.
 */

import { systemClock } from './clock.ts';
import { buildRing, type Ring, type RingServer, serverOf } from './ketama.ts';
import { RedisNode } from './redis-node.ts';
import {
  codeOf,
  type Redirect,
  RoutedKv,
  type RoutedKvOptions,
  type Router,
  saysNotRunYet,
  type Target,
} from './routed-kv.ts';

export interface RingKvOptions extends RoutedKvOptions {
  readonly nodes: readonly (RingServer & { readonly address: string })[];
}

/** Connects on first use. */
export function ringKv(options: RingKvOptions): RoutedKv {
  return new RoutedKv(new RingRouter(options), options);
}

class RingRouter implements Router {
  readonly #ring: Ring;
  readonly #nodes: readonly RedisNode[];
  /** One a node, so that none has to be made for a command. */
  readonly #targets: readonly Target[];
  #allAnswered = false;

  constructor(options: RingKvOptions) {
    this.#ring = buildRing(options.nodes);
    const clock = options.clock ?? systemClock;
    this.#nodes = options.nodes.map(({ address }) => new RedisNode(address, options.timeoutMs, clock, options.access));
    this.#targets = this.#nodes.map((node) => ({ node, asking: false }));
  }

  async ready(): Promise<void> {
    if (this.#allAnswered) return;
    await Promise.all(this.#nodes.map((node) => node.open()));
    this.#allAnswered = true;
  }

  owner(key: string): Target {
    return this.#targets[serverOf(this.#ring, key)] as Target;
  }

  onError(_key: string, error: Error): Redirect {
    return saysNotRunYet(error) ? { kind: 'again', reason: codeOf(error) } : { kind: 'final' };
  }

  async onSilence(): Promise<void> {}

  close(): void {
    for (const node of this.#nodes) node.close();
  }
}
