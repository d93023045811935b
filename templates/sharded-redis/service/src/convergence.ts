/**
 * What is to be done next so that a cluster becomes what it is wanted to be, whatever state it is found in: fresh,
 * grown, shrunk, failed over, or left half-way by a run that was killed. Pure: the current view and the wish in, steps
 * out. The caller carries them out, looks again, and asks again, until nothing is left to do.
 */

import type { Member, NodeState } from './cluster-view.ts';

export interface Wanted {
  /** Ids of the nodes that the cluster is to consist of, the most preferred as primaries first. */
  readonly ids: readonly string[];
  readonly replicasPerPrimary: number;
  readonly slotCount: number;
}

/** Nodes are named by id. */
export type Step =
  /** Nothing but time helps. */
  | { readonly kind: 'wait'; readonly for: string }
  /** A fresh node's configuration epoch, so that fresh primaries need not settle equal ones between them. */
  | { readonly kind: 'set-epoch'; readonly node: string; readonly epoch: number }
  /** `via` introduces `node` to the cluster. */
  | { readonly kind: 'meet'; readonly via: string; readonly node: string }
  /** A replica takes over from its primary, without loss. */
  | { readonly kind: 'promote'; readonly node: string }
  /** A replica drops its copy and forgets the cluster: it is an empty primary, to be introduced anew. */
  | { readonly kind: 'reset'; readonly node: string }
  /** The same, and for good: with a new id, under which it may be asked back at once. */
  | { readonly kind: 'expel'; readonly node: string }
  | { readonly kind: 'add-slots'; readonly node: string; readonly slots: readonly number[] }
  | { readonly kind: 'replicate'; readonly node: string; readonly primary: string }
  /** Ends the open state of slots whose keys are all at their owner. */
  | { readonly kind: 'close-slots'; readonly node: string; readonly slots: readonly number[] }
  /** Moves slots with their keys, live. */
  | { readonly kind: 'move-slots'; readonly from: string; readonly to: string; readonly slots: readonly number[] }
  /** `node` no longer counts `id` as a member. */
  | { readonly kind: 'forget'; readonly node: string; readonly id: string };

/** The nodes are in a state that no step may mend without a risk to data. */
export class ConvergenceError extends Error {
  override readonly name = 'ConvergenceError';
}

/** The steps that can be taken now, in order; none when the cluster is as wanted. Every wanted node is in `nodes`. */
export function nextSteps(nodes: readonly NodeState[], wanted: Wanted): readonly Step[] {
  const view = new View(nodes, wanted);
  const phases = [
    introduce,
    awaitOneOwner,
    settleRoles,
    repairSlots,
    assignFreeSlots,
    attachReplicas,
    balance,
    dismiss,
    settle,
  ];
  for (const phase of phases) {
    const steps = phase(view);
    if (steps.length > 0) return steps;
  }
  return [];
}

/** The nodes, indexed; and the primaries that the cluster is to have. */
class View {
  readonly wanted: Wanted;
  /** Reachable nodes by id. */
  readonly byId: ReadonlyMap<string, NodeState>;
  /** The wanted nodes, in the order of the wish. */
  readonly nodes: readonly NodeState[];
  /** Every id that a wanted node counts as a member, and is not wanted. */
  readonly strangers: readonly string[];
  /** Slot → id of the owner, also of an owner that only others know of. */
  readonly owners: readonly (string | undefined)[];
  readonly primaryCount: number;
  readonly primaries: readonly NodeState[];

  constructor(nodes: readonly NodeState[], wanted: Wanted) {
    this.wanted = wanted;
    this.byId = new Map(nodes.map((node) => [node.id, node]));
    this.nodes = wanted.ids.map((id) => this.node(id));
    this.strangers = strangersTo(this.nodes, wanted);
    this.owners = ownersOf(nodes, this.nodes, wanted.slotCount);
    this.primaryCount = Math.floor(wanted.ids.length / (wanted.replicasPerPrimary + 1));
    if (this.primaryCount < 1) throw new ConvergenceError('too few nodes for one primary with its replicas');
    this.primaries = choosePrimaries(this);
  }

  node(id: string): NodeState {
    const node = this.byId.get(id);
    if (node === undefined) throw new ConvergenceError(`node ${id} is not reachable`);
    return node;
  }

  isPrimary(id: string): boolean {
    return this.primaries.some((primary) => primary.id === id);
  }
}

