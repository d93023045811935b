/**
 * What is to be done next so that a cluster becomes what it is wanted to be, whatever state it is found in: fresh,
 * grown, shrunk, failed over, or left half-way by a run that was killed. Pure: the current view and the wish in, steps
 * out. The caller carries them out, looks again, and asks again, until nothing is left to do.
 */

import type { Member, NodeState } from './cluster-view.ts';
import { ConvergenceError, Survey, type Wanted } from './survey.ts';

export { ConvergenceError, type Wanted } from './survey.ts';

/** Nodes are named by id. */
export type Step =
  /** Nothing but time helps. */
  | { readonly kind: 'wait'; readonly for: string }
  /** A fresh node's configuration epoch, so that fresh primaries need not settle equal ones between them. */
  | { readonly kind: 'set-epoch'; readonly node: string; readonly epoch: number }
  /** `node` introduces itself to `others`. */
  | { readonly kind: 'meet'; readonly node: string; readonly others: readonly string[] }
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

/** The steps that can be taken now, in order; none when the cluster is as wanted. Every wanted node is in `nodes`. */
export function nextSteps(nodes: readonly NodeState[], wanted: Wanted): readonly Step[] {
  const survey = new Survey(nodes, wanted);
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
    const steps = phase(survey);
    if (steps.length > 0) return steps;
  }
  return [];
}

/** Every node is to know every other, and to have a link to it. */
function introduce(survey: Survey): Step[] {
  const reachable = [...survey.nodes, ...survey.byId.values()];
  const anchor = reachable.find((node) => node.slots.length > 0) ?? (survey.nodes[0] as NodeState);
  refuseTwoClusters(survey, anchor);
  const fresh = reachable.every((node) => node.slots.length === 0 && node.others.size === 0);
  const epochs = survey.nodes.flatMap((node, index): Step[] =>
    fresh && node.configEpoch === 0 ? [{ kind: 'set-epoch', node: node.id, epoch: index + 1 }] : [],
  );
  const all = [anchor, ...survey.nodes.filter((node) => node !== anchor)];
  const meets = meetings(all, areStrangers);
  if (meets.length > 0) return [...epochs, ...meets, { kind: 'wait', for: 'the nodes to meet' }];
  const apart = all.find((node) => all.some((other) => other !== node && !areLinked(node, other)));
  return apart === undefined ? [] : [{ kind: 'wait', for: `${apart.address} to have a link to every other node` }];
}

/** Each pair by itself: gossip would introduce them all to each other, and takes its time over it. */
function meetings(nodes: readonly NodeState[], isDue: (node: NodeState, other: NodeState) => boolean): Step[] {
  return nodes.flatMap((node, index): Step[] => {
    const others = nodes.slice(index + 1).filter((other) => isDue(node, other));
    return others.length === 0 ? [] : [{ kind: 'meet', node: node.id, others: others.map(({ id }) => id) }];
  });
}

/** And will stay so: an introduction that is under way is waited for, since another one cuts the link of the first. */
function areStrangers(a: NodeState, b: NodeState): boolean {
  if (isBeingIntroduced(a) || isBeingIntroduced(b)) return false;
  const [seen, seeing] = [a.others.get(b.id), b.others.get(a.id)];
  return seen === undefined || seeing === undefined || !(seen.connected || seeing.connected);
}

function isBeingIntroduced(node: NodeState): boolean {
  return [...node.others.values()].some(({ inHandshake }) => inHandshake);
}

function areLinked(a: NodeState, b: NodeState): boolean {
  return a.others.get(b.id)?.connected === true && b.others.get(a.id)?.connected === true;
}

