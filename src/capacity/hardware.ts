/** The machines that plans are priced with: data with its source, to be replaced by the user's own. */

import type { Hardware, Machine } from '../pattern.ts';

/**
 * General-purpose and memory-optimised on-demand sizes of one large cloud, Linux, 730 hours a month, rounded. List prices
 * move and differ between regions: compare by ratio. Network: what such sizes sustain, not what they burst to. A sync of a
 * network disk: a guess within the single digits of milliseconds that providers state; a local disk may be ten times quicker.
 */
export const defaultHardware: Hardware = {
  machines: [
    { name: 'small', vcpus: 1, memoryGiB: 4, usdPerMonth: 30, networkGbps: 0.5 },
    { name: 'medium', vcpus: 2, memoryGiB: 8, usdPerMonth: 60, networkGbps: 0.9 },
    { name: 'large', vcpus: 4, memoryGiB: 16, usdPerMonth: 120, networkGbps: 1.8 },
    { name: 'memory-large', vcpus: 2, memoryGiB: 16, usdPerMonth: 92, networkGbps: 0.9 },
    { name: 'memory-xlarge', vcpus: 4, memoryGiB: 32, usdPerMonth: 184, networkGbps: 1.8 },
    { name: 'memory-2xlarge', vcpus: 8, memoryGiB: 64, usdPerMonth: 368, networkGbps: 3.7 },
  ],
  roundTripMs: { sameZone: 0.3, crossZone: 1 },
  diskSyncMs: 3,
  machineUnavailability: 0.001,
  machineRepairMs: 3_600_000,
  prices: {
    source: 'prior: rounded on-demand list prices (2 vCPUs with 8 GiB: 0.0816 USD an hour)',
    date: '2026-06',
  },
};

/** What the local target can count on where nothing better is known. */
export const referenceLocalMachine = { cpus: 2, memoryMiB: 4096 } as const;

/** What a process needs of its machine. */
export interface MachineNeed {
  readonly vcpus: number;
  readonly memoryGiB: number;
  /** Each way, at peak. */
  readonly networkGbps?: number;
}

/** The share of a network that a plan uses: beyond it, its queue is as long as a server's. */
export const networkShare = 0.6;

/** The machines that meet the need, cheapest first; of equal price, in the order of the offer. */
export function machinesFor(hardware: Hardware, need: MachineNeed): readonly Machine[] {
  return hardware.machines
    .filter((machine) => machine.vcpus >= need.vcpus && machine.memoryGiB >= need.memoryGiB)
    .filter(({ networkGbps }) => (need.networkGbps ?? 0) <= (networkGbps ?? Number.POSITIVE_INFINITY) * networkShare)
    .sort((a, b) => a.usdPerMonth - b.usdPerMonth);
}

/** The cheapest machine that meets the need; undefined when none does. */
export function cheapest(hardware: Hardware, need: MachineNeed): Machine | undefined {
  return machinesFor(hardware, need)[0];
}

/** ms that `bytes` take over the machine's network, without queueing. */
export function transferMs(bytes: number, machine: Machine): number {
  return machine.networkGbps === undefined ? 0 : (bytes * 8) / (machine.networkGbps * 1e6);
}
