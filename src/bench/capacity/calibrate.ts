/**
 * `dsp bench --calibrate`: CPU per visit of every service time, from the CPU that each kind of process took in windows of
 * several mixes, each close below its own limit (operational analysis: service demand is CPU over completions; Denning and
 * Buzen 1978). The busier a process is, the more visits share a wake-up, a read and a write: on a quarter of the load an
 * operation takes up to three times the CPU, so that only windows near the limit tell of the limit, and what a process
 * takes without load is part of what its visits take there. Windows that the system did not keep up with are left out:
 * they tell what the machine has, not what an operation takes.
 */

import type { BusyPoint } from '../../capacity/busy-curve.ts';
import { fingerprint, type MeasuredTimes } from '../../capacity/measured.ts';
import { type Coefficient, leastSquares } from '../../capacity/regression.ts';
import { DspError } from '../../errors.ts';
import type { Work } from '../../pattern.ts';
import type { CpuUse } from '../machine/process-cpu.ts';
import { generatorName, kindOf, type ModelInput, predictCapacity, priorTimes, worksAt } from './machine-model.ts';
import { type Rates, timesRates } from './window.ts';

/** What a window told: the work that its rates meant, and the CPU that was taken for it. */
export interface Observation {
  readonly works: readonly Work[];
  /** µs of CPU a second, by kind of process. */
  readonly usPerSecond: ReadonlyMap<string, number>;
}

export interface WindowSeen {
  readonly measured: Rates;
  readonly cpu: CpuUse | null;
  readonly durationMs: number;
  /** Of the part that was worst; null over no sample. */
  readonly p99Ms: number | null;
}

/** Above it, what others took of the machine tells on everything. */
const mostForeignShare = 0.15;
/** Fewer tell no interval. */
const leastWindows = 5;

/** The planned mix, and for each operation one that gives it more than its share. */
export function calibrationMixes(rates: Rates): readonly Rates[] {
  const operations = Object.entries(rates).flatMap(([part, load]) => Object.keys(load).map((name) => ({ part, name })));
  return operations.length < 2 ? [rates] : [rates, ...operations.map((operation) => heavier(rates, operation))];
}

/** Of a mix's limit: where it is measured, and how often. */
const levels = [0.82, 0.88, 0.94, 1];
const windowsEach = 2;
/** A window that told nothing is asked for so many times in all. */
const rounds = 2;
/** The first rate of a mix, of what is predicted for it. */
const firstShare = 0.6;
const climb = { raise: 1.25, resolution: 1.07, most: 14 };

/** Every mix up to its limit, and then windows of all of them below it, in an order that `shuffle` gives. */
export async function observeNearLimits(
  model: Omit<ModelInput, 'measured'>,
  measure: (rates: Rates) => Promise<Observation | null>,
  shuffle: (windows: readonly Rates[]) => readonly Rates[],
): Promise<readonly Observation[]> {
  const wanted: Rates[] = [];
  for (const mix of calibrationMixes(model.rates)) {
    const first = firstShare * predictCapacity({ ...model, measured: null, rates: mix }).factor;
    const keepsUp = async (factor: number) => (await measure(timesRates(mix, factor))) !== null;
    const limit = await limitOf(keepsUp, { ...climb, first });
    if (limit === null) continue;
    for (const level of levels) wanted.push(...Array<Rates>(windowsEach).fill(timesRates(mix, limit * level)));
  }
  const observations: Observation[] = [];
  let waiting = shuffle(wanted);
  for (let round = 0; round < rounds && waiting.length > 0; round++) {
    const again: Rates[] = [];
    for (const rates of waiting) {
      const observation = await measure(rates);
      if (observation === null) again.push(rates);
      else observations.push(observation);
    }
    waiting = again;
  }
  return observations;
}

export interface ClimbRules {
  /** The first factor that is tried. */
  readonly first: number;
  /** Raises it while the system keeps up, lowers it while it does not. */
  readonly raise: number;
  /** Upper ÷ lower edge at which the gap is small enough. */
  readonly resolution: number;
  /** Factors in all. */
  readonly most: number;
}

/**
 * The highest factor at which the system was seen to keep up, where it did not keep up with one that is higher by no more
 * than the resolution, asked twice: up or down a geometric ladder, then halving its last step. Null when it kept up with
 * none.
 */
export async function limitOf(
  keepsUp: (factor: number) => Promise<boolean>,
  { first, raise, most, resolution }: ClimbRules,
): Promise<number | null> {
  const holds = async (factor: number) => (await keepsUp(factor)) || (await keepsUp(factor));
  let lower: number | null = null;
  let upper: number | null = null;
  const next = (): number => {
    if (lower !== null && upper !== null) return Math.sqrt(lower * upper);
    if (lower !== null) return lower * raise;
    return upper !== null ? upper / raise : first;
  };
  for (let tried = 0; tried < most; tried++) {
    if (lower !== null && upper !== null && upper / lower <= resolution) break;
    const factor = next();
    if (await holds(factor)) lower = factor;
    else upper = factor;
  }
  return lower;
}