/** Joining two clusters that both own slots would let one overrule the other's, and lose its keys. */
function refuseTwoClusters(survey: Survey, anchor: NodeState): void {
  for (const node of survey.byId.values()) {
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
function awaitOneOwner(survey: Survey): Step[] {
  const overruled = [...survey.byId.values()].find((node) =>
    node.slots.some((slot) => survey.owners[slot] !== node.id),
  );
  return overruled === undefined ? [] : [{ kind: 'wait', for: `${overruled.address} to learn who owns its slots now` }];
}

function settleRoles(survey: Survey): Step[] {
  const replicas = survey.primaries.filter((node) => node.role === 'replica');
  return replicas.flatMap((node): Step[] => {
    const primary = node.primaryId === null ? undefined : survey.byId.get(node.primaryId);
    const inherits = primary !== undefined && !survey.wanted.ids.includes(primary.id) && primary.slots.length > 0;
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
function repairSlots(survey: Survey): Step[] {
  const steps: Step[] = [];
  const moves = new Map<number, { from: string; to: string }>();
  for (const node of survey.byId.values()) {
    for (const [slot, keys] of node.strayKeys) {
      const owner = survey.owners[slot];
      if (keys === 0 || owner === undefined || owner === node.id) continue;
      if (!survey.byId.has(owner)) return [{ kind: 'wait', for: `the owner of slot ${slot}, which is not reachable` }];
      moves.set(slot, { from: owner, to: node.id });
    }
  }
  for (const node of survey.byId.values()) {
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
function assignFreeSlots(survey: Survey): Step[] {
  const additions = new Map<string, number[]>();
  const counts = new Map(survey.primaries.map((node) => [node.id, node.slots.length]));
  const shares = sharesOf(survey.primaries, survey.wanted.slotCount);
  const add = (id: string, slot: number) => {
    const slots = additions.get(id) ?? [];
    slots.push(slot);
    additions.set(id, slots);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  };
  const free = [...survey.owners.keys()].filter((slot) => survey.owners[slot] === undefined);
  const holders = [...survey.byId.values()].filter((node) => node.role === 'primary');
  for (const slot of free) {
    const holder = holders.find((node) => (node.strayKeys.get(slot) ?? 0) > 0);
    const short = survey.primaries.find((node) => (counts.get(node.id) ?? 0) < (shares.get(node.id) ?? 0));
    add((holder ?? short ?? (survey.primaries[0] as NodeState)).id, slot);
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
function attachReplicas(survey: Survey): Step[] {
  const rest = survey.nodes.filter((node) => !survey.isPrimary(node.id));
  const base = Math.floor(rest.length / survey.primaries.length);
  let extras = rest.length % survey.primaries.length;
  const missing: NodeState[] = [];
  const free: NodeState[] = [];
  for (const primary of survey.primaries) {
    const own = rest.filter((node) => node.primaryId === primary.id);
    const kept = own.length > base && extras > 0 ? base + 1 : base;
    if (kept > base) extras--;
    free.push(...own.slice(kept));
    for (let count = own.length; count < base; count++) missing.push(primary);
  }
  for (const primary of survey.primaries) {
    const count = rest.filter((node) => node.primaryId === primary.id).length;
    if (count <= base && extras > 0) {
      missing.push(primary);
      extras--;
    }
  }
  free.push(...rest.filter((node) => mayBeAttached(survey, node)));
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
function mayBeAttached(survey: Survey, node: NodeState): boolean {
  if (node.role === 'primary') return node.slots.length === 0;
  if (node.primaryId === null || survey.isPrimary(node.primaryId)) return false;
  return !survey.owners.includes(node.primaryId);
}

function hostOf(node: NodeState): string {
  return node.address.slice(0, node.address.lastIndexOf(':'));
}

/** As few slots as possible change their owner, and only onto primaries whose replicas have a whole copy. */
function balance(survey: Survey): Step[] {
  const shares = sharesOf(survey.primaries, survey.wanted.slotCount);
  const owned = new Map<string, number[]>();
  for (const [slot, owner] of survey.owners.entries()) {
    if (owner === undefined) continue;
    if (!survey.byId.has(owner)) return [{ kind: 'wait', for: `the owner of slot ${slot}, which is not reachable` }];
    const slots = owned.get(owner) ?? [];
    slots.push(slot);
    owned.set(owner, slots);
  }
  const surplus = [...owned].flatMap(([id, slots]) =>
    slots.slice(survey.isPrimary(id) ? (shares.get(id) ?? 0) : 0).map((slot) => ({ slot, from: id })),
  );
  if (surplus.length === 0) return [];
  const preparing = prepareForSlots(survey);
  if (preparing.length > 0) return preparing;
  const lagging = survey.nodes.find((node) => node.role === 'replica' && !node.synced);
  if (lagging !== undefined) return [{ kind: 'wait', for: `${lagging.address} to have a whole copy` }];
  const moves = new Map<number, { from: string; to: string }>();
  for (const primary of survey.primaries) {
    const lacks = (shares.get(primary.id) ?? 0) - (owned.get(primary.id)?.length ?? 0);
    for (const { slot, from } of surplus.splice(0, Math.max(0, lacks))) moves.set(slot, { from, to: primary.id });
  }
  return groupMoves(moves);
}

/**
 * Who is to get slots must know whose they are: a node takes nobody's word for a slot that it is importing, and would
 * know no owner of it if the move were cut short. Those without slots serve nobody yet, and are told at once. And it
 * must serve what it gets, which a primary that has just started refuses to do for two seconds.
 */
function prepareForSlots(survey: Survey): Step[] {
  const owners = [...survey.byId.values()].filter(({ slots }) => slots.length > 0);
  const isUnaware = (node: NodeState, owner: NodeState) => node !== owner && !agrees(node.others.get(owner.id), owner);
  const unaware = survey.primaries.find((node) => owners.some((owner) => isUnaware(node, owner)));
  if (unaware === undefined) {
    const refusing = survey.primaries.find(({ ok }) => !ok);
    return refusing === undefined ? [] : [{ kind: 'wait', for: `${refusing.address} to find the cluster in order` }];
  }
  const newcomers = survey.primaries.filter((node) => node.slots.length === 0 && !isBeingIntroduced(node));
  const meets = owners.flatMap((owner): Step[] => {
    const others = isBeingIntroduced(owner) ? [] : newcomers.filter((node) => isUnaware(node, owner));
    return others.length === 0 ? [] : [{ kind: 'meet', node: owner.id, others: others.map(({ id }) => id) }];
  });
  return [...meets, { kind: 'wait', for: `${unaware.address} to learn who owns which slots` }];
}

/** Members that are not wanted, and by now own nothing, leave. */
function dismiss(survey: Survey): Step[] {
  if (survey.strangers.length === 0) return [];
  const lagging = survey.nodes.find((node) => !node.synced);
  if (lagging !== undefined) return [{ kind: 'wait', for: `${lagging.address} to have a whole copy of its primary` }];
  return survey.strangers.flatMap((id): Step[] => {
    const node = survey.byId.get(id);
    const leave: Step[] = node === undefined ? [] : [{ kind: 'expel', node: id }];
    const knowing = survey.nodes.filter((other) => other.others.has(id));
    return [...leave, ...knowing.map((other): Step => ({ kind: 'forget', node: other.id, id }))];
  });
}

/** All nodes are to say the same, to be in service, and to have whole copies. */
function settle(survey: Survey): Step[] {
  for (const node of survey.nodes) {
    const other = survey.nodes.find((other) => other !== node && !agrees(node.others.get(other.id), other));
    if (other === undefined) continue;
    const wait: Step = { kind: 'wait', for: `${node.address} to learn the state of ${other.address}` };
    return [...tellAll(survey), wait];
  }
  for (const node of survey.nodes) {
    if (!node.ok) return [{ kind: 'wait', for: `${node.address} to find the cluster in order` }];
    if (!node.synced) return [{ kind: 'wait', for: `${node.address} to have a whole copy of its primary` }];
  }
  return [];
}

/**
 * Who introduces itself to a node that knows it tells it its role and slots, and has its link to it made anew. A cluster
 * in service is left to gossip, which takes seconds; one that is just being formed need not wait for that.
 */
function tellAll(survey: Survey): Step[] {
  if (survey.primaries.some(({ ok }) => ok) || survey.nodes.some(isBeingIntroduced)) return [];
  return survey.nodes.flatMap((node): Step[] => {
    const unaware = survey.nodes.filter((other) => other !== node && !agrees(other.others.get(node.id), node));
    return unaware.length === 0 ? [] : [{ kind: 'meet', node: node.id, others: unaware.map(({ id }) => id) }];
  });
}

function agrees(seen: Member | undefined, actual: Member): boolean {
  return (
    seen !== undefined &&
    seen.role === actual.role &&
    seen.primaryId === actual.primaryId &&
    seen.slots.length === actual.slots.length &&
    seen.slots.every((slot, index) => slot === actual.slots[index])
  );
}
