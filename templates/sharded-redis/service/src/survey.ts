/** The nodes of a cluster laid beside the wish: who owns which slot, who does not belong, who is to be a primary. Pure. */

import type { Member, NodeState } from './cluster-view.ts';

export interface Wanted {
  /** Ids of the nodes that the cluster is to consist of, the most preferred as primaries first. */
  readonly ids: readonly string[];
  readonly replicasPerPrimary: number;
  readonly slotCount: number;
}

/** The nodes are in a state that no step may mend without a risk to data. */
export class ConvergenceError extends Error {
  override readonly name = 'ConvergenceError';
}

export class Survey {
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
function choosePrimaries(survey: Survey): readonly NodeState[] {
  const siblings = new Map<string, number>();
  for (const { primaryId } of survey.nodes) {
    if (primaryId !== null) siblings.set(primaryId, (siblings.get(primaryId) ?? 0) + 1);
  }
  const heirs = new Set<string>();
  const heirOf = new Set<string>();
  for (const node of survey.nodes) {
    const primary = node.primaryId === null ? undefined : survey.byId.get(node.primaryId);
    if (primary === undefined || survey.wanted.ids.includes(primary.id) || primary.slots.length === 0) continue;
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
  const ranked = survey.nodes.map((node, index) => ({ node, key: [...rank(node), index] as const }));
  ranked.sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2]);
  return ranked.slice(0, survey.primaryCount).map(({ node }) => node);
}
