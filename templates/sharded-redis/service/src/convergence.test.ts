import { describe, expect, it } from 'vitest';
import type { Member, NodeState, OpenSlot } from './cluster-view.ts';
import { ConvergenceError, nextSteps, type Step, type Wanted } from './convergence.ts';

const slotCount = 24;

/** Chance for the schedules, by mulberry32: the seed is in every failure's message. */
function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

interface ModelNode {
  id: string;
  role: 'primary' | 'replica';
  primaryId: string | null;
  epoch: number;
  slots: Set<number>;
  open: Map<number, OpenSlot>;
  keys: Map<string, number>;
  knows: Set<string>;
}

/** Redis Cluster as far as the steps touch it. A key is `<slot>:<name>` with the number of its last write. */
class Model {
  readonly nodes = new Map<string, ModelNode>();
  /** What a client wrote and was told is written. */
  readonly written = new Map<string, number>();
  slotsMoved = 0;
  #epoch = 10;
  #writes = 0;

  add(id: string): ModelNode {
    const node: ModelNode = {
      id,
      role: 'primary',
      primaryId: null,
      epoch: 0,
      slots: new Set(),
      open: new Map(),
      keys: new Map(),
      knows: new Set(),
    };
    this.nodes.set(id, node);
    return node;
  }

  get(id: string): ModelNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  owner(slot: number): ModelNode | undefined {
    return [...this.nodes.values()].filter((node) => node.slots.has(slot)).sort((a, b) => b.epoch - a.epoch)[0];
  }

  /** As a client does it: the owner is asked, and an ASK is followed when the key is not there. */
  write(slot: number, name: string): void {
    const owner = this.owner(slot);
    if (owner === undefined) return;
    const key = `${slot}:${name}`;
    const leaves = owner.open.get(slot);
    const asks = leaves?.state === 'migrating' && !owner.keys.has(key) ? this.get(leaves.peer) : undefined;
    if (asks !== undefined && asks.open.get(slot)?.state !== 'importing') return;
    (asks ?? owner).keys.set(key, ++this.#writes);
    this.written.set(key, this.#writes);
  }

  /** The primary is lost and comes back as a replica of its replica; open slots are known to neither. */
  failOver(primary: ModelNode, to?: ModelNode): void {
    const heir = to ?? [...this.nodes.values()].find((node) => node.primaryId === primary.id);
    if (primary.role !== 'primary' || heir === undefined) return;
    heir.role = 'primary';
    heir.primaryId = null;
    heir.epoch = ++this.#epoch;
    heir.slots = primary.slots;
    heir.keys = primary.keys;
    for (const node of this.nodes.values()) if (node.primaryId === primary.id) node.primaryId = heir.id;
    Object.assign(primary, { role: 'replica', primaryId: heir.id, slots: new Set(), open: new Map(), keys: new Map() });
  }

  view(ids: readonly string[]): NodeState[] {
    const members = new Map(
      [...this.nodes.values()].map((node): [string, Member] => [
        node.id,
        {
          id: node.id,
          address: node.id,
          hostName: '',
          role: node.role,
          primaryId: node.primaryId,
          configEpoch: node.epoch,
          connected: true,
          inHandshake: false,
          slots: [...node.slots].sort((a, b) => a - b),
        },
      ]),
    );
    const member = (id: string) => members.get(id) as Member;
    return ids.map((id) => {
      const node = this.get(id);
      const stray = new Map<number, number>();
      for (const key of node.role === 'primary' ? node.keys.keys() : []) {
        const slot = Number(key.split(':')[0]);
        if (!node.slots.has(slot)) stray.set(slot, (stray.get(slot) ?? 0) + 1);
      }
      return {
        ...member(id),
        others: new Map([...node.knows].map((other) => [other, member(other)])),
        open: [...node.open.values()],
        strayKeys: stray,
        ok: true,
        synced: true,
      };
    });
  }

  /** Carries the step out, or only its beginning: `budget` counts down the single commands that still happen. */
  apply(step: Step, budget: { left: number }): void {
    if (step.kind === 'wait' || budget.left-- <= 0) return;
    switch (step.kind) {
      case 'set-epoch':
        this.get(step.node).epoch = step.epoch;
        break;
      case 'meet':
        for (const other of step.others) this.#meet(this.get(step.node), this.get(other));
        break;
      case 'promote':
        this.failOver(this.get(this.get(step.node).primaryId ?? ''), this.get(step.node));
        break;
      case 'reset':
      case 'expel':
        this.#reset(this.get(step.node));
        break;
      case 'add-slots':
        for (const slot of step.slots) this.get(step.node).slots.add(slot);
        break;
      case 'replicate':
        this.#replicate(this.get(step.node), this.get(step.primary));
        break;
      case 'close-slots':
        for (const slot of step.slots) this.get(step.node).open.delete(slot);
        break;
      case 'forget':
        this.get(step.node).knows.delete(step.id);
        break;
      case 'move-slots':
        for (const slot of step.slots) this.#move(this.get(step.from), this.get(step.to), slot, budget);
    }
  }

  #meet(node: ModelNode, other: ModelNode): void {
    const all = new Set([node.id, other.id, ...node.knows, ...other.knows]);
    for (const id of all) {
      const knows = this.get(id).knows;
      for (const other of all) if (other !== id) knows.add(other);
    }
  }

  #reset(node: ModelNode): void {
    if (node.role === 'primary' && node.keys.size > 0) throw new Error('a primary with keys cannot be reset');
    Object.assign(node, { role: 'primary', primaryId: null, slots: new Set(), open: new Map(), keys: new Map() });
    node.knows.clear();
  }