/** The same number of operations, most of them of the one kind. */
function heavier(rates: Rates, { part, name }: { readonly part: string; readonly name: string }): Rates {
  const of = (load: Rates) =>
    Object.values(load).reduce((s, each) => s + Object.values(each).reduce((a, b) => a + b, 0), 0);
  const whole = of(rates);
  const others = whole - (rates[part]?.[name] ?? 0);
  const share = 0.7;
  const scaled = timesRates(rates, others > 0 ? ((1 - share) * whole) / others : 0);
  return { ...scaled, [part]: { ...scaled[part], [name]: share * whole } };
}

/** Null when the window tells nothing of what its work takes. */
export function observe(
  seen: WindowSeen,
  model: Omit<ModelInput, 'measured'>,
  roleOf: ReadonlyMap<string, string>,
): Observation | null {
  const { cpu, durationMs, measured, p99Ms } = seen;
  const keptUp = p99Ms !== null && p99Ms <= model.plan.requirements.latency.p99Ms;
  if (cpu === null || durationMs <= 0 || !keptUp || cpu.foreignShare > mostForeignShare) return null;
  const works = worksAt({ ...model, rates: measured });
  const kinds = new Set(works.map(kindOf));
  const usPerSecond = new Map<string, number>([[generatorName, (cpu.benchUs * 1000) / durationMs]]);
  for (const [id, us] of cpu.instanceUs) {
    const set = id.replace(/-\d+$/, '');
    const withRole = kindOf({ set, role: roleOf.get(id) ?? '' });
    const kind = kinds.has(withRole) ? withRole : set;
    usPerSecond.set(kind, (usPerSecond.get(kind) ?? 0) + (us * 1000) / durationMs);
  }
  return { works, usPerSecond };
}

/** What a window tells of the p99 on a busy machine, whether or not it was within its bound; null when it tells nothing. */
export function busyPoint({ cpu, p99Ms }: WindowSeen): BusyPoint | null {
  if (cpu === null || p99Ms === null || p99Ms <= 0 || cpu.foreignShare > mostForeignShare) return null;
  return { busyShare: cpu.ownShare + cpu.foreignShare, p99Ms };
}

/** Throws `bench.nothing-measured` when too few windows told anything. */
export function fitTimes(
  observations: readonly Observation[],
  { parts }: Pick<ModelInput, 'parts'>,
  date: string,
): MeasuredTimes {
  if (observations.length < leastWindows) {
    const why = `${observations.length} windows with cores to spare; it takes ${leastWindows}`;
    throw new DspError('bench.nothing-measured', { why });
  }
  const priors = priorTimes(parts);
  const times: Record<string, MeasuredTimes['times'][string]> = {};
  for (const kind of new Set(observations.flatMap(({ works }) => works.map(kindOf)))) {
    const fitted = fitKind(kind, observations, (name) => priors[name]?.meanUs ?? 1);
    if (fitted === null) continue;
    for (const [name, { value, halfWidth }] of fitted) {
      const half = Math.min(halfWidth, value);
      times[name] = {
        meanUs: round(value),
        lowUs: round(value - half),
        highUs: round(value + half),
        scv: priors[name]?.scv ?? 1,
        windows: observations.length,
      };
    }
  }
  if (Object.keys(times).length === 0) throw new DspError('bench.nothing-measured', { why: 'no process took CPU' });
  return { schemaVersion: 1, machine: fingerprint(), date, times };
}

/** A slope for each service time; where these cannot be told apart, one for the priors' mix. */
function fitKind(
  kind: string,
  observations: readonly Observation[],
  priorUs: (name: string) => number,
): ReadonlyMap<string, Coefficient> | null {
  const ofKind = observations.map(({ works, usPerSecond }) => ({
    works: works.filter((work) => kindOf(work) === kind),
    us: usPerSecond.get(kind) ?? 0,
  }));
  const names = [...new Set(ofKind.flatMap(({ works }) => works.map(({ time }) => time)))];
  const visits = (works: readonly Work[], name: string) =>
    works.reduce((sum, work) => sum + (work.time === name ? work.visitsPerSecond : 0), 0);
  const y = ofKind.map(({ works, us }) => us - works.reduce((sum, { extraUsPerSecond }) => sum + extraUsPerSecond, 0));
  const apart = leastSquares(
    ofKind.map(({ works }) => names.map((name) => visits(works, name))),
    y,
  );
  if (apart?.every(({ value, halfWidth }) => value > 0 && halfWidth < value)) {
    return new Map(names.map((name, i) => [name, apart[i] as Coefficient]));
  }
  const mixed = (works: readonly Work[]) => names.reduce((sum, name) => sum + visits(works, name) * priorUs(name), 0);
  const slope = leastSquares(
    ofKind.map(({ works }) => [mixed(works)]),
    y,
  )?.[0];
  if (slope === undefined || slope.value <= 0) return null;
  return new Map(
    names.map((name) => {
      const prior = priorUs(name);
      return [name, { value: slope.value * prior, halfWidth: slope.halfWidth * prior }];
    }),
  );
}

const round = (us: number) => Number(us.toPrecision(4));
