/**
 * The worlds that unsure requirements may turn out to be. Every interval is drawn by strata (Latin hypercube: McKay,
 * Beckman and Conover, Technometrics 21(2), 1979), with draws that depend on the key alone: more asked is more in every
 * world, and the same file gives the same worlds. 512 of them, and the least regret, as Netflix's
 * service-capacity-modeling does it.
 */

import type { ServiceTime } from '../pattern.ts';
import { seededRandom } from '../random.ts';
import { fields } from '../requirements/fields.ts';
import { exactly, type Interval, type Requirements } from '../requirements/requirements.ts';

export const worldCount = 512;
/** Values that one interval takes: neighbours plan the same, and are planned once. */
const levels = 32;

export interface DrawnWorld {
  readonly requirements: Requirements;
  readonly measured: Readonly<Record<string, ServiceTime>>;
  /** Worlds with the same draw. */
  readonly count: number;
}

/** Distinct draws with how often each was drawn, {@link worldCount} in all; one alone where everything is sure. */
export function drawWorlds(
  requirements: Requirements,
  measured: Readonly<Record<string, ServiceTime>>,
): readonly DrawnWorld[] {
  const unsure = intervalsOf(requirements);
  const times = Object.entries(measured).flatMap(([name, time]) => {
    const { lowUs = time.meanUs, meanUs, highUs = time.meanUs } = time;
    return lowUs < highUs ? [{ name, interval: { low: lowUs, mid: meanUs, high: highUs } }] : [];
  });
  const strata = [...unsure.map(({ key }) => key), ...times.map(({ name }) => `time ${name}`)].map(shuffledLevels);
  const drawn = new Map<string, { readonly ranks: readonly number[]; count: number }>();
  for (let world = 0; world < worldCount; world++) {
    const ranks = strata.map((order) => order[world] ?? 0);
    const key = ranks.join(' ');
    const known = drawn.get(key);
    if (known === undefined) drawn.set(key, { ranks, count: 1 });
    else known.count += 1;
  }
  return [...drawn.values()].map(({ ranks, count }) => ({
    requirements: unsure.reduce(
      (asked, { path, interval }, i) => withInterval(asked, path, valueAt(interval, ranks[i] ?? 0)),
      requirements,
    ),
    measured: {
      ...measured,
      ...Object.fromEntries(
        times.map(({ name, interval }, i) => [
          name,
          { ...(measured[name] as ServiceTime), meanUs: valueAt(interval, ranks[unsure.length + i] ?? 0) },
        ]),
      ),
    },
    count,
  }));
}

/**
 * The corners between which every world lies: all bounds low, all high, and each with the size of a value at its other
 * bound (small values make many keys, large ones much traffic).
 */
export function cornersOf(requirements: Requirements, measured: Readonly<Record<string, ServiceTime>>) {
  const unsure = intervalsOf(requirements);
  const corner = (bound: 'low' | 'high', payload: 'low' | 'high') => ({
    requirements: unsure.reduce(
      (asked, { key, path, interval }) =>
        withInterval(asked, path, interval[key === 'data.payloadBytes' ? payload : bound]),
      requirements,
    ),
    measured: Object.fromEntries(
      Object.entries(measured).map(([name, time]) => [
        name,
        { ...time, meanUs: (bound === 'low' ? time.lowUs : time.highUs) ?? time.meanUs },
      ]),
    ),
  });
  return [corner('low', 'low'), corner('low', 'high'), corner('high', 'low'), corner('high', 'high')] as const;
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
  const random = seededRandom(512).fork(key);
  const order = Array.from({ length: worldCount }, (_, i) => i % levels);
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** Half of the worlds lie below `mid`. By ratio, for what is unsure of a rate is unsure by a factor. */
function valueAt({ low, mid, high }: Interval, level: number): number {
  const quantile = (level + 0.5) / levels;
  const [from, to, share] = quantile < 0.5 ? [low, mid, 2 * quantile] : [mid, high, 2 * quantile - 1];
  const value = from > 0 ? from * (to / from) ** share : from + (to - from) * share;
  return Number(value.toPrecision(6));
}
