/**
 * The kv client of a Redis Cluster: finds a key's owner by its slot, follows MOVED and ASK, and reads the map anew
 * from any node it has ever heard of when an owner falls silent.
 */

import keySlot from 'cluster-key-slot';
import { type Clock, systemClock } from './clock.ts';
import { parseClusterSlots, parseRedirect, type SlotMap, slotCount } from './cluster-map.ts';
import { KvUnavailableError } from './kv-client.ts';
import { Counter } from './metrics.ts';
import { RedisConnection, RedisRefusedError, splitAddress } from './redis-connection.ts';
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

export interface ClusterKvOptions extends RoutedKvOptions {
  /** `host:port` of nodes to ask for the map first; one that answers is enough. */
  readonly seeds: readonly string[];
}

/** Connects on first use. */
export function clusterKv(options: ClusterKvOptions): RoutedKv {
  return new RoutedKv(new ClusterRouter(options), options);
}

/** A map read sooner after the last would mostly say the same; one that did say the same is left longer. */
const refreshPauseMs = 50;
const longestRefreshPauseMs = 200;
/** While one node is silent, the next is asked after this time. */
const askNextAfterMs = 50;
/** Addresses remembered beyond the seeds and the map: where a cluster may be found again after it has moved. */
const rememberedNodes = 256;

class ClusterRouter implements Router {
  readonly #options: ClusterKvOptions;
  readonly #clock: Clock;
  readonly #refreshes: Counter<'result'> | undefined;
  readonly #nodes = new Map<string, RedisNode>();
  /** Of each slot that was asked for, so that no target has to be made for a command. */
  readonly #targets = new Array<Target | undefined>(slotCount).fill(undefined);
  /** In order of their last sighting, the oldest first. */
  readonly #known: Set<string>;
  #owners = new Array<string | undefined>(slotCount).fill(undefined);
  #refreshing: Promise<boolean> | undefined;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #refreshPauseMs = refreshPauseMs;
  #firstAsked = 0;
  #allAnswered = false;
  #closed = false;
  /** Why a server would not be asked for the map, where it said so. */
  #refusal: RedisRefusedError | undefined;

  constructor(options: ClusterKvOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#known = new Set(options.seeds);
    this.#refreshes = options.metrics && createRefreshCounter(options.metrics);
  }