  #replicate(node: ModelNode, primary: ModelNode): void {
    if (node.role === 'primary' && (node.slots.size > 0 || node.keys.size > 0)) throw new Error('must be empty');
    if (primary.role !== 'primary' || !node.knows.has(primary.id)) throw new Error('not a known primary');
    Object.assign(node, { role: 'replica', primaryId: primary.id, open: new Map() });
  }

  #move(from: ModelNode, to: ModelNode, slot: number, budget: { left: number }): void {
    if (!from.slots.has(slot) || to.role !== 'primary') throw new Error(`${from.id} does not own slot ${slot}`);
    const commands = [
      () => to.open.set(slot, { slot, state: 'importing', peer: from.id }),
      () => from.open.set(slot, { slot, state: 'migrating', peer: to.id }),
      ...[...from.keys].flatMap(([key, value]) =>
        key.startsWith(`${slot}:`) ? [() => to.keys.set(key, value), () => from.keys.delete(key)] : [],
      ),
      () => {
        to.open.delete(slot);
        to.slots.add(slot);
        to.epoch = ++this.#epoch;
        this.slotsMoved++;
      },
      () => {
        from.open.delete(slot);
        from.slots.delete(slot);
      },
    ];
    for (const command of commands) if (budget.left-- > 0) command();
    // Gossip tells the old owner in the end.
    if (to.slots.has(slot)) from.slots.delete(slot);
  }

  /** Every key that was written is at the owner of its slot, with its last value, and nowhere else. */
  misplaced(): string[] {
    return [...this.written].flatMap(([key, value]) => {
      const owner = this.owner(Number(key.split(':')[0]));
      const holders = [...this.nodes.values()].filter((node) => node.keys.has(key));
      return owner?.keys.get(key) === value && holders.length === 1
        ? []
        : [`${key}=${value} is at ${holders.map((node) => `${node.id}:${node.keys.get(key)}`)}, owner ${owner?.id}`];
    });
  }
}

const wish = (ids: readonly string[], replicasPerPrimary: number): Wanted => ({ ids, replicasPerPrimary, slotCount });

