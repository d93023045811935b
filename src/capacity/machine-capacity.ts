/**
 * The highest rate that one machine carries when everything shares its cores: engines, services and the load generator.
 *
 * Work is conserved, whoever gets a core next: so the machine's limit is the operational law X ≤ N ÷ ΣD over all that an
 * operation takes of any process (Denning and Buzen, The Operational Analysis of Queueing Network Models, 1978), and a
 * single-threaded process's limit is one core for its own share. Cores that are all busy slow each other (memory, kernel
 * locks): Gunther's law of scalability gives their number as N ÷ (1 + σ(N − 1)). Below saturation a request's p99 is that
 * of processor sharing, which forgets the order of service: mean D·(1 + C(N, ρ) ÷ (N(1 − ρ))), C by Erlang, with an
 * exponential tail (Kleinrock, Queueing Systems II, 4.4), or what was measured of it.
 */

import { type BusyPoint, shareAt } from './busy-curve.ts';

/** What one kind of process takes of the machine's cores. */
export interface Consumer {
  readonly name: string;
  /** Single-threaded processes of this kind. */
  readonly instances: number;
  /** µs of CPU a second with no load, all instances together. */
  readonly idleUs: number;
  /** µs of CPU a second more at the planned rates, all instances together. */
  readonly plannedUs: number;
  /** Share of the work on the busiest instance. */
  readonly busiestShare: number;
}

export interface MachineLoad {
  readonly cores: number;
  /** Share of all cores that other programs take. */
  readonly foreignShare: number;
  readonly consumers: readonly Consumer[];
  /** Operations a second of the planned rates, all parts together. */
  readonly plannedPerSecond: number;
  readonly p99Ms: number;
  /** Gunther's σ. */
  readonly contention: number;
  /** Increasing; empty where nothing was measured. */
  readonly busyCurve: readonly BusyPoint[];
}

export interface Capacity {
  /** Multiplies the planned rates. */
  readonly factor: number;
  readonly perSecond: number;
  /** What ends it: the cores together, or one process. */
  readonly binding: string;
  /** Share of the cores that is busy there. */
  readonly utilisation: number;
  /** At the planned rates: core-seconds a second. */
  readonly plannedCores: number;
}

/** How much each core more slows the others: prior, a guess; times that were measured on busy cores hold it already. */
export const contention = 0.03;
/** A single-threaded process has this share of a core at most: collections, and the turns of others, take the rest. */
const threadShare = 0.95;

export function capacityOf(machine: MachineLoad): Capacity {
  const { cores, foreignShare, consumers, plannedPerSecond } = machine;
  const free = (cores * (1 - foreignShare)) / (1 + machine.contention * (cores - 1));
  const idle = consumers.reduce((sum, { idleUs }) => sum + idleUs, 0) / 1e6;
  const planned = consumers.reduce((sum, { plannedUs }) => sum + plannedUs, 0) / 1e6;
  const perOperationMs = plannedPerSecond > 0 ? (planned / plannedPerSecond) * 1000 : 0;
  // Where the p99 was seen on both sides of its bound, that decides.
  const usable = shareAt(machine.busyCurve, machine.p99Ms) ?? usableShare(free, perOperationMs, machine.p99Ms);
  const limits = [
    { binding: 'all cores', factor: (usable * free - idle) / planned },
    ...consumers.map(({ name, instances, idleUs, plannedUs, busiestShare }) => ({
      binding: name,
      factor: (threadShare - idleUs / 1e6 / Math.max(1, instances)) / ((plannedUs * busiestShare) / 1e6),
    })),
  ].map(({ binding, factor }) => ({ binding, factor: Math.max(0, factor) }));
  const least = limits.reduce((a, b) => (b.factor < a.factor ? b : a));
  return {
    ...least,
    perSecond: least.factor * plannedPerSecond,
    utilisation: Math.min(1, (idle + planned * least.factor) / cores),
    plannedCores: idle + planned,
  };
}

/** The highest utilisation of `cores` at which a request that needs `needMs` of CPU has its p99 within the bound. */
export function usableShare(cores: number, needMs: number, p99Ms: number): number {
  let [low, high] = [0, 1];
  for (let round = 0; round < 40; round++) {
    const middle = (low + high) / 2;
    if (sharedP99Ms(cores, middle, needMs) <= p99Ms) low = middle;
    else high = middle;
  }
  return low;
}

/** p99 of a request that needs `needMs` of CPU on cores of that utilisation. */
export function sharedP99Ms(cores: number, utilisation: number, needMs: number): number {
  if (utilisation >= 1) return Number.POSITIVE_INFINITY;
  const wait = erlangC(cores, utilisation * cores) / (cores * (1 - utilisation));
  return Math.log(100) * needMs * (1 + wait);
}

/** Probability that one waits, for a whole or (interpolated) broken number of servers. */
function erlangC(servers: number, erlangs: number): number {
  const whole = Math.max(1, Math.floor(servers));
  const at = (count: number) => {
    const load = Math.min(erlangs, count * (1 - 1e-12));
    let blocking = 1;
    for (let i = 1; i <= count; i++) blocking = (load * blocking) / (i + load * blocking);
    return (count * blocking) / (count - load * (1 - blocking));
  };
  const part = Math.max(0, servers - whole);
  return part === 0 ? at(whole) : at(whole) * (1 - part) + at(whole + 1) * part;
}
