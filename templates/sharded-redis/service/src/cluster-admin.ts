/** Looks at the nodes of a Redis Cluster, and carries out steps on them. */

import { lookup } from 'node:dns/promises';
import type { Clock } from '@dsp/kit/clock';
import type { RedisAccess } from '@dsp/kit/redis-access';
import { type Argument, RedisConnection, splitAddress } from '@dsp/kit/redis-connection';
import { clusterSlotCount, type NodeState, parseClusterNodes, toRanges } from './cluster-view.ts';
import type { Step } from './convergence.ts';

export interface AdminOptions {
  readonly clock: Clock;
  readonly access: RedisAccess;
  /** Bound of one command, and of one MIGRATE, which holds up both of its nodes. */
  readonly commandTimeoutMs: number;
  /** After a burst of moved slots, how many replicas of the new owner are to have the keys. */
  readonly replicas: number;
  /** On the clock's monotonic scale: no burst of slots begins after it. */
  readonly deadlineMs: number;
}

type Words = readonly Argument[];

/** Slots that are open at a time while slots move: a run that is killed leaves no more than these to repair. */
const slotsPerBurst = 32;
/** Few, because nobody else is served while they are on their way. */
const keysPerMigrate = 16;
/** Slot by slot over the network would take a second; a script over some of them holds the server up for a moment. */
const slotsPerCount = 1_024;
const countKeysLua = `
local found = {}
for _, slot in ipairs(ARGV) do
  local count = redis.call('CLUSTER', 'COUNTKEYSINSLOT', slot)
  if count > 0 then
    found[#found + 1] = tonumber(slot)
    found[#found + 1] = count
  end
end
return found`;
const replicationWaitMs = 1_000;
const promotionWaitMs = 5_000;