  async ready(): Promise<void> {
    if (this.#allAnswered) return;
    await this.#refresh();
    const uncovered = this.#owners.filter((owner) => owner === undefined).length;
    if (uncovered > 0 && this.#refusal !== undefined) throw this.#refusal;
    if (uncovered > 0) throw new KvUnavailableError(`${uncovered} of ${slotCount} slots have no known owner`, false);
    await Promise.all([...new Set(this.#owners)].map((owner) => this.#node(owner as string).open()));
    this.#allAnswered = true;
  }

  owner(key: string): Target | undefined {
    const slot = keySlot(key);
    const known = this.#targets[slot];
    if (known !== undefined) return known;
    const address = this.#owners[slot];
    if (address === undefined) return undefined;
    const target = { node: this.#node(address), asking: false };
    this.#targets[slot] = target;
    return target;
  }

  onError(key: string, error: Error): Redirect {
    const redirect = parseRedirect(error.message, splitAddress(this.#owners[keySlot(key)] ?? '').host);
    if (redirect !== null) {
      const target = { node: this.#node(redirect.address), asking: redirect.kind === 'ASK' };
      if (redirect.kind === 'MOVED') {
        this.#owners[redirect.slot] = redirect.address;
        this.#targets[redirect.slot] = undefined;
        void this.onSilence();
      }
      return { kind: 'target', target };
    }
    if (!saysNotRunYet(error)) return { kind: 'final' };
    void this.onSilence();
    return { kind: 'again', reason: codeOf(error) };
  }

  async onSilence(): Promise<void> {
    await this.#refresh();
  }

  close(): void {
    this.#closed = true;
    for (const node of this.#nodes.values()) node.close();
  }

  #node(address: string): RedisNode {
    let node = this.#nodes.get(address);
    if (node === undefined) {
      node = new RedisNode(address, this.#options.timeoutMs, this.#clock, this.#options.access);
      if (this.#closed) node.close();
      this.#nodes.set(address, node);
    }
    return node;
  }

  /** One at a time, whoever asks, and not in quick succession. Whether a map was found. */
  #refresh(): Promise<boolean> {
    this.#refreshing ??= this.#readMap().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #readMap(): Promise<boolean> {
    const waitMs = this.#refreshedAtMs + this.#refreshPauseMs - this.#clock.monotonicMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs);
    if (this.#closed) return false;
    const map = await this.#askAround();
    this.#refreshedAtMs = this.#clock.monotonicMs();
    this.#refreshes?.inc({ result: map === undefined ? 'nobody answered' : 'read' });
    if (map === undefined || this.#closed) return false;
    const isSame = map.owners.every((owner, slot) => owner === this.#owners[slot]);
    this.#refreshPauseMs = isSame ? Math.min(2 * this.#refreshPauseMs, longestRefreshPauseMs) : refreshPauseMs;
    this.#owners = [...map.owners];
    this.#targets.fill(undefined);
    this.#remember(map.nodes);
    for (const [address, node] of this.#nodes) if (!map.nodes.has(address)) node.closeIdle();
    return true;
  }

  /**
   * Asks the known nodes, the next whenever one fails or is silent for a while. The first map that covers every slot
   * is taken; else, when all have answered or the time is up, the one that covers most.
   */
  async #askAround(): Promise<SlotMap | undefined> {
    const known = [...this.#known];
    // Each time another node is the first: one that is cut off from the others must not be the only witness.
    const start = this.#firstAsked++ % known.length;
    const order = [...known.slice(start), ...known.slice(0, start)];
    let best: SlotMap | undefined;
    const asked: Promise<void>[] = [];
    for (const address of order) {
      const asking = askForMap(address, this.#options, this.#clock).then(
        (map) => {
          if (map.covered > (best?.covered ?? 0)) best = map;
        },
        (error: unknown) => {
          if (error instanceof RedisRefusedError) this.#refusal = error;
        },
      );
      asked.push(asking);
      await Promise.race([asking, this.#clock.sleep(askNextAfterMs), untilCovered(asked, () => best)]);
      if (best?.covered === slotCount) return best;
    }
    await untilCovered(asked, () => best);
    return best;
  }

  #remember(nodes: ReadonlySet<string>): void {
    for (const address of nodes) {
      this.#known.delete(address);
      this.#known.add(address);
    }
    for (const address of this.#known) {
      if (this.#known.size <= rememberedNodes) return;
      if (!nodes.has(address) && !this.#options.seeds.includes(address)) this.#known.delete(address);
    }
  }
}

/** Resolves when a map covers every slot, or all have answered. */
async function untilCovered(asked: readonly Promise<void>[], best: () => SlotMap | undefined): Promise<void> {
  const covered = asked.map(async (asking) => {
    await asking;
    if (best()?.covered !== slotCount) throw new Error('not covered');
  });
  await Promise.any(covered).catch(() => {});
}

async function askForMap(address: string, options: ClusterKvOptions, clock: Clock): Promise<SlotMap> {
  const { timeoutMs, access } = options;
  const connection = await RedisConnection.open(address, timeoutMs, clock, access);
  try {
    const answer = await connection.send({ name: 'CLUSTER', args: ['SLOTS'] }, timeoutMs);
    if (answer.kind !== 'reply') throw new Error(`${address} gave no map`);
    return parseClusterSlots(answer.value, splitAddress(address).host);
  } finally {
    connection.close();
  }
}

function createRefreshCounter(metrics: NonNullable<RoutedKvOptions['metrics']>): Counter<'result'> {
  return new Counter({
    name: 'kv_map_refreshes_total',
    help: 'Readings of the cluster map.',
    labelNames: ['result'],
    registers: [metrics],
  });
}
