/**
 * How much of the machine's CPU others used during the steady load, from the kernel's counters. A control thread needs
 * little CPU and gets it even on a crowded machine; a system of many processes does not, and is late through no fault
 * of its own.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks since boot, over all CPUs. */
export interface CpuSample {
  readonly totalTicks: number;
  readonly busyTicks: number;
  /** Of this process and of those that work in the given folder. */
  readonly ownTicks: number;
}

/** Null where the kernel keeps no such counters. `folder`: where the deployed processes have their working directories. */
export function sampleCpu(folder: string): CpuSample | null {
  try {
    const stat = readFileSync('/proc/stat', 'utf8');
    const own = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOwn(pid, folder));
    const ownTicks = own.reduce((sum, pid) => sum + processTicks(pid), 0);
    return { ...machineTicks(stat), ownTicks };
  } catch {
    return null;
  }
}

function isOwn(pid: string, folder: string): boolean {
  if (Number(pid) === process.pid) return true;
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
  } catch {
    // It ended, or belongs to somebody else.
    return false;
  }
}

/** The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already. */
export function machineTicks(stat: string): Pick<CpuSample, 'totalTicks' | 'busyTicks'> {
  const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const totalTicks = fields.reduce((sum, ticks) => sum + ticks, 0);
  if (fields.length < 5 || !Number.isFinite(totalTicks)) throw new Error('/proc/stat has no cpu line');
  return { totalTicks, busyTicks: totalTicks - (fields[3] ?? 0) - (fields[4] ?? 0) };
}

export function processTicks(pid: string): number {
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

/** Share of all CPUs between two samples that went to others; null when it can't be told. */
export function foreignShare(before: CpuSample | null, after: CpuSample | null): number | null {
  if (before === null || after === null || after.totalTicks <= before.totalTicks) return null;
  const foreign = after.busyTicks - before.busyTicks - (after.ownTicks - before.ownTicks);
  return Math.min(1, Math.max(0, foreign / (after.totalTicks - before.totalTicks)));
}
