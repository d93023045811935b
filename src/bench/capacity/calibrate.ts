/**
 * `dsp bench --calibrate`: CPU per visit of every service time, from the CPU that each kind of process took in windows at
 * several rates and mixes (operational analysis: the slope of CPU over visits is the service demand, the constant what is
 * taken whatever the load). The busier a process is, the more visits share a wake-up, a read and a write, so that CPU over
 * visits bends; rates up to the limit make the line that of the busy system, whose limit is asked for. Windows that the
 * system did not keep up with are left out: they tell what the machine has, not what an operation takes.
 */

import type { BusyPoint } from '../../capacity/busy-curve.ts';
import { fingerprint, type MeasuredTimes } from '../../capacity/measured.ts';
import { type Coefficient, leastSquares } from '../../capacity/regression.ts';
import { DspError } from '../../errors.ts';
import type { Work } from '../../pattern.ts';
import type { CpuUse } from '../machine/process-cpu.ts';
import { generatorName, kindOf, type ModelInput, priorTimes, worksAt } from './machine-model.ts';
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

/** Of what was predicted. */
export const highestLevel = 1.05;

/** The rates of a calibration's windows: the planned mix at several levels, and each operation given more than its share. */
export function calibrationRates(rates: Rates, factor: number): readonly Rates[] {
  const operations = Object.entries(rates).flatMap(([part, load]) => Object.keys(load).map((name) => ({ part, name })));
  const heavy = operations.length < 2 ? [] : operations.map((operation) => heavier(rates, operation));
  // One mix alone needs more levels to tell a slope.
  const levels =
    heavy.length > 0 ? [0.3, 0.5, 0.7, 0.9, highestLevel] : [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, highestLevel];
  return levels.flatMap((level) => [rates, ...heavy].map((mix) => timesRates(mix, factor * level)));
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
  const idleUs: Record<string, number> = {};
  for (const kind of new Set(observations.flatMap(({ works }) => works.map(kindOf)))) {
    const fitted = fitKind(kind, observations, (name) => priors[name]?.meanUs ?? 1);
    if (fitted === null) continue;
    idleUs[kind] = round(fitted.idleUs);
    for (const [name, { value, halfWidth }] of fitted.times) {
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
  return { schemaVersion: 1, machine: fingerprint(), date, times, idleUs };
}

interface FittedKind {
  readonly idleUs: number;
  readonly times: ReadonlyMap<string, Coefficient>;
}

/** A constant and a slope for each service time; where these cannot be told apart, one slope for the priors' mix. */
function fitKind(
  kind: string,
  observations: readonly Observation[],
  priorUs: (name: string) => number,
): FittedKind | null {
  const ofKind = observations.map(({ works, usPerSecond }) => ({
    works: works.filter((work) => kindOf(work) === kind),
    us: usPerSecond.get(kind) ?? 0,
  }));
  const names = [...new Set(ofKind.flatMap(({ works }) => works.map(({ time }) => time)))];
  const visits = (works: readonly Work[], name: string) =>
    works.reduce((sum, work) => sum + (work.time === name ? work.visitsPerSecond : 0), 0);
  const y = ofKind.map(({ works, us }) => us - works.reduce((sum, { extraUsPerSecond }) => sum + extraUsPerSecond, 0));
  const apart = fitWith(
    ofKind.map(({ works }) => [1, ...names.map((name) => visits(works, name))]),
    y,
  );
  if (apart?.slice(1).every(({ value, halfWidth }) => value > 0 && halfWidth < value)) {
    return {
      idleUs: apart[0]?.value ?? 0,
      times: new Map(names.map((name, i) => [name, apart[i + 1] as Coefficient])),
    };
  }
  const mixed = (works: readonly Work[]) => names.reduce((sum, name) => sum + visits(works, name) * priorUs(name), 0);
  const together = fitWith(
    ofKind.map(({ works }) => [1, mixed(works)]),
    y,
  );
  const slope = together?.[1];
  if (together === null || slope === undefined || slope.value <= 0) return null;
  const times = names.map((name): [string, Coefficient] => {
    const prior = priorUs(name);
    return [name, { value: slope.value * prior, halfWidth: slope.halfWidth * prior }];
  });
  return { idleUs: together[0]?.value ?? 0, times: new Map(times) };
}

/** A process without load takes no less than nothing: then the line goes through the origin. */
function fitWith(rows: readonly (readonly number[])[], y: readonly number[]): readonly Coefficient[] | null {
  const free = leastSquares(rows, y);
  if (free === null || (free[0]?.value ?? 0) >= 0) return free;
  const through = leastSquares(
    rows.map((row) => row.slice(1)),
    y,
  );
  return through === null ? null : [{ value: 0, halfWidth: 0 }, ...through];
}

const round = (us: number) => Number(us.toPrecision(4));
