/**
 * One short window of load on a running deployment: what was offered and answered, how late, and the CPU that each
 * process took for it. The searches for capacity and for service times are made of such windows, without a new deployment
 * between them.
 */

import type { KeySkew } from '../../key-skew.ts';
import type { Requirements } from '../../requirements/requirements.ts';
import type { Arrivals } from '../generator/pacer.ts';
import { type LoadDeps, type LoadResult, runLoad } from '../load.ts';
import { generatorPart, maxConnections, timeoutMsOf } from '../loading.ts';
import type { CpuUse } from '../machine/process-cpu.ts';
import { type Cell, phaseDurationMs, total } from '../results/figures.ts';
import type { BenchedPart } from '../system.ts';
import { type Judged, judgeRun } from '../verdict/checks.ts';
import { samplesNeeded, type Threshold } from '../verdict/thresholds.ts';

/** Operations per second, by part and operation. */
export type Rates = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface WindowInput {
  /** Parts that take load; what they are offered is {@link rates}. */
  readonly loaded: readonly BenchedPart[];
  readonly rates: Rates;
  readonly requirements: Requirements;
  readonly thresholds: readonly Threshold[];
  readonly arrivals: Arrivals;
  /** Null or absent: as the patterns' users choose. */
  readonly skew?: KeySkew | null;
  readonly seed: number;
  readonly workers: number;
  readonly warmupMs: number;
  readonly steadyMs: number;
  /** Fills the store first, and reads everything back after: for the first window of a seed, and for the invariants. */
  readonly whole: boolean;
}

export interface Window {
  readonly rates: Rates;
  readonly durationMs: number;
  /** Of all parts. */
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly failedShare: number;
  /** Of the part that was worst; null over no sample. */
  readonly p99Ms: number | null;
  /** Of the arrivals, those that the generator turned to too late. */
  readonly behindShare: number;
  /** What was really offered, by part and operation. */
  readonly measured: Rates;
  readonly cpu: CpuUse | null;
  /** As if the deployment were at scale 1: a window is judged by what it offered. */
  readonly checks: readonly Judged[];
  readonly result: LoadResult;
}

/** Throws as {@link runLoad} does. */
export async function runWindow(input: WindowInput, deps: LoadDeps): Promise<Window> {
  const { loaded, requirements, seed } = input;
  const parts = loaded.map((one) => {
    const offeredLoad = input.rates[one.part.name] ?? {};
    const generated = generatorPart(one, { requirements, seed, skew: input.skew ?? null, offeredLoad });
    return input.whole ? generated : { ...generated, loadOnly: true as const };
  });
  const { arrivals, workers, warmupMs, steadyMs } = input;
  const timeoutMs = timeoutMsOf(requirements);
  const recover = { quietMs: 0, maxMs: 0 };
  const load = { arrivals, seed, workers, warmupMs, steadyMs, timeoutMs, maxConnections, faults: [], recover };
  return windowOf(input, await runLoad({ ...load, parts }, deps));
}

function windowOf(input: WindowInput, result: LoadResult): Window {
  const steady = result.cells.filter(({ phase }) => phase === 'steady');
  const durationMs = phaseDurationMs(result.spans, 'steady');
  const perSecond = (count: number) => (durationMs > 0 ? (count * 1000) / durationMs : 0);
  const { offered, correct, failed, dropped, behind } = total(steady);
  const names = input.loaded.map(({ part }) => part.name);
  const p99s = names.flatMap(
    (name) => total(steady.filter(({ part }) => part === name)).latency.quantileMs(0.99) ?? [],
  );
  const checks = judgeRun({
    cells: result.cells,
    spans: result.spans,
    faults: [],
    control: null,
    foreignCpuShare: result.cpu?.foreignShare ?? null,
    parts: names,
    requirements: input.requirements,
    thresholds: input.thresholds.filter(({ tags }) => (tags.phase ?? 'steady') === 'steady'),
    scale: 1,
  });
  return {
    rates: input.rates,
    durationMs,
    offeredPerSecond: perSecond(offered),
    achievedPerSecond: perSecond(correct),
    failedShare: offered === 0 ? 0 : (failed + dropped) / offered,
    p99Ms: p99s.length === 0 ? null : Math.max(...p99s),
    behindShare: offered === 0 ? 0 : behind / offered,
    measured: ratesOf(steady, perSecond),
    cpu: result.cpu,
    checks,
    result,
  };
}

function ratesOf(cells: readonly Cell[], perSecond: (count: number) => number): Rates {
  const rates: Record<string, Record<string, number>> = {};
  for (const { part, operation, sent } of cells) {
    rates[part] = { ...rates[part], [operation]: (rates[part]?.[operation] ?? 0) + perSecond(sent) };
  }
  return rates;
}

/** Every rate times the factor. */
export function timesRates(rates: Rates, factor: number): Rates {
  const scaled = (load: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(load).map(([operation, perSecond]) => [operation, perSecond * factor]));
  return Object.fromEntries(Object.entries(rates).map(([part, load]) => [part, scaled(load)]));
}

export const sumRates = (rates: Rates): number =>
  Object.values(rates).reduce((sum, load) => sum + Object.values(load).reduce((a, b) => a + b, 0), 0);

/** Long enough for the strictest quantile that is asked, at that rate; at least `leastMs`, at most `mostMs`. */
export function windowMs(
  ratePerSecond: number,
  thresholds: readonly Threshold[],
  [leastMs, mostMs]: readonly [number, number],
): number {
  // The requirements' own bound is on the 99th percentile.
  const samples = Math.max(1000, ...thresholds.map(({ aggregation }) => samplesNeeded(aggregation)));
  return Math.min(mostMs, Math.max(leastMs, Math.ceil((1.3 * samples * 1000) / Math.max(1, ratePerSecond))));
}
