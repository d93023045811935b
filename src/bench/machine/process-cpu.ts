/**
 * Who used the machine's CPU, from the kernel's counters: each deployed instance, the bench itself, and others. A control
 * thread needs little CPU and gets it even on a crowded machine; a system of many processes does not, and is late through
 * no fault of its own.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks are a hundredth of a second on every Linux that Node runs on (USER_HZ). */
const usPerTick = 10_000;

/** Ticks of all CPUs since boot, and of processes since each began. */
export interface ProcessCpu {
  readonly totalTicks: number;
  readonly busyTicks: number;
  /** Of those, while a hypervisor ran somebody else. */
  readonly stolenTicks: number;
  /** Of this process and of those that work in the project's folder. */
  readonly ownTicks: number;
  /** Of this process: generator threads, main thread, control. */
  readonly benchTicks: number;
  /** By id of the instance, which its working directory is named after. */
  readonly instanceTicks: ReadonlyMap<string, number>;
}

/** Null where the kernel keeps no such counters. `folder`: the project's, with the instances' working directories below. */
export function sampleProcesses(folder: string): ProcessCpu | null {
  try {
    const machine = machineTicks(readFileSync('/proc/stat', 'utf8'));
    const benchTicks = processTicks(`${process.pid}`);
    const instanceTicks = new Map<string, number>();
    let ownTicks = benchTicks;
    for (const pid of readdirSync('/proc')) {
      const cwd = /^\d+$/.test(pid) && Number(pid) !== process.pid ? workingDirectory(pid) : null;
      if (cwd === null || !`${cwd}/`.startsWith(`${folder}/`)) continue;
      const ticks = processTicks(pid);
      ownTicks += ticks;
      const instance = instanceAt(cwd, folder);
      if (instance !== null) instanceTicks.set(instance, (instanceTicks.get(instance) ?? 0) + ticks);
    }
    return { ...machine, ownTicks, benchTicks, instanceTicks };
  } catch {
    return null;
  }
}

function workingDirectory(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It ended, or belongs to somebody else.
    return null;
  }
}

function instanceAt(cwd: string, folder: string): string | null {
  const below = `${folder}/.dsp/data/`;
  return cwd.startsWith(below) ? (cwd.slice(below.length).split('/')[0] ?? null) : null;
}

/** The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already. */
export function machineTicks(stat: string): Pick<ProcessCpu, 'totalTicks' | 'busyTicks' | 'stolenTicks'> {
  const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const totalTicks = fields.reduce((sum, ticks) => sum + ticks, 0);
  if (fields.length < 5 || !Number.isFinite(totalTicks)) throw new Error('/proc/stat has no cpu line');
  const busyTicks = totalTicks - (fields[3] ?? 0) - (fields[4] ?? 0);
  return { totalTicks, busyTicks, stolenTicks: fields[7] ?? 0 };
}

function processTicks(pid: string): number {
  try {
    // The name in brackets may hold anything; user and system time are the 14th and 15th field.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

/** CPU used between two samples. */
export interface CpuUse {
  readonly benchUs: number;
  readonly instanceUs: ReadonlyMap<string, number>;
  /** Shares of all CPUs. */
  readonly ownShare: number;
  readonly foreignShare: number;
  /** Of the foreign share, what a hypervisor took. */
  readonly stolenShare: number;
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
    stolenShare: share(after.stolenTicks - before.stolenTicks),
  };
}
