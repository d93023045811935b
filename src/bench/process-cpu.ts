/** CPU that each deployed instance and the bench itself have used, from the kernel's counters. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type CpuSample, machineTicks, processTicks } from './machine-load.ts';

/** Clock ticks are a hundredth of a second on every Linux that Node runs on (USER_HZ). */
const usPerTick = 10_000;

/** Ticks since each process began; the machine's since boot. */
export interface ProcessCpu extends CpuSample {
  /** Of this process: generator threads, main thread, control. */
  readonly benchTicks: number;
  /** By id of the instance, which its working directory is named after. */
  readonly instanceTicks: ReadonlyMap<string, number>;
}

/** Null where the kernel keeps no such counters. `folder`: the project's, with the instances' working directories below. */
export function sampleProcesses(folder: string): ProcessCpu | null {
  try {
    const machine = machineTicks(readFileSync('/proc/stat', 'utf8'));
    const instanceTicks = new Map<string, number>();
    for (const pid of readdirSync('/proc')) {
      const instance = /^\d+$/.test(pid) ? instanceOf(pid, folder) : null;
      if (instance === null) continue;
      instanceTicks.set(instance, (instanceTicks.get(instance) ?? 0) + processTicks(pid));
    }
    const benchTicks = processTicks(`${process.pid}`);
    const ownTicks = [...instanceTicks.values()].reduce((sum, ticks) => sum + ticks, benchTicks);
    return { ...machine, ownTicks, benchTicks, instanceTicks };
  } catch {
    return null;
  }
}

function instanceOf(pid: string, folder: string): string | null {
  if (Number(pid) === process.pid) return null;
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    const below = `${folder}/.dsp/data/`;
    return cwd.startsWith(below) ? (cwd.slice(below.length).split('/')[0] ?? null) : null;
  } catch {
    // It ended, or belongs to somebody else.
    return null;
  }
}

/** CPU used between two samples. */
export interface CpuUse {
  readonly benchUs: number;
  readonly instanceUs: ReadonlyMap<string, number>;
  /** Shares of all CPUs. */
  readonly ownShare: number;
  readonly foreignShare: number;
}

/** Null when either sample is missing, or no time lies between them. An instance that is new counts from 0. */
export function cpuBetween(before: ProcessCpu | null, after: ProcessCpu | null): CpuUse | null {
  if (before === null || after === null || after.totalTicks <= before.totalTicks) return null;
  const ticks = after.totalTicks - before.totalTicks;
  const own = after.ownTicks - before.ownTicks;
  const share = (used: number) => Math.min(1, Math.max(0, used / ticks));
  return {
    benchUs: (after.benchTicks - before.benchTicks) * usPerTick,
    instanceUs: new Map(
      [...after.instanceTicks].map(([id, now]) => [id, (now - (before.instanceTicks.get(id) ?? 0)) * usPerTick]),
    ),
    ownShare: share(own),
    foreignShare: share(after.busyTicks - before.busyTicks - own),
  };
}