function converge(model: Model, wanted: Wanted, reachable: readonly string[] = wanted.ids): void {
  for (let round = 0; round < 100; round++) {
    const steps = nextSteps(model.view(reachable), wanted);
    if (steps.length === 0) return;
    for (const step of steps) model.apply(step, { left: Number.MAX_SAFE_INTEGER });
  }
  throw new Error(`not converged: ${JSON.stringify(nextSteps(model.view(reachable), wanted).slice(0, 3))}`);
}

function nodes(model: Model, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => model.add(`n${from + index}`).id);
}

function expectShape(model: Model, wanted: Wanted, told = ''): void {
  const members = wanted.ids.map((id) => model.get(id));
  const primaries = members.filter((node) => node.role === 'primary');
  const count = Math.floor(wanted.ids.length / (wanted.replicasPerPrimary + 1));
  expect(primaries.length, told).toBe(count);
  for (const primary of primaries) {
    expect(Math.abs(primary.slots.size - slotCount / count), told).toBeLessThan(1);
    const replicas = members.filter((node) => node.primaryId === primary.id).length;
    expect(replicas, told).toBeGreaterThanOrEqual(wanted.replicasPerPrimary);
  }
  for (const node of members) {
    expect(node.open.size, told).toBe(0);
    expect([...node.knows].sort(), told).toEqual(wanted.ids.filter((id) => id !== node.id).sort());
  }
  expect(model.misplaced(), told).toEqual([]);
}