function strangersTo(nodes: readonly NodeState[], wanted: Wanted): string[] {
  const ids = new Set<string>();
  for (const node of nodes) {
    for (const other of node.others.values()) {
      if (!other.inHandshake && !wanted.ids.includes(other.id)) ids.add(other.id);
    }
  }
  return [...ids].sort();
}

/** A node's own word counts first; of two that claim a slot, the later configuration; then what others say. */
function ownersOf(
  all: readonly NodeState[],
  wanted: readonly NodeState[],
  slotCount: number,
): readonly (string | undefined)[] {
  const owners = new Array<string | undefined>(slotCount).fill(undefined);
  const epochs = new Array<number>(slotCount).fill(-1);
  const members = new Set(wanted.flatMap((node) => [node.id, ...node.others.keys()]));
  const claim = (member: Member, rank: number) => {
    for (const slot of member.slots) {
      if (rank <= (epochs[slot] as number)) continue;
      owners[slot] = member.id;
      epochs[slot] = rank;
    }
  };
  const reachable = new Set(all.map((node) => node.id));
  for (const node of all) if (members.has(node.id)) claim(node, node.configEpoch);
  for (const node of wanted) {
    for (const other of node.others.values()) if (!reachable.has(other.id)) claim(other, other.configEpoch - 0.5);
  }
  return owners;
}

/**
 * Those that own slots already, the most first; then a replica whose primary must go, because it can take over without
 * moving a key; then empty primaries; then replicas of the primaries that have most of them.
 */
function choosePrimaries(view: View): readonly NodeState[] {
  const siblings = new Map<string, number>();
  for (const { primaryId } of view.nodes) {
    if (primaryId !== null) siblings.set(primaryId, (siblings.get(primaryId) ?? 0) + 1);
  }
  const heirs = new Set<string>();
  const heirOf = new Set<string>();
  for (const node of view.nodes) {
    const primary = node.primaryId === null ? undefined : view.byId.get(node.primaryId);
    if (primary === undefined || view.wanted.ids.includes(primary.id) || primary.slots.length === 0) continue;
    if (heirOf.has(primary.id)) continue;
    heirOf.add(primary.id);
    heirs.add(node.id);
  }
  const rank = (node: NodeState): readonly [number, number] => {
    if (node.role === 'primary' && node.slots.length > 0) return [0, -node.slots.length];
    if (heirs.has(node.id)) return [1, 0];
    if (node.role === 'primary') return [2, 0];
    return [3, -(siblings.get(node.primaryId ?? '') ?? 0)];
  };
  const ranked = view.nodes.map((node, index) => ({ node, key: [...rank(node), index] as const }));
  ranked.sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2]);
  return ranked.slice(0, view.primaryCount).map(({ node }) => node);
}

/** Every node is to know every other, and to have a link to it. */
function introduce(view: View): Step[] {
  const all = [...view.nodes, ...view.byId.values()];
  const anchor = all.find((node) => node.slots.length > 0) ?? (view.nodes[0] as NodeState);
  refuseTwoClusters(view, anchor);
  const fresh = all.every((node) => node.slots.length === 0 && node.others.size === 0);
  const epochs = view.nodes.flatMap((node, index): Step[] =>
    fresh && node.configEpoch === 0 ? [{ kind: 'set-epoch', node: node.id, epoch: index + 1 }] : [],
  );
  const meets = view.nodes.flatMap((node): Step[] =>
    node === anchor || areLinked(anchor, node) ? [] : [{ kind: 'meet', via: anchor.id, node: node.id }],
  );
  if (meets.length > 0) return [...epochs, ...meets, { kind: 'wait', for: 'the nodes to meet' }];
  const apart = view.nodes.find((node) => view.nodes.some((other) => other !== node && !areLinked(node, other)));
  return apart === undefined ? [] : [{ kind: 'wait', for: `${apart.address} to have a link to every other node` }];
}

function areLinked(a: NodeState, b: NodeState): boolean {
  return a.others.get(b.id)?.connected === true && b.others.get(a.id)?.connected === true;
}

/** Joining two clusters that both own slots would let one overrule the other's, and lose its keys. */
function refuseTwoClusters(view: View, anchor: NodeState): void {
  for (const node of view.byId.values()) {
    if (node === anchor || node.slots.length === 0) continue;
    const related =
      node.others.has(anchor.id) ||
      anchor.others.has(node.id) ||
      [...node.others.keys()].some((id) => anchor.others.has(id));
    if (!related) {
      throw new ConvergenceError(`${node.address} and ${anchor.address} own slots of two different clusters`);
    }
  }
}

