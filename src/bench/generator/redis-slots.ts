/** Which server has which keys of a Redis Cluster, as its own replies say. */

import type { RespReply } from './workload.ts';

const slotCount = 16_384;

/** `host:port` of the owner by slot. */
export type SlotOwners = readonly (string | undefined)[];

/** Reads CLUSTER SLOTS: `[from, to, [host, port, …], …replicas]` each; null when it is none. An unknown host is the answering one. */
export function readSlots(reply: RespReply | undefined, answering: string): SlotOwners | null {
  if (!Array.isArray(reply)) return null;
  const owners = new Array<string | undefined>(slotCount).fill(undefined);
  for (const range of reply) {
    if (!Array.isArray(range)) return null;
    const [from, to, owner] = range;
    if (typeof from !== 'number' || typeof to !== 'number' || !Array.isArray(owner)) return null;
    const [host, port] = owner;
    if (typeof port !== 'number' || from < 0 || to >= slotCount) return null;
    owners.fill(addressOf(typeof host === 'string' ? host : '', port, answering), from, to + 1);
  }
  return owners;
}

export interface Redirect {
  readonly kind: 'MOVED' | 'ASK';
  readonly slot: number;
  readonly address: string;
}

/** `MOVED 3999 127.0.0.1:6381` and `ASK 3999 …`; null for any other error. */
export function readRedirect(message: string, answering: string): Redirect | null {
  const found = /^(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})$/.exec(message);
  if (found === null) return null;
  const [, kind, slot, host = '', port] = found;
  return { kind: kind as Redirect['kind'], slot: Number(slot), address: addressOf(host, Number(port), answering) };
}

function addressOf(host: string, port: number, answering: string): string {
  const known = host === '' || host === '?' ? answering.slice(0, answering.lastIndexOf(':')) : host;
  return `${known}:${port}`;
}
