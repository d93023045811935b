/** The local scale: 1 where the machine carries the whole, else the largest step at which it carries the structure. */

import type { Sizing } from './compose.ts';

export interface LocalMachine {
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** The generator and the operating system need their share. */
const usableCpuShare = 0.6;
const usableMemoryShare = 0.8;
const steps = [1, 1 / 2, 1 / 5, 1 / 10, 1 / 20, 1 / 50, 1 / 100, 1 / 200, 1 / 500, 1 / 1000, 1 / 10_000, 1 / 100_000];

export function localScale(
  parts: readonly Sizing[],
  asked: number | undefined,
  machine: LocalMachine,
): { scale: number; because: string } {
  if (asked !== undefined) return { scale: asked, because: 'asked for' };
  for (const scale of steps) {
    const need = footprintAt(parts, scale);
    if (need.cpus <= machine.cpus * usableCpuShare && need.memoryMiB <= machine.memoryMiB * usableMemoryShare) {
      return { scale, because: `it needs ${describe(need)} of ${describe(machine)}` };
    }
  }
  const scale = steps.at(-1) ?? 1;
  return {
    scale,
    because: `the least structure, ${describe(footprintAt(parts, scale))}, is more than ${describe(machine)} carries`,
  };
}

function footprintAt(parts: readonly Sizing[], scale: number): LocalMachine {
  const each = parts.map(({ pattern, sized }) => pattern.footprint(pattern.local(sized.sizing, scale)));
  return {
    cpus: each.reduce((sum, { cpus }) => sum + cpus, 0),
    memoryMiB: each.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0),
  };
}

const describe = ({ cpus, memoryMiB }: LocalMachine) => `${cpus.toFixed(2)} CPUs and ${Math.ceil(memoryMiB)} MiB`;