/** A primary that was away may still claim what another took over; it learns so within moments. */
function awaitOneOwner(view: View): Step[] {
  const overruled = [...view.byId.values()].find((node) => node.slots.some((slot) => view.owners[slot] !== node.id));
  return overruled === undefined ? [] : [{ kind: 'wait', for: `${overruled.address} to learn who owns its slots now` }];
}

function settleRoles(view: View): Step[] {
  const replicas = view.primaries.filter((node) => node.role === 'replica');
  return replicas.flatMap((node): Step[] => {
    const primary = node.primaryId === null ? undefined : view.byId.get(node.primaryId);
    const inherits = primary !== undefined && !view.wanted.ids.includes(primary.id) && primary.slots.length > 0;
    if (!inherits) return [{ kind: 'reset', node: node.id }];
    if (!node.synced) return [{ kind: 'wait', for: `${node.address} to have a whole copy of ${primary.address}` }];
    return [
      { kind: 'promote', node: node.id },
      { kind: 'wait', for: `${node.address} to take over from ${primary.address}` },
    ];
  });
}

/**
 * Ends moves that were begun and not finished. The owner's copy of a key is the newer one (it is asked first), so keys
 * that lie elsewhere are joined by moving the slot, with what the owner still has, to where they are.
 */
function repairSlots(view: View): Step[] {
  const steps: Step[] = [];
  const moves = new Map<number, { from: string; to: string }>();
  for (const node of view.byId.values()) {
    for (const [slot, keys] of node.strayKeys) {
      const owner = view.owners[slot];
      if (keys === 0 || owner === undefined || owner === node.id) continue;
      if (!view.byId.has(owner)) return [{ kind: 'wait', for: `the owner of slot ${slot}, which is not reachable` }];
      moves.set(slot, { from: owner, to: node.id });
    }
  }
  for (const node of view.byId.values()) {
    const closed = node.open.map(({ slot }) => slot).filter((slot) => !moves.has(slot));
    if (closed.length > 0) steps.push({ kind: 'close-slots', node: node.id, slots: closed });
  }
  return [...steps, ...groupMoves(moves)];
}

function groupMoves(moves: ReadonlyMap<number, { from: string; to: string }>): Step[] {
  const groups = new Map<string, { from: string; to: string; slots: number[] }>();
  for (const [slot, { from, to }] of moves) {
    const group = groups.get(`${from} ${to}`) ?? { from, to, slots: [] };
    group.slots.push(slot);
    groups.set(`${from} ${to}`, group);
  }
  return [...groups.values()].map((group) => ({ kind: 'move-slots', ...group }));
}

/** A slot that nobody owns goes to who has keys of it, else so that the primaries come out equal. */
function assignFreeSlots(view: View): Step[] {
  const additions = new Map<string, number[]>();
  const counts = new Map(view.primaries.map((node) => [node.id, node.slots.length]));
  const shares = sharesOf(view.primaries, view.wanted.slotCount);
  const add = (id: string, slot: number) => {
    const slots = additions.get(id) ?? [];
    slots.push(slot);
    additions.set(id, slots);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  };
  const free = [...view.owners.keys()].filter((slot) => view.owners[slot] === undefined);
  const holders = [...view.byId.values()].filter((node) => node.role === 'primary');
  for (const slot of free) {
    const holder = holders.find((node) => (node.strayKeys.get(slot) ?? 0) > 0);
    const short = view.primaries.find((node) => (counts.get(node.id) ?? 0) < (shares.get(node.id) ?? 0));
    add((holder ?? short ?? (view.primaries[0] as NodeState)).id, slot);
  }
  return [...additions].map(([node, slots]) => ({ kind: 'add-slots', node, slots }));
}

/** How many slots each primary is to own: equal but for one, the larger shares where more slots are already. */
function sharesOf(primaries: readonly NodeState[], slotCount: number): ReadonlyMap<string, number> {
  const base = Math.floor(slotCount / primaries.length);
  const extra = slotCount % primaries.length;
  const order = primaries.map((node, index) => ({ node, index }));
  order.sort((a, b) => b.node.slots.length - a.node.slots.length || a.index - b.index);
  return new Map(order.map(({ node }, index) => [node.id, base + (index < extra ? 1 : 0)]));
}

