/** Redis Cluster's slot map as a client sees it: pure reading of CLUSTER SLOTS and of the redirect errors. */

export const slotCount = 16_384;

/** Owner (`host:port`) of each slot, undefined where none is known. */
export type SlotOwners = readonly (string | undefined)[];

export interface SlotMap {
  readonly owners: SlotOwners;
  readonly covered: number;
  /** Every address in the map, replicas as well. */
  readonly nodes: ReadonlySet<string>;
}

/**
 * Reads a reply of CLUSTER SLOTS: `[from, to, [host, port, id, …], …replicas]` for each range. A host that the server
 * does not know (null or empty) is the one that the reply came from.
 */
export function parseClusterSlots(reply: unknown, answeringHost: string): SlotMap {
  const owners = new Array<string | undefined>(slotCount).fill(undefined);
  const nodes = new Set<string>();
  for (const range of asArray(reply)) {
    const [from, to, ...members] = asArray(range);
    const addresses = members.map((member) => addressOf(asArray(member), answeringHost));
    for (const address of addresses) nodes.add(address);
    owners.fill(addresses[0], Number(from), Number(to) + 1);
  }
  return { owners, nodes, covered: owners.reduce((count, owner) => count + (owner === undefined ? 0 : 1), 0) };
}

/** `MOVED 3999 127.0.0.1:6381` and `ASK 3999 …`; null for any other error. The host may be empty, as above. */
export function parseRedirect(
  message: string,
  answeringHost: string,
): { readonly kind: 'MOVED' | 'ASK'; readonly slot: number; readonly address: string } | null {
  const match = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(message);
  if (match === null) return null;
  const [, kind, slot, host, port] = match;
  const known = host === undefined || host === '' || host === '?' ? answeringHost : host;
  return { kind: kind as 'MOVED' | 'ASK', slot: Number(slot), address: `${known}:${port}` };
}

function addressOf([host, port]: readonly unknown[], answeringHost: string): string {
  const known = host === null || host === '' || host === '?' ? answeringHost : String(host);
  return `${known}:${String(port)}`;
}

function asArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('CLUSTER SLOTS: a list was expected');
  return value;
}
