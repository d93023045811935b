/** The machines that plans are priced with: data with its source, to be replaced by the user's own. */

import type { Hardware, Machine } from '../pattern.ts';

/** General-purpose on-demand sizes of one large cloud, Linux, 730 hours a month. List prices move: compare by ratio. */
export const defaultHardware: Hardware = {
  machines: [
    { name: 'small', vcpus: 2, memoryGiB: 4, usdPerMonth: 30 },
    { name: 'medium', vcpus: 2, memoryGiB: 8, usdPerMonth: 60 },
    { name: 'large', vcpus: 4, memoryGiB: 16, usdPerMonth: 121 },
    { name: 'memory-large', vcpus: 2, memoryGiB: 16, usdPerMonth: 92 },
    { name: 'memory-xlarge', vcpus: 4, memoryGiB: 32, usdPerMonth: 184 },
    { name: 'memory-2xlarge', vcpus: 8, memoryGiB: 64, usdPerMonth: 368 },
  ],
  roundTripMs: { sameZone: 0.3, crossZone: 1 },
  machineUnavailability: 0.001,
  prices: { source: 'prior: rounded on-demand list prices, general purpose and memory optimised', date: '2026-11' },
};

/** What the local target can count on where nothing better is known. */
export const referenceLocalMachine = { cpus: 2, memoryMiB: 4096 } as const;

/** The cheapest machine with that much memory and that many vCPUs; undefined when none has. */
export function cheapest(hardware: Hardware, vcpus: number, memoryGiB: number): Machine | undefined {
  return hardware.machines
    .filter((machine) => machine.vcpus >= vcpus && machine.memoryGiB >= memoryGiB)
    .reduce<Machine | undefined>(
      (best, m) => (best === undefined || m.usdPerMonth < best.usdPerMonth ? m : best),
      undefined,
    );
}