/** Replicas go where they are missing; a primary that still has slots to give away keeps its own until then. */
function attachReplicas(view: View): Step[] {
  const rest = view.nodes.filter((node) => !view.isPrimary(node.id));
  const base = Math.floor(rest.length / view.primaries.length);
  let extras = rest.length % view.primaries.length;
  const missing: NodeState[] = [];
  const free: NodeState[] = [];
  for (const primary of view.primaries) {
    const own = rest.filter((node) => node.primaryId === primary.id);
    const kept = own.length > base && extras > 0 ? base + 1 : base;
    if (kept > base) extras--;
    free.push(...own.slice(kept));
    for (let count = own.length; count < base; count++) missing.push(primary);
  }
  for (const primary of view.primaries) {
    const count = rest.filter((node) => node.primaryId === primary.id).length;
    if (count <= base && extras > 0) {
      missing.push(primary);
      extras--;
    }
  }
  free.push(...rest.filter((node) => mayBeAttached(view, node)));
  return missing.flatMap((primary): Step[] => {
    const index = Math.max(
      0,
      free.findIndex((node) => hostOf(node) !== hostOf(primary)),
    );
    const [node] = free.splice(index, 1);
    return node === undefined ? [] : [{ kind: 'replicate', node: node.id, primary: primary.id }];
  });
}

/** An empty primary, or a replica of a node that is no primary with slots. */
function mayBeAttached(view: View, node: NodeState): boolean {
  if (node.role === 'primary') return node.slots.length === 0;
  if (node.primaryId === null || view.isPrimary(node.primaryId)) return false;
  return !view.owners.includes(node.primaryId);
}

function hostOf(node: NodeState): string {
  return node.address.slice(0, node.address.lastIndexOf(':'));
}

/** As few slots as possible change their owner, and only onto primaries whose replicas have a whole copy. */
function balance(view: View): Step[] {
  const shares = sharesOf(view.primaries, view.wanted.slotCount);
  const owned = new Map<string, number[]>();
  for (const [slot, owner] of view.owners.entries()) {
    if (owner === undefined) continue;
    if (!view.byId.has(owner)) return [{ kind: 'wait', for: `the owner of slot ${slot}, which is not reachable` }];
    const slots = owned.get(owner) ?? [];
    slots.push(slot);
    owned.set(owner, slots);
  }
  const surplus = [...owned].flatMap(([id, slots]) =>
    slots.slice(view.isPrimary(id) ? (shares.get(id) ?? 0) : 0).map((slot) => ({ slot, from: id })),
  );
  if (surplus.length === 0) return [];
  const lagging = view.nodes.find((node) => node.role === 'replica' && !node.synced);
  if (lagging !== undefined) return [{ kind: 'wait', for: `${lagging.address} to have a whole copy` }];
  const moves = new Map<number, { from: string; to: string }>();
  for (const primary of view.primaries) {
    const lacks = (shares.get(primary.id) ?? 0) - (owned.get(primary.id)?.length ?? 0);
    for (const { slot, from } of surplus.splice(0, Math.max(0, lacks))) moves.set(slot, { from, to: primary.id });
  }
  return groupMoves(moves);
}

/** Members that are not wanted, and by now own nothing, leave. */
function dismiss(view: View): Step[] {
  if (view.strangers.length === 0) return [];
  const lagging = view.nodes.find((node) => !node.synced);
  if (lagging !== undefined) return [{ kind: 'wait', for: `${lagging.address} to have a whole copy of its primary` }];
  return view.strangers.flatMap((id): Step[] => {
    const node = view.byId.get(id);
    const leave: Step[] = node === undefined ? [] : [{ kind: 'expel', node: id }];
    const knowing = view.nodes.filter((other) => other.others.has(id));
    return [...leave, ...knowing.map((other): Step => ({ kind: 'forget', node: other.id, id }))];
  });
}

/** All nodes are to say the same, to be in service, and to have whole copies. */
function settle(view: View): Step[] {
  for (const node of view.nodes) {
    if (!node.ok) return [{ kind: 'wait', for: `${node.address} to find the cluster in order` }];
    if (!node.synced) return [{ kind: 'wait', for: `${node.address} to have a whole copy of its primary` }];
    for (const other of view.nodes) {
      const seen = node.others.get(other.id);
      if (other !== node && !(seen !== undefined && agrees(seen, other))) {
        return [{ kind: 'wait', for: `${node.address} to learn the state of ${other.address}` }];
      }
    }
  }
  return [];
}

function agrees(seen: Member, actual: Member): boolean {
  return (
    seen.role === actual.role &&
    seen.primaryId === actual.primaryId &&
    seen.slots.length === actual.slots.length &&
    seen.slots.every((slot, index) => slot === actual.slots[index])
  );
}
