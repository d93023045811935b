/**
 * Shapes of the rate as text: what `--shape` takes, and a recording of real traffic. Pure; both throw RangeError that
 * says what was expected.
 */

import { checkedShape, type RatePoint, type RateShape, rampShape, steadyShape, stepShape } from './rate-shape.ts';

/** What {@link parseShape} reads; `file:<path>` is read by who may open files. */
export const shapeForms = 'steady, ramp:<from>..<to>, step:<factor>,<factor>,… or file:<path>';

/** Factors are on the planned rate; a ramp and the steps take the whole steady load. */
export function parseShape(text: string, steadyMs: number): RateShape {
  if (text === 'steady') return steadyShape;
  const [, kind, given = ''] = /^(ramp|step):(.+)$/.exec(text) ?? [];
  const factors = given.split(kind === 'ramp' ? '..' : ',').map(toFactor);
  if (kind === 'step' && factors.length > 0) return stepShape(factors, steadyMs);
  const [from, to] = factors;
  if (kind === 'ramp' && factors.length === 2 && from !== undefined && to !== undefined) {
    return rampShape(from, to, steadyMs);
  }
  throw new RangeError(`${JSON.stringify(text)} is none of ${shapeForms}`);
}

function toFactor(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/**
 * A recording: lines `<seconds>,<rate>`, between which the rate is linear, or one timestamp a line (seconds, or ISO
 * 8601), which are counted by the second. Its highest rate becomes the planned one, and it begins anew when it ends.
 * Empty lines, lines after `#` and a first line of names are left out.
 */
export function parseRecordedShape(text: string): RateShape {
  const rows = text
    .split(/\r?\n/)
    .map((line, i) => ({ line: line.trim(), number: i + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
  if (/^[a-z]/i.test(rows[0]?.line ?? '')) rows.shift();
  const columns = rows[0]?.line.split(',').length;
  const values = rows.map(({ line, number }) => {
    const cells = line.split(',').map(toSeconds);
    if (cells.length !== columns || cells.some((cell) => !Number.isFinite(cell))) {
      throw new RangeError(`line ${number}: expected <seconds>,<rate> or one timestamp, as in the lines before`);
    }
    return cells;
  });
  if (columns === 2) return relative(values.map(([seconds = 0, rate = 0]) => ({ atMs: seconds * 1000, factor: rate })));
  if (columns === 1) return relative(countBySecond(values.map(([seconds = 0]) => seconds)));
  throw new RangeError('expected lines of <seconds>,<rate>, or of one timestamp each');
}

/** Seconds, or ms since 1970 ÷ 1000 of a date. */
function toSeconds(text: string): number {
  const trimmed = text.trim();
  if (/^\d{4}-\d\d-\d\d/.test(trimmed)) return Date.parse(trimmed) / 1000;
  return trimmed === '' ? Number.NaN : Number(trimmed);
}

function countBySecond(seconds: readonly number[]): readonly RatePoint[] {
  const sorted = [...seconds].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const length = Math.floor((sorted.at(-1) ?? 0) - first) + 1;
  if (length > 1_000_000) throw new RangeError('the timestamps span more than a million seconds');
  const counts = new Array<number>(length).fill(0);
  for (const time of sorted) counts[Math.floor(time - first)]! += 1;
  return counts.flatMap((factor, second) => [
    { atMs: second * 1000, factor },
    { atMs: (second + 1) * 1000, factor },
  ]);
}

function relative(points: readonly RatePoint[]): RateShape {
  const startMs = points[0]?.atMs ?? 0;
  const highest = points.reduce((most, { factor }) => Math.max(most, factor), 0);
  if (!(highest > 0)) throw new RangeError('no rate above 0');
  return checkedShape({
    points: points.map(({ atMs, factor }) => ({ atMs: atMs - startMs, factor: factor / highest })),
    repeats: (points.at(-1)?.atMs ?? 0) > startMs,
  });
}
