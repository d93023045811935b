import { describe, expect, it } from 'vitest';
import { createPacer } from '../../../../src/bench/generator/pacer.ts';
import {
  checkedShape,
  expectedArrivals,
  type RateShape,
  rampShape,
  steadyShape,
  stepShape,
} from '../../../../src/bench/generator/rate-shape.ts';
import { parseRecordedShape, parseShape } from '../../../../src/bench/generator/shape-text.ts';
import { seededRandom } from '../../../../src/random.ts';

const seed = 20_260_131;

/** Every arrival before `untilMs`. */
function arrivals(
  shape: RateShape,
  arrivals: 'constant' | 'poisson',
  ratePerSecond: number,
  untilMs: number,
  leadMs = 0,
) {
  const pacer = createPacer({ arrivals, ratePerSecond, random: seededRandom(seed), shape, leadMs });
  const times: number[] = [];
  while (pacer.nextMs < untilMs) times.push(pacer.take());
  return times;
}

const between = (times: readonly number[], fromMs: number, toMs: number) =>
  times.filter((time) => time >= fromMs && time < toMs).length;

/** The factor at a time, straight from the points. */
function factorAt({ points, repeats }: RateShape, atMs: number): number {
  const last = points.at(-1)!;
  const time = repeats ? atMs % last.atMs : atMs;
  for (let i = points.length - 1; i >= 0; i--) {
    const [a, b] = [points[i]!, points[i + 1]];
    if (a.atMs > time) continue;
    return b === undefined || b.atMs === a.atMs
      ? a.factor
      : a.factor + ((b.factor - a.factor) * (time - a.atMs)) / (b.atMs - a.atMs);
  }
  return 0;
}

const shapes: readonly (readonly [string, RateShape])[] = [
  ['a ramp', rampShape(0, 2, 10_000)],
  ['a ramp down', rampShape(1, 0.1, 10_000)],
  ['steps', stepShape([0.2, 1, 0, 3], 12_000)],
  [
    'what repeats',
    {
      points: [
        { atMs: 0, factor: 0.5 },
        { atMs: 2000, factor: 1 },
        { atMs: 2000, factor: 0 },
        { atMs: 3000, factor: 0 },
        { atMs: 3000, factor: 2 },
        { atMs: 3500, factor: 2 },
      ],
      repeats: true,
    },
  ],
];

describe.each(shapes)('%s', (_, shape) => {
  it('expects as many arrivals by any time as its integral says', () => {
    const leadMs = 700;
    const expected = expectedArrivals(shape, leadMs);
    let integral = leadMs * shape.points[0]!.factor;
    const stepMs = 0.25;
    for (let atMs = 0; atMs < 15_000; atMs += stepMs) {
      integral += factorAt(shape, atMs + stepMs / 2) * stepMs;
      if (atMs % 500 !== 0 || factorAt(shape, atMs + stepMs) === 0) continue;
      expect(Math.abs(expected.timeOf(integral) - (leadMs + atMs + stepMs)), `at ${atMs}`).toBeLessThan(0.01);
    }
  });

  it.each(['constant', 'poisson'] as const)('makes %s arrivals at its rate', (process) => {
    const times = arrivals(shape, process, 2000, 16_000);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    for (let fromMs = 0; fromMs < 16_000; fromMs += 1000) {
      let expected = 0;
      for (let at = fromMs; at < fromMs + 1000; at++) expected += 2 * factorAt(shape, at + 0.5);
      // Four standard deviations of a Poisson count; constant arrivals are exact but for the edges.
      const allowed = process === 'constant' ? 2 : 4 * Math.sqrt(expected) + 1;
      expect(
        Math.abs(between(times, fromMs, fromMs + 1000) - expected),
        `from ${fromMs}, seed ${seed}`,
      ).toBeLessThanOrEqual(allowed);
    }
  });
});

describe('any shape', () => {
  it('has its first factor in the warm-up', () => {
    const times = arrivals(stepShape([0.5, 2], 2000), 'constant', 100, 3000, 1000);
    expect([between(times, 0, 1000), between(times, 1000, 2000), between(times, 2000, 3000)]).toEqual([50, 50, 200]);
  });

  it('that never changes is as good as none', () => {
    const one: RateShape = {
      points: [
        { atMs: 0, factor: 1 },
        { atMs: 5000, factor: 1 },
      ],
      repeats: false,
    };
    const [flat, plain] = [one, steadyShape].map((shape) => arrivals(shape, 'poisson', 500, 10_000));
    expect(flat).toHaveLength(plain!.length);
    for (const [i, time] of flat!.entries()) expect(time).toBeCloseTo(plain![i]!, 6);
  });

  it('ends the load where it falls to nothing', () => {
    const pacer = createPacer({
      arrivals: 'constant',
      ratePerSecond: 100,
      random: seededRandom(1),
      shape: stepShape([1, 0], 2000),
    });
    for (let i = 0; i < 101; i++) pacer.take();
    expect(pacer.nextMs).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    [[]],
    [[{ atMs: 5, factor: 1 }]],
    [[{ atMs: 0, factor: -1 }]],
    [[{ atMs: 0, factor: Number.NaN }]],
    [[{ atMs: 0, factor: 0 }]],
    [
      [
        { atMs: 0, factor: 1 },
        { atMs: 10, factor: 1 },
        { atMs: 9, factor: 1 },
      ],
    ],
  ])('is refused: %j', (points) => {
    expect(() => checkedShape({ points, repeats: false })).toThrow(RangeError);
  });
});

describe('parseShape', () => {
  it.each([
    ['steady', steadyShape],
    ['ramp:0.2..1', rampShape(0.2, 1, 8000)],
    ['step:0.5,1,1.5', stepShape([0.5, 1, 1.5], 8000)],
  ])('%s', (text, shape) => {
    expect(parseShape(text, 8000)).toEqual(shape);
  });

  it.each(['', 'ramp', 'ramp:1', 'ramp:a..b', 'ramp:-1..2', 'step:', 'step:1,,2', 'step:0,0', 'wave:1'])(
    'refuses %j',
    (text) => {
      expect(() => parseShape(text, 8000)).toThrow(RangeError);
    },
  );
});

describe('parseRecordedShape', () => {
  it('reads rates over time, the highest as the planned one', () => {
    const shape = parseRecordedShape('# seconds,rate\nseconds,rate\n0,100\n10, 400\n\n25,200\n');
    expect(shape).toEqual({
      points: [
        { atMs: 0, factor: 0.25 },
        { atMs: 10_000, factor: 1 },
        { atMs: 25_000, factor: 0.5 },
      ],
      repeats: true,
    });
  });

  it('counts timestamps by the second', () => {
    const times = [100, 100.2, 100.9, 101.5, 103.1, 103.2];
    const shape = parseRecordedShape(times.join('\n'));
    const counts = [3, 1, 0, 2];
    expect(shape.points.map(({ atMs, factor }) => [atMs, factor])).toEqual(
      counts.flatMap((count, i) => [
        [i * 1000, count / 3],
        [(i + 1) * 1000, count / 3],
      ]),
    );
    const iso = times.map((time) => new Date(time * 1000).toISOString());
    expect(parseRecordedShape(iso.join('\r\n'))).toEqual(shape);
  });

  it.each(['', 'a\nb', '0,1\n0', '0,1\nx,2', '5,1\n4,1', '0,-1', '1\n0,3'])('refuses %j, and says where', (text) => {
    expect(() => parseRecordedShape(text)).toThrow(RangeError);
  });
});
