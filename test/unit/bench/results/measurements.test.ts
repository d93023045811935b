/** From recorded arrivals over the messages of the threads to figures, series, curves and history. */

import { describe, expect, it } from 'vitest';
import type { HistoryBatch } from '../../../../src/bench/generator/generator-protocol.ts';
import { Hdr } from '../../../../src/bench/generator/hdr.ts';
import { HistoryLog } from '../../../../src/bench/generator/history-log.ts';
import { type Ended, Recorder } from '../../../../src/bench/generator/recorder.ts';
import { curve, loadFigures, percentiles, SeriesLog } from '../../../../src/bench/results/figures.ts';
import { Measurements } from '../../../../src/bench/results/measurements.ts';
import { seededRandom } from '../../../../src/random.ts';

const originMs = 1_800_000_000_000;

function ended(atMs: number, changes: Partial<Ended> = {}): Ended {
  const intendedMs = originMs + atMs;
  return {
    part: 0,
    operation: 'get',
    key: 'a',
    value: 0,
    phase: 'steady',
    intendedMs,
    takenMs: intendedMs,
    sentMs: intendedMs,
    endedMs: intendedMs + 4,
    answered: true,
    status: '200',
    correct: true,
    outcome: 'ok',
    result: 1,
    inHistory: true,
    ...changes,
  };
}

const record = (...all: readonly Ended[]) => {
  const recorder = new Recorder(() => originMs);
  for (const one of all) recorder.record(one);
  return recorder;
};

/** As the bench says them. */
const linesOf = (recorder: Recorder) =>
  recorder.take().cells.map((cell) => ({ kind: 'cell' as const, ...cell, part: `p${cell.part}` }));

function measured(...recorders: readonly Recorder[]): Measurements {
  const sum = new Measurements();
  for (const recorder of recorders) for (const line of linesOf(recorder)) sum.add(line);
  return sum;
}

const timedOut = { answered: false, status: 'timeout', correct: false, outcome: 'unknown' } as const;
const dropped = { answered: false, status: null, sentMs: null, correct: false, outcome: 'fail' } as const;

