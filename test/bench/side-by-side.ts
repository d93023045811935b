/**
 * What every side-by-side bench shares: processes on a core of their own, their CPU time, and lines that put two
 * programs' figures beside each other. Anchor and dsp take turns within a run, so that what else the machine does
 * falls on both; figures are printed, never asserted.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The server's core and the clients'. */
export const serverCore = 0;
export const clientCore = 1;

export function has(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Throws with the command that installs what is missing. */
export function need(program: string, install: string): void {
  if (!has(program)) throw new Error(`${program} is not on PATH: ${install}`);
}

/** Whether programs can be kept on a core of their own. */
export const pinned = availableParallelism() >= 2 && has('taskset');

/** Starts a program on one core, where the machine has two. */
export function start(core: number, command: readonly string[]): ChildProcess {
  const [program = '', ...args] = pinned ? ['taskset', '-c', String(core), ...command] : command;
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** What a process printed, once it has ended well. */
export async function outputOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (bytes) => {
    text += bytes;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}`);
  return text;
}

/** What a process printed, and its user and system time at the last look, which is at most 50 ms before its end. */
export async function measured(child: ChildProcess): Promise<{ readonly text: string; readonly cpuUs: number }> {
  let usedUs = 0;
  const watching = setInterval(() => {
    usedUs = processCpuUs(child.pid ?? 0) ?? usedUs;
  }, 50);
  const text = await outputOf(child);
  clearInterval(watching);
  return { text, cpuUs: usedUs };
}

/** User and system time in µs, of all threads that ever were; the kernel counts in hundredths of a second. */
export function processCpuUs(pid: number): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return null;
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Figures of one thing in every round, anchor and dsp in the same round side by side. */
export interface Compared {
  readonly name: string;
  readonly unit: string;
  readonly anchorName: string;
  readonly dsp: readonly number[];
  readonly anchor: readonly number[];
}

/** Median and spread of the rounds' ratios, and the medians themselves. */
export function ratioLine({ name, unit, anchorName, dsp, anchor }: Compared): string {
  const ratios = dsp.map((value, i) => value / (anchor[i] ?? Number.NaN));
  const figures = `dsp ${short(median(dsp))} ${unit}, ${anchorName} ${short(median(anchor))} ${unit}`;
  return `${name}: ${short(median(ratios))} × ${anchorName} (${spread(ratios)} over ${ratios.length} rounds; ${figures})`;
}

export function spread(values: readonly number[]): string {
  return `${short(Math.min(...values))}–${short(Math.max(...values))}`;
}

/** Three digits, and no more than the whole number above a thousand. */
export function short(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