describe('the steps to a wanted cluster', () => {
  it('form one from fresh nodes, and then there is nothing to do', () => {
    const model = new Model();
    const wanted = wish(nodes(model, 0, 6), 1);
    converge(model, wanted);
    expectShape(model, wanted);
    expect(nextSteps(model.view(wanted.ids), wanted)).toEqual([]);
    expect(model.slotsMoved).toBe(0);
  });

  it('introduce each pair of fresh nodes, and no pair again while somebody is being introduced', () => {
    const model = new Model();
    const wanted = wish(nodes(model, 0, 3), 0);
    const meets = nextSteps(model.view(wanted.ids), wanted).filter(({ kind }) => kind === 'meet');
    expect(meets).toEqual([
      { kind: 'meet', node: 'n0', others: ['n1', 'n2'] },
      { kind: 'meet', node: 'n1', others: ['n2'] },
    ]);
    const [first, ...rest] = model.view(wanted.ids) as [NodeState, ...NodeState[]];
    const stranger = { ...first, id: 'provisional', inHandshake: true };
    const busy = { ...first, others: new Map([[stranger.id, stranger]]) };
    expect(nextSteps([busy, ...rest], wanted)).not.toContainEqual(expect.objectContaining({ node: 'n0' }));
  });

  it('introduce nodes that know each other again only when neither has a link to the other', () => {
    const model = new Model();
    const wanted = wish(nodes(model, 0, 3), 0);
    converge(model, wanted);
    const view = model.view(wanted.ids);
    const cut = (node: NodeState, from: string): NodeState => ({
      ...node,
      others: new Map(
        [...node.others].map(([id, other]) => [id, id === from ? { ...other, connected: false } : other]),
      ),
    });
    const [a, b, c] = view as [NodeState, NodeState, NodeState];
    expect(nextSteps([cut(a, 'n1'), b, c], wanted).map(({ kind }) => kind)).toEqual(['wait']);
    expect(nextSteps([cut(a, 'n1'), cut(b, 'n0'), c], wanted)).toContainEqual({
      kind: 'meet',
      node: 'n0',
      others: ['n1'],
    });
  });

  it('let nodes tell what they became before the cluster serves, and leave a serving one to gossip', () => {
    const model = new Model();
    const wanted = wish(nodes(model, 0, 4), 1);
    converge(model, wanted);
    const replica = [...model.nodes.values()].find(({ role }) => role === 'replica') as ModelNode;
    const stale = (ok: boolean) =>
      model.view(wanted.ids).map((node): NodeState => {
        const seen = node.others.get(replica.id);
        const before = seen && { ...seen, role: 'primary' as const, primaryId: null };
        return { ...node, ok, others: before ? new Map([...node.others, [replica.id, before]]) : node.others };
      });
    const unaware = wanted.ids.filter((id) => id !== replica.id);
    const forming = nextSteps(stale(false), wanted);
    expect(forming.slice(0, -1)).toEqual([{ kind: 'meet', node: replica.id, others: unaware }]);
    expect(forming.at(-1)?.kind).toBe('wait');
    expect(nextSteps(stale(true), wanted).map(({ kind }) => kind)).toEqual(['wait']);
  });

  it('move slots only to primaries that know whose they are and serve, and tell those who have none yet', () => {
    const model = new Model();
    converge(model, wish(nodes(model, 0, 3), 0));
    const wanted = wish([...model.nodes.keys(), ...nodes(model, 3, 4)], 0);
    for (const step of nextSteps(model.view(wanted.ids), wanted)) model.apply(step, { left: Number.MAX_SAFE_INTEGER });
    const knowing = model.view(wanted.ids);
    expect(nextSteps(knowing, wanted).map(({ kind }) => kind)).toContain('move-slots');
    const change = (id: string, to: (node: NodeState) => NodeState) =>
      knowing.map((node) => (node.id === id ? to(node) : node));
    const slotless = (node: NodeState) => new Map([...node.others].map(([id, other]) => [id, { ...other, slots: [] }]));
    expect(
      nextSteps(
        change('n3', (node) => ({ ...node, others: slotless(node) })),
        wanted,
      ),
    ).toEqual([
      { kind: 'meet', node: 'n0', others: ['n3'] },
      { kind: 'meet', node: 'n1', others: ['n3'] },
      { kind: 'meet', node: 'n2', others: ['n3'] },
      expect.objectContaining({ kind: 'wait' }),
    ]);
    const told = nextSteps(
      change('n0', (node) => ({ ...node, others: slotless(node) })),
      wanted,
    );
    expect(told.map(({ kind }) => kind)).toEqual(['wait']);
    const starting = nextSteps(
      change('n3', (node) => ({ ...node, ok: false })),
      wanted,
    );
    expect(starting.map(({ kind }) => kind)).toEqual(['wait']);
  });

  it('grow it by moving a new share of the slots, and no slot more', () => {
    const model = new Model();
    converge(model, wish(nodes(model, 0, 6), 1));
    for (let slot = 0; slot < slotCount; slot++) model.write(slot, 'a');
    const wanted = wish([...model.nodes.keys(), ...nodes(model, 6, 8)], 1);
    converge(model, wanted);
    expectShape(model, wanted);
    expect(model.slotsMoved).toBe(slotCount / 4);
  });

  it('let a replica take over from a primary that leaves, when that spares moving its keys', () => {
    const model = new Model();
    const all = nodes(model, 0, 6);
    converge(model, wish(all, 1));
    for (let slot = 0; slot < slotCount; slot++) model.write(slot, 'a');
    const wanted = wish(all.slice(1).concat(nodes(model, 6, 7)), 1);
    converge(model, wanted, [...wanted.ids, 'n0']);
    expectShape(model, wanted);
    expect(model.slotsMoved).toBe(0);
  });

  it('replace every node by a fresh one', () => {
    const model = new Model();
    const old = nodes(model, 0, 6);
    converge(model, wish(old, 1));
    for (let slot = 0; slot < slotCount; slot++) model.write(slot, 'a');
    const wanted = wish(nodes(model, 6, 12), 1);
    converge(model, wanted, [...wanted.ids, ...old]);
    expectShape(model, wanted);
  });

  it('refuse to join two clusters that both own slots', () => {
    const model = new Model();
    const one = nodes(model, 0, 3);
    converge(model, wish(one, 0));
    const two = nodes(model, 3, 6);
    converge(model, wish(two, 0));
    expect(() => nextSteps(model.view([...one, ...two]), wish([...one, ...two], 0))).toThrow(ConvergenceError);
  });

  it('give a slot that nobody owns to the primary that has keys of it', () => {
    const model = new Model();
    const wanted = wish(nodes(model, 0, 6), 1);
    converge(model, wanted);
    for (let slot = 0; slot < slotCount; slot++) model.write(slot, 'a');
    const owner = model.owner(slotCount - 1) as ModelNode;
    owner.slots.delete(slotCount - 1);
    const adding = nextSteps(model.view(wanted.ids), wanted);
    expect(adding).toEqual([{ kind: 'add-slots', node: owner.id, slots: [slotCount - 1] }]);
    owner.slots.delete(0);
    model.get('n0').slots.delete(0);
    owner.keys.set('0:b', 1);
    model.get('n0').keys.clear();
    expect(nextSteps(model.view(wanted.ids), wanted)).toContainEqual(
      expect.objectContaining({ kind: 'add-slots', node: owner.id, slots: [0, slotCount - 1] }),
    );
  });

  it('wait for an owner that is not reachable, and take nothing from it', () => {
    const model = new Model();
    const all = nodes(model, 0, 6);
    converge(model, wish(all, 1));
    const gone = all.find((id) => model.get(id).slots.size > 0) as string;
    const rest = all.filter((id) => id !== gone);
    const steps = nextSteps(model.view(rest), wish(rest, 1));
    expect(steps.at(-1)?.kind).toBe('wait');
    expect(steps.some((step) => step.kind === 'add-slots' || step.kind === 'move-slots')).toBe(false);
  });
});

