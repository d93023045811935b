/**
 * The worlds that unsure requirements may turn out to be. Every interval is drawn by strata (Latin hypercube: McKay,
 * Beckman and Conover, Technometrics 21(2), 1979), with draws that depend on the key alone: more asked is more in every
 * world, and the same file gives the same worlds. 512 of them, and the least regret, as Netflix's
 * service-capacity-modeling does it.
 */

import type { Downtime, ServiceTime } from '../pattern.ts';
import { seededRandom, shuffled } from '../random.ts';
import { fields } from '../requirements/fields.ts';
import { exactly, type Interval, type Requirements } from '../requirements/requirements.ts';

export const worldCount = 512;
const payloadBytes = 'data.payloadBytes';
/** Values that one interval takes: neighbours plan the same, and are planned once. */
const levels = 32;

/** What a plan follows from, beside the answers: what was measured, and what nobody has measured. */
export interface Known {
  readonly measured: Readonly<Record<string, ServiceTime>>;
  readonly downtimes: Readonly<Record<string, Downtime>>;
  /** Service times of the patterns; those that were measured are left out. */
  readonly priors: Readonly<Record<string, ServiceTime>>;
}

export interface DrawnWorld {
  readonly requirements: Requirements;
  readonly measured: Readonly<Record<string, ServiceTime>>;
  readonly downtimes: Readonly<Record<string, Downtime>>;
  /** Worlds with the same draw. */
  readonly count: number;
}

/**
 * Where a time that was not measured here lies: its figure ÷ and × this. Published figures differ between machines and
 * versions by about half; a guess is taken to be right within a factor of two.
 */
const spreadOf = { measured: 1, published: 1.5, prior: 2 } as const;

/** Something unsure that is no answer, and what a world is with a value of it. */
interface UnsureFigure {
  readonly key: string;
  readonly interval: Interval;
  readonly put: (world: Figures, value: number) => Figures;
}

type Figures = Pick<DrawnWorld, 'measured' | 'downtimes'>;

/**
 * Distinct draws with how often each was drawn, {@link worldCount} in all. Where answers and measurements are sure there is
 * one alone, with the priors as they are: a calibration tells more of them than a draw.
 */
export function drawWorlds(requirements: Requirements, known: Known): readonly DrawnWorld[] {
  if (isSure(requirements, known)) return [{ requirements, ...figuresOf(known), count: worldCount }];
  const answers = intervalsOf(requirements);
  const figures = [...measuredIn(known), ...timesOf(withoutMeasured(known))];
  const strata = [...answers, ...figures].map(({ key }) => shuffledLevels(key));
  const drawn = new Map<string, { readonly ranks: readonly number[]; count: number }>();
  for (let world = 0; world < worldCount; world++) {
    const ranks = strata.map((order) => order[world] ?? 0);
    const key = ranks.join(' ');
    const same = drawn.get(key);
    if (same === undefined) drawn.set(key, { ranks, count: 1 });
    else same.count += 1;
  }
  return [...drawn.values()].map(({ ranks, count }) => ({
    requirements: answers.reduce(
      (asked, { path, interval }, i) => withInterval(asked, path, valueAt(interval, ranks[i] ?? 0)),
      requirements,
    ),
    ...figures.reduce(
      (world, { interval, put }, i) => put(world, valueAt(interval, ranks[answers.length + i] ?? 0)),
      figuresOf(known),
    ),
    count,
  }));
}

/** Whether neither an answer nor a measurement leaves anything open. */
export function isSure(requirements: Requirements, known: Known): boolean {
  return intervalsOf(requirements).length + measuredIn(known).length === 0;
}

function measuredIn({ measured, downtimes }: Figures): readonly UnsureFigure[] {
  return [...timesOf(measured), ...downtimesOf(downtimes)];
}

const figuresOf = ({ measured, downtimes }: Known): Figures => ({ measured, downtimes });

function withoutMeasured({ priors, measured }: Known): Known['priors'] {
  return Object.fromEntries(Object.entries(priors).filter(([name]) => measured[name] === undefined));
}

function timesOf(times: Readonly<Record<string, ServiceTime>>): readonly UnsureFigure[] {
  return Object.entries(times).flatMap(([name, time]) => {
    const spread = spreadOf[time.source];
    const { meanUs, lowUs = meanUs / spread, highUs = meanUs * spread } = time;
    const put = (world: Figures, value: number) => ({
      ...world,
      measured: { ...world.measured, [name]: { ...time, meanUs: value } },
    });
    return lowUs < highUs ? [{ key: `time ${name}`, interval: { low: lowUs, mid: meanUs, high: highUs }, put }] : [];
  });
}

function downtimesOf(downtimes: Readonly<Record<string, Downtime>>): readonly UnsureFigure[] {
  return Object.entries(downtimes).flatMap(([fault, downtime]) => {
    const { lowMs: low, meanMs: mid, highMs: high } = downtime;
    const put = (world: Figures, value: number) => ({
      ...world,
      downtimes: { ...world.downtimes, [fault]: { ...downtime, meanMs: value } },
    });
    return low < high ? [{ key: `downtime ${fault}`, interval: { low, mid, high }, put }] : [];
  });
}

/**
 * The corners of what was answered and measured: all bounds low, all high, and each with the size of a value at its other
 * bound (small values make many keys, large ones much traffic). Priors are left as they are.
 */
export function cornersOf(requirements: Requirements, known: Known) {
  const answers = intervalsOf(requirements);
  const figures = measuredIn(known);
  const corner = (bound: 'low' | 'high', payload: 'low' | 'high') => ({
    requirements: answers.reduce(
      (asked, { key, path, interval }) => withInterval(asked, path, interval[key === payloadBytes ? payload : bound]),
      requirements,
    ),
    ...figures.reduce((world, { interval, put }) => put(world, interval[bound]), figuresOf(known)),
  });
  const straight = [corner('low', 'low'), corner('high', 'high')];
  if (!answers.some(({ key }) => key === payloadBytes)) return straight;
  return [...straight, corner('low', 'high'), corner('high', 'low')];
}

interface Unsure {
  readonly key: string;
  readonly path: readonly [string, string];
  readonly interval: Interval;
}

function intervalsOf(requirements: Requirements): readonly Unsure[] {
  return fields.flatMap(({ key, type }) => {
    if (type.kind !== 'interval') return [];
    const path = key.split('.') as [string, string];
    const interval = (requirements as unknown as Record<string, Record<string, Interval>>)[path[0]]?.[path[1]];
    return interval !== undefined && interval.low < interval.high ? [{ key, path, interval }] : [];
  });
}

function withInterval(requirements: Requirements, [section, name]: readonly [string, string], value: number) {
  const old = (requirements as unknown as Record<string, object>)[section];
  return { ...requirements, [section]: { ...old, [name]: exactly(value) } } as Requirements;
}

/** Every level as often, in an order of the key's own. */
function shuffledLevels(key: string): readonly number[] {
  const inOrder = Array.from({ length: worldCount }, (_, i) => i % levels);
  return shuffled(inOrder, seededRandom(512).fork(key));
}

/** Half of the worlds lie below `mid`. By ratio, for what is unsure of a rate is unsure by a factor. */
function valueAt({ low, mid, high }: Interval, level: number): number {
  const quantile = (level + 0.5) / levels;
  const [from, to, share] = quantile < 0.5 ? [low, mid, 2 * quantile] : [mid, high, 2 * quantile - 1];
  const value = from > 0 ? from * (to / from) ** share : from + (to - from) * share;
  return Number(value.toPrecision(6));
}