describe('what is counted', () => {
  it('keeps correct, failed, late, behind and dropped apart', () => {
    const recorder = record(
      ended(0),
      ended(1, { sentMs: originMs + 2 }),
      ended(2, { sentMs: originMs + 3.5 }),
      ended(3, { takenMs: originMs + 14, sentMs: originMs + 14 }),
      ended(4, { status: '503', correct: false }),
      ended(5, { ...timedOut, endedMs: originMs + 2005 }),
      ended(6, { ...dropped, endedMs: originMs + 2006 }),
      ended(7, { ...timedOut, status: 'refused', sentMs: null, outcome: 'fail' }),
    );
    const [figures] = loadFigures(measured(recorder).cells, [{ phase: 'steady', startMs: 0, endMs: 2000 }]);
    expect(figures).toMatchObject({
      part: 'p0',
      phase: 'steady',
      offeredPerSecond: 4,
      achievedPerSecond: 2,
      sent: 7,
      correct: 4,
      failed: 3,
      late: 3,
      behind: 1,
      dropped: 1,
      byStatus: { 200: 4, 503: 1, timeout: 1, refused: 1 },
    });
    // Wrong and refused requests have no latency: they would make a failing system look fast.
    expect(figures?.latency).toMatchObject({ count: 5, maxMs: 2000, minMs: 4 });
  });

  it('takes latency from the intended time', () => {
    const [cell] = record(ended(0, { takenMs: originMs + 500, sentMs: originMs + 500, endedMs: originMs + 504 })).take()
      .cells;
    expect(Hdr.from(cell!.latency).maxMs).toBe(504);
  });

  it('tells when requests failed, by their intended times, once a hundredth of a second, the control apart', () => {
    const recorder = record(
      ended(10, timedOut),
      ended(30, dropped),
      ended(20, { status: '500', correct: false }),
      ended(90, { ...timedOut, inHistory: false }),
      ended(100),
    );
    record(ended(34, timedOut), ended(31, timedOut)).take();
    expect(recorder.take().failuresMs.map((ms) => ms - originMs)).toEqual([10, 30, 20]);
    expect(recorder.take().failuresMs).toEqual([]);
  });

  it('tells parts, phases and operations apart', () => {
    const recorder = record(
      ended(0),
      ended(1, { part: 1 }),
      ended(2, { operation: 'put' }),
      ended(3, { phase: 'fault' }),
    );
    expect(measured(recorder).cells.map(({ part, operation, phase }) => [part, operation, phase])).toEqual([
      ['p0', 'get', 'steady'],
      ['p1', 'get', 'steady'],
      ['p0', 'put', 'steady'],
      ['p0', 'get', 'fault'],
    ]);
  });

  it('tells seconds apart, whatever order they end in, and says each once', () => {
    const recorder = new Recorder(() => originMs);
    const pieces: (readonly [number, number])[] = [];
    const take = () => {
      for (const { second, offered } of recorder.take().cells) pieces.push([second, offered]);
    };
    for (const atMs of [0, 1500, 100, 1600, 999.9]) recorder.record(ended(atMs));
    recorder.record(ended(5, { phase: 'prepare' }));
    take();
    recorder.record(ended(1700));
    take();
    take();
    expect(pieces).toEqual([
      [0, 3],
      [1, 2],
      [-1, 1],
      [1, 1],
    ]);
  });

  it('adds up to the same in whatever pieces it comes', () => {
    const random = seededRandom(5);
    const [whole, pieces] = [new Recorder(() => originMs), new Recorder(() => originMs)];
    const sum = new Measurements();
    const say = () => {
      for (const line of linesOf(pieces)) sum.add(line);
    };
    for (let i = 0; i < 5000; i++) {
      const atMs = random.next() * 20_000;
      const phase = (['warmup', 'steady', 'final'] as const)[random.integer(3)]!;
      const one = ended(atMs, {
        phase,
        part: random.integer(2),
        takenMs: originMs + atMs + random.integer(20),
        endedMs: originMs + atMs + random.integer(3000),
        operation: random.integer(2) === 0 ? 'get' : 'put',
        ...(random.integer(20) === 0 ? timedOut : {}),
        ...(random.integer(50) === 0 ? dropped : {}),
      });
      whole.record(one);
      pieces.record(one);
      if (random.integer(300) === 0) say();
    }
    say();
    const spans = [{ phase: 'steady' as const, startMs: 0, endMs: 20_000 }];
    const byName = (cells: Measurements['cells']) => loadFigures(cells, spans);
    expect(byName(sum.cells)).toEqual(byName(measured(whole).cells));
    expect(byName(sum.cells).reduce((all, { sent, dropped: lost }) => all + sent + lost, 0)).toBe(5000);
  });
});