describe('in schedules of growing, shrinking, failing over, and being killed at any command', () => {
  const schedules = 500;

  it(`no written key is lost, and the wanted cluster comes about (${schedules} seeds)`, () => {
    for (let seed = 1; seed <= schedules; seed++) {
      const told = `seed ${seed}`;
      const below = seeded(seed);
      const replicas = below(3);
      const model = new Model();
      let wanted = wish(nodes(model, 0, 3 * (replicas + 1)), replicas);
      for (let change = 0; change < 3; change++) {
        disturbedRuns(model, wanted, below);
        expect(() => converge(model, wanted, [...model.nodes.keys()]), told).not.toThrow();
        expectShape(model, wanted, told);
        const size = (2 + below(4)) * (replicas + 1);
        wanted = wish(nextMembers(model, wanted.ids, size, below), replicas);
      }
    }
  });

  /** Some of the members stay, whatever their role is by now; fresh nodes fill up. */
  function nextMembers(model: Model, current: readonly string[], size: number, below: (bound: number) => number) {
    const kept = [...current];
    while (kept.length > size || (kept.length > 1 && below(6) === 0)) kept.splice(below(kept.length), 1);
    const start = model.nodes.size;
    return [...kept, ...nodes(model, start, start + size - kept.length)];
  }

  function disturbedRuns(model: Model, wanted: Wanted, below: (bound: number) => number): void {
    for (let run = below(4); run > 0; run--) {
      const budget = { left: below(200) };
      for (let round = 0; round < 20 && budget.left > 0; round++) {
        const steps = nextSteps(model.view([...model.nodes.keys()]), wanted);
        for (const step of steps) model.apply(step, budget);
        for (let write = 0; write < 10; write++) model.write(below(slotCount), `k${below(5)}`);
      }
      for (let write = 0; write < 20; write++) model.write(below(slotCount), `k${below(5)}`);
      const primaries = [...model.nodes.values()].filter((node) => node.role === 'primary' && node.slots.size > 0);
      const hit = primaries[below(Math.max(1, primaries.length))];
      if (hit !== undefined && below(2) === 0) model.failOver(hit);
    }
  }
});
