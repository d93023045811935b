/** Which ports a deployment gets: below the ephemeral range, nobody else's, and the same again where possible. */

import { createServer } from 'node:net';
import { DspError } from '../../errors.ts';
import type { Topology } from '../../pattern.ts';

/** Instance id → port name → port. */
export type PortMap = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface PortNeed {
  readonly instance: string;
  readonly name: string;
  /** `port + alsoReserveOffset` must be free too; 0: nothing more. */
  readonly alsoReserveOffset: number;
}

export interface PortRange {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export function instanceId(set: string, ordinal: number): string {
  return `${set}-${ordinal}`;
}

export function portNeeds(topology: Topology): readonly PortNeed[] {
  return topology.processSets.flatMap((set) =>
    Array.from({ length: set.replicas }, (_, ordinal) =>
      set.ports.map(({ name, alsoReserveOffset }) => ({
        instance: instanceId(set.id, ordinal),
        name,
        alsoReserveOffset: alsoReserveOffset ?? 0,
      })),
    ).flat(),
  );
}

const lowestPort = 12_000;
const usualEphemeralStart = 32_768;
/** Redis Cluster's bus is 10,000 above its port, and there must be room for both. */
const leastWidth = 12_000;

/** From 12000 to the ephemeral range; where that starts too low to leave room, to where it starts by default. */
export function portRange(ephemeralStart: number): PortRange {
  const to = ephemeralStart - lowestPort >= leastWidth ? ephemeralStart : usualEphemeralStart;
  return { from: lowestPort, to: Math.min(to, 65_536) };
}

/** A need's port and what is reserved with it. */
export function reservedWith(port: number, alsoReserveOffset: number): readonly number[] {
  return alsoReserveOffset === 0 ? [port] : [port, port + alsoReserveOffset];
}

export interface Allocation {
  readonly needs: readonly PortNeed[];
  readonly range: PortRange;
  /** Where the search starts; taken modulo the range's width, so that any number will do. */
  readonly start: number;
  /** Ports of other deployments, listened on or not. */
  readonly taken: ReadonlySet<number>;
  /** Ports that running processes of this deployment hold: kept without a test. */
  readonly held: PortMap;
  /** Ports that instances had before: taken again when free. */
  readonly preferred: PortMap;
  readonly isFree: (port: number) => Promise<boolean>;
}

/** Throws `env.ports-taken` when the range does not suffice. */
export async function allocatePorts(allocation: Allocation): Promise<PortMap> {
  const { needs, range, start, held, preferred } = allocation;
  const used = new Set(allocation.taken);
  const given: Record<string, Record<string, number>> = {};
  const give = (need: PortNeed, port: number) => {
    for (const reserved of reservedWith(port, need.alsoReserveOffset)) used.add(reserved);
    given[need.instance] = { ...given[need.instance], [need.name]: port };
  };
  const fits = async (need: PortNeed, port: number) => {
    for (const reserved of reservedWith(port, need.alsoReserveOffset)) {
      if (reserved >= range.to || used.has(reserved) || !(await allocation.isFree(reserved))) return false;
    }
    return true;
  };
  const left: PortNeed[] = [];
  for (const need of needs) {
    const kept = held[need.instance]?.[need.name];
    if (kept === undefined) left.push(need);
    else give(need, kept);
  }
  const fresh: PortNeed[] = [];
  for (const need of left) {
    const before = preferred[need.instance]?.[need.name];
    if (before !== undefined && (await fits(need, before))) give(need, before);
    else fresh.push(need);
  }
  const width = range.to - range.from;
  const tried = new Map<number, number>();
  for (const need of fresh) {
    // Needs of the same offset go on where the last one found its port.
    let step = tried.get(need.alsoReserveOffset) ?? 0;
    while (step < width && !(await fits(need, range.from + ((start + step) % width)))) step++;
    if (step >= width)
      throw new DspError('env.ports-taken', { needed: needs.length, from: range.from, to: range.to - 1 });
    give(need, range.from + ((start + step) % width));
    tried.set(need.alsoReserveOffset, step + 1);
  }
  return given;
}

/** Whether nobody listens on the port of 127.0.0.1, or of every address. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
