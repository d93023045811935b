/** What the nodes of a Redis Cluster say of themselves and of each other, read from CLUSTER NODES. Pure. */

export const clusterSlotCount = 16_384;

export interface OpenSlot {
  readonly slot: number;
  /** The slot leaves for, or comes from, `peer` (a node id). */
  readonly state: 'migrating' | 'importing';
  readonly peer: string;
}

/** One node as another (or itself) describes it. */
export interface Member {
  readonly id: string;
  /** `host:port` that the others reach it by; empty when unknown. */
  readonly address: string;
  /** That it announces beside its address; empty when it announces none. */
  readonly hostName: string;
  readonly role: 'primary' | 'replica';
  /** Id of the primary that it replicates. */
  readonly primaryId: string | null;
  readonly configEpoch: number;
  /** The describing node has a link to it, and does not hold it for dead. */
  readonly connected: boolean;
  /** Still being introduced, under a provisional id. */
  readonly inHandshake: boolean;
  readonly slots: readonly number[];
}

/** One reachable node and everything it says. */
export interface NodeState extends Member {
  /** By id, itself left out. */
  readonly others: ReadonlyMap<string, Member>;
  readonly open: readonly OpenSlot[];
  /** Number of keys by slot, of slots that the node does not own; for a primary only. */
  readonly strayKeys: ReadonlyMap<number, number>;
  /** cluster_state:ok. */
  readonly ok: boolean;
  /** A primary, or a replica whose link is up and whose copy is complete. */
  readonly synced: boolean;
}

/** Reads CLUSTER NODES: the answering node itself, its open slots, and the others. */
export function parseClusterNodes(text: string): {
  readonly self: Member;
  readonly open: readonly OpenSlot[];
  readonly others: ReadonlyMap<string, Member>;
} {
  let self: Member | undefined;
  let open: readonly OpenSlot[] = [];
  const others = new Map<string, Member>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const fields = line.trim().split(' ');
    const member = parseMember(fields);
    if (fields[2]?.split(',').includes('myself')) {
      self = member;
      open = fields.slice(8).flatMap(parseOpenSlot);
    } else {
      others.set(member.id, member);
    }
  }
  if (self === undefined) throw new Error('CLUSTER NODES does not name the answering node');
  return { self, open, others };
}

/** `<id> <ip:port@cport[,hostname]> <flags> <primary|-> <ping> <pong> <config-epoch> <link-state> <slot|range|[open]>…` */
function parseMember(fields: readonly string[]): Member {
  const [id = '', endpoint = '', flagList = '', primary = '-', , , epoch = '0', link = '', ...slots] = fields;
  const flags = new Set(flagList.split(','));
  const address = endpoint.split('@')[0] ?? '';
  return {
    id,
    address: flags.has('noaddr') || address.startsWith(':') ? '' : address,
    hostName: endpoint.split(',')[1]?.replace(/^[^=]*=.*$/, '') ?? '',
    role: flags.has('slave') ? 'replica' : 'primary',
    primaryId: primary === '-' ? null : primary,
    configEpoch: Number(epoch),
    connected: flags.has('myself') || (link === 'connected' && !flags.has('fail') && !flags.has('fail?')),
    inHandshake: flags.has('handshake'),
    slots: slots.flatMap(parseSlots),
  };
}

function parseSlots(text: string): number[] {
  if (text.startsWith('[')) return [];
  const [from = Number.NaN, to = from] = text.split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** `[77->-<id>]` leaves, `[77-<-<id>]` comes. */
function parseOpenSlot(text: string): OpenSlot[] {
  const match = /^\[(\d+)-([<>])-(\w+)\]$/.exec(text);
  if (match === null) return [];
  const [, slot, arrow, peer = ''] = match;
  return [{ slot: Number(slot), state: arrow === '>' ? 'migrating' : 'importing', peer }];
}

/** Ascending slots as `from-to` pairs, for commands that take ranges. */
export function toRanges(slots: readonly number[]): readonly (readonly [from: number, to: number])[] {
  const ranges: [number, number][] = [];
  for (const slot of slots) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === slot - 1) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}