export class ClusterAdmin {
  readonly #options: AdminOptions;
  readonly #connections = new Map<string, RedisConnection>();
  /** Node id → the address that we reach it by. */
  readonly #addresses = new Map<string, string>();
  /** Node id → the port of its bus, which need not be 10000 above its own. */
  readonly #busPorts = new Map<string, number>();

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  /**
   * What the node says now; rejects when it does not answer. `thorough` looks for keys in every slot that it does not
   * own, else only in slots that are open.
   */
  async observe(address: string, thorough: boolean): Promise<NodeState> {
    const [nodes, info, replication] = await this.#all(address, [
      ['CLUSTER', 'NODES'],
      ['CLUSTER', 'INFO'],
      ['INFO', 'replication'],
    ]);
    const { self, open, others } = parseClusterNodes(String(nodes));
    this.#addresses.set(self.id, address);
    const busPort = /@(?<port>\d+)\S* \S*myself/.exec(String(nodes))?.groups?.port;
    if (busPort !== undefined) this.#busPorts.set(self.id, Number(busPort));
    const isReplica = self.role === 'replica';
    const importing = open.flatMap(({ slot, state }) => (state === 'importing' ? [slot] : []));
    const suspects = isReplica ? [] : thorough ? await this.#suspects(address, self.slots) : importing;
    return {
      ...self,
      address,
      open,
      others,
      strayKeys: await this.#countKeys(address, suspects),
      ok: /^cluster_state:ok/m.test(String(info)),
      synced: !isReplica || isSynced(String(replication)),
    };
  }

  async apply(step: Exclude<Step, { kind: 'wait' }>): Promise<void> {
    switch (step.kind) {
      case 'set-epoch':
        return this.#do(step.node, ['CLUSTER', 'SET-CONFIG-EPOCH', step.epoch]);
      case 'meet':
        return this.#meet(step.node, step.others);
      case 'promote':
        return this.#promote(step.node);
      case 'reset':
        return this.#reset(step.node, 'SOFT');
      case 'expel':
        return this.#reset(step.node, 'HARD');
      case 'add-slots':
        return this.#do(step.node, ['CLUSTER', 'ADDSLOTSRANGE', ...toRanges(step.slots).flat()]);
      case 'replicate':
        return this.#do(step.node, ['CLUSTER', 'REPLICATE', step.primary]);
      case 'close-slots':
        return this.#setSlots(step.node, step.slots, ['STABLE']);
      case 'forget':
        return this.#do(step.node, ['CLUSTER', 'FORGET', step.id]);
      case 'move-slots':
        for (let at = 0; at < step.slots.length; at += slotsPerBurst) {
          if (this.#options.clock.monotonicMs() > this.#options.deadlineMs) throw new Error('slots to move');
          await this.#moveBurst(step.from, step.to, step.slots.slice(at, at + slotsPerBurst));
        }
    }
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  async #meet(id: string, others: readonly string[]): Promise<void> {
    const endpoints = await Promise.all(others.map((other) => this.#endpoint(other)));
    const words = endpoints.map((endpoint, index) => [...endpoint, ...this.#busPort(others[index] as string)]);
    await this.#all(
      this.#address(id),
      words.map((endpoint) => ['CLUSTER', 'MEET', ...endpoint]),
    );
  }

  /**
   * The new owner is told first: from then on, whatever happens, the slots have one owner, and it has the keys. The
   * others would learn by gossip; telling them saves clients a redirect. Replicas refuse to be told, as does an old
   * owner that has become one with its last slot.
   */
  async #moveBurst(from: string, to: string, slots: readonly number[]): Promise<void> {
    await this.#setSlots(to, slots, ['IMPORTING', from]);
    await this.#setSlots(from, slots, ['MIGRATING', to]);
    const endpoint = await this.#endpoint(to);
    for (const slot of slots) await this.#moveKeys(from, endpoint, slot);
    await this.#setSlots(to, slots, ['NODE', to]);
    await Promise.allSettled([this.#setSlots(from, slots, ['NODE', to])]);
    const others = [...this.#addresses.keys()].filter((id) => id !== from && id !== to);
    await Promise.allSettled(others.map((id) => this.#setSlots(id, slots, ['NODE', to])));
    // Until its replicas have them, the keys are only at the new owner: keep that gap to one burst.
    if (this.#options.replicas > 0) await this.#do(to, ['WAIT', this.#options.replicas, replicationWaitMs]);
  }

  /** The copy that the old owner holds is the newer one, so it replaces. */
  async #moveKeys(from: string, [host, port]: Words, slot: number): Promise<void> {
    for (;;) {
      const listed = await this.#ask(this.#address(from), ['CLUSTER', 'GETKEYSINSLOT', slot, keysPerMigrate], true);
      const keys = listed as Buffer[];
      if (keys.length === 0) return;
      const { commandTimeoutMs, access } = this.#options;
      const as = access.user ? ['AUTH2', access.user.name, access.user.password] : [];
      const to = [host as string, port as number, '', 0, commandTimeoutMs];
      await this.#do(from, ['MIGRATE', ...to, 'REPLACE', ...as, 'KEYS', ...keys]);
    }
  }

  /**
   * A replica drops its copy from memory only. Without the flush, which its append-only file takes down, it would have
   * the keys back after its next start, and claim their slots. A primary that still has keys refuses to be reset.
   */
  async #reset(id: string, how: 'SOFT' | 'HARD'): Promise<void> {
    await this.#do(id, ['CLUSTER', 'RESET', how]);
    await this.#do(id, ['FLUSHALL']);
  }

  async #promote(id: string): Promise<void> {
    const { clock } = this.#options;
    await this.#do(id, ['CLUSTER', 'FAILOVER']);
    const untilMs = clock.monotonicMs() + promotionWaitMs;
    while (clock.monotonicMs() < untilMs) {
      const role = (await this.#ask(this.#address(id), ['ROLE'])) as unknown[];
      if (role[0] === 'master') return;
      await clock.sleep(50);
    }
  }

  /** Slots that may hold keys without being owned: none, when the owned slots' keys are all that there are. */
  async #suspects(address: string, owned: readonly number[]): Promise<readonly number[]> {
    const size = Number(await this.#ask(address, ['DBSIZE']));
    if (size === 0) return [];
    const counts = await this.#countKeys(address, owned);
    if ([...counts.values()].reduce((sum, count) => sum + count, 0) === size) return [];
    const ownedSlots = new Set(owned);
    return Array.from({ length: clusterSlotCount }, (_, slot) => slot).filter((slot) => !ownedSlots.has(slot));
  }

  /** Slots without keys are left out. */
  async #countKeys(address: string, slots: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const counts = new Map<number, number>();
    for (let at = 0; at < slots.length; at += slotsPerCount) {
      const some = slots.slice(at, at + slotsPerCount);
      const found = (await this.#ask(address, ['EVAL', countKeysLua, 0, ...some])) as number[];
      for (let index = 0; index < found.length; index += 2) counts.set(found[index] ?? 0, found[index + 1] ?? 0);
    }
    return counts;
  }

  async #setSlots(id: string, slots: readonly number[], state: Words): Promise<void> {
    await this.#all(
      this.#address(id),
      slots.map((slot) => ['CLUSTER', 'SETSLOT', slot, ...state]),
    );
  }

  async #endpoint(id: string): Promise<[host: string, port: number]> {
    const { host, port } = splitAddress(this.#address(id));
    return [(await lookup(host)).address, port];
  }

  #busPort(id: string): readonly number[] {
    const port = this.#busPorts.get(id);
    return port === undefined ? [] : [port];
  }

  async #do(id: string, words: Words): Promise<void> {
    await this.#ask(this.#address(id), words);
  }

  /** All are sent before the first answer is awaited; rejects with the first failure. */
  async #all(address: string, commands: readonly Words[]): Promise<unknown[]> {
    await this.#connection(address);
    return Promise.all(commands.map((words) => this.#ask(address, words)));
  }

  async #ask(address: string, words: Words, asBuffer = false): Promise<unknown> {
    const connection = this.#connections.get(address) ?? (await this.#connection(address));
    const [name = '', ...args] = words;
    const answer = await connection.send({ name: String(name), args, asBuffer }, 2 * this.#options.commandTimeoutMs);
    if (answer.kind === 'reply') return answer.value;
    const what = answer.kind === 'error' ? answer.error.message : answer.reason;
    throw new Error(`${address}: ${words.slice(0, 2).join(' ')}: ${what}`);
  }

  async #connection(address: string): Promise<RedisConnection> {
    const known = this.#connections.get(address);
    if (known?.usable) return known;
    const { commandTimeoutMs, clock, access } = this.#options;
    const opened = await RedisConnection.open(address, commandTimeoutMs, clock, access);
    this.#connections.set(address, opened);
    return opened;
  }

  #address(id: string): string {
    const address = this.#addresses.get(id);
    if (address === undefined) throw new Error(`node ${id} was never seen`);
    return address;
  }
}

function isSynced(replication: string): boolean {
  return /^master_link_status:up/m.test(replication) && /^master_sync_in_progress:0/m.test(replication);
}