describe('history', () => {
  /** Two workers' messages, in pieces, as they come over the wire. */
  function log(limit?: number): { readonly log: HistoryLog; readonly sent: readonly Ended[] } {
    const random = seededRandom(11);
    const found = new HistoryLog(limit);
    const sent: Ended[] = [];
    for (const worker of [0, 1]) {
      const recorder = new Recorder(() => originMs);
      for (let i = 0; i < 9000; i++) {
        const one = ended(random.next() * 60_000, {
          key: `k${worker}-${random.integer(50)}`,
          operation: random.integer(2) === 0 ? 'get' : 'put',
          value: i,
          part: random.integer(2),
          phase: (['warmup', 'steady', 'final'] as const)[random.integer(3)]!,
          ...(random.integer(20) === 0 ? timedOut : {}),
          ...(random.integer(50) === 0 ? { inHistory: false } : {}),
          ...(random.integer(50) === 0 ? dropped : {}),
        });
        recorder.record(one);
        if (one.inHistory && one.status !== null) sent.push(one);
        if (random.integer(700) === 0) addAll(found, worker, recorder.take().history);
      }
      addAll(found, worker, recorder.take().history);
    }
    return { log: found, sent };
  }

  function addAll(target: HistoryLog, worker: number, batches: readonly HistoryBatch[]): void {
    for (const batch of batches) target.add(worker, structuredClone(batch));
  }

  it('comes back whole, in order of sending, whatever pieces it came in', () => {
    const { log: found, sent } = log();
    for (const part of [0, 1]) {
      const expected = sent
        .filter((one) => one.part === part)
        .sort((a, b) => a.sentMs! - b.sentMs!)
        .map((one) => ({
          part: `p${part}`,
          operation: one.operation,
          key: one.key,
          value: one.value,
          sentMs: one.sentMs,
          answeredMs: one.answered ? one.endedMs : null,
          outcome: one.outcome,
          result: one.result,
          phase: one.phase,
        }));
      expect(found.of(part, `p${part}`)).toEqual(expected);
    }
    expect(found.entries).toBe(sent.length);
    expect(found.cut).toBe(0);
  });

  it('is bounded, and counts what it leaves out', () => {
    const { log: found, sent } = log(5000);
    expect(found.entries).toBeLessThanOrEqual(5000);
    expect(found.cut).toBe(sent.length - found.entries);
    // Keys that came with what was cut are still known to what follows.
    const expected = new Set(sent.map((one) => `${one.key} ${one.value}`));
    for (const part of [0, 1]) {
      for (const { key, value } of found.of(part, 'p')) expect(expected).toContain(`${key} ${value}`);
    }
  });
});

describe('series', () => {
  it('sums the workers of each second', () => {
    const series = new SeriesLog();
    for (const worker of [1, 2]) {
      const recorder = record(ended(100, { endedMs: originMs + 100 + worker }), ended(1500), ended(1600, dropped));
      for (const cell of linesOf(recorder)) series.add(cell);
    }
    expect(series.latest('p0', 2)).toMatchObject({ sent: 2, failed: 2 });
    expect(series.of('p0')).toEqual({
      part: 'p0',
      second: [0, 1],
      sent: [2, 2],
      failed: [0, 2],
      p50Ms: [1, 4],
      p99Ms: [2, 4],
    });
  });

  it('closes old seconds, and still counts a straggler', () => {
    const series = new SeriesLog();
    const add = (second: number, latencyMs: number) => {
      const recorder = record(ended(second * 1000, { endedMs: originMs + second * 1000 + latencyMs }));
      for (const cell of linesOf(recorder)) series.add(cell);
    };
    for (let second = 0; second < 100; second++) add(second, 5);
    add(3, 60_000);
    const found = series.of('p0');
    expect(found.second).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(found.sent.map((sent, i) => (i === 3 ? sent - 1 : sent))).toEqual(new Array(100).fill(1));
  });

  it('leaves prepare and final reads out', () => {
    const { series, cells } = measured(record(ended(0, { phase: 'prepare' }), ended(1, { phase: 'final' })));
    expect(series.of('p0').second).toEqual([]);
    expect(cells).toHaveLength(2);
  });
});

describe('curve', () => {
  it('ends at the last quantile that ten samples lie above', () => {
    const hdr = new Hdr();
    for (let i = 1; i <= 10_000; i++) hdr.record(i / 100);
    const points = curve(hdr);
    expect(points[0]).toEqual([0, 0.01]);
    expect(points.at(-1)?.[0]).toBeCloseTo(0.999, 4);
    expect(points.map(([, ms]) => ms)).toEqual([...points.map(([, ms]) => ms)].sort((a, b) => a - b));
    expect(curve(new Hdr())).toEqual([]);
  });
});

describe('percentiles', () => {
  it('are 0 over no sample, and count says so', () => {
    expect(percentiles(new Hdr())).toMatchObject({ count: 0, p99Ms: 0 });
  });
});
