/**
 * The charts of the HTML report. {@link chartFunctions} run in the reader's browser: their source text is inlined, so
 * they use nothing but their arguments and each other.
 */

import type { Report } from '../report.ts';

/** What the charts need of a browser's element. */
export interface ChartElement {
  readonly clientWidth: number;
}

export interface ChartDocument {
  getElementById(id: string): ChartElement | null;
}

/** uPlot's constructor, as far as the charts use it. */
export type ChartConstructor = new (options: Record<string, unknown>, rows: Rows, target: ChartElement) => unknown;

export type ChartData = Pick<Report, 'series' | 'curves' | 'faults' | 'startedAt'>;

type Rows = readonly (readonly (number | null)[])[];

interface Canvas {
  readonly ctx: { fillStyle: string; fillRect(x: number, y: number, width: number, height: number): void };
  readonly bbox: { readonly top: number; readonly height: number; readonly left: number; readonly width: number };
  valToPos(value: number, scale: string, inCanvas: boolean): number;
}

/** One chart: x first in `rows`, then a row for each label. */
interface Chart {
  readonly id: string;
  readonly labels: readonly string[];
  readonly colours: readonly string[];
  readonly rows: Rows;
  readonly more: Record<string, unknown>;
}

/** Paints each fault, to its heal, behind the lines. */
function faultShade(data: ChartData): (plot: Canvas) => void {
  const startedMs = Date.parse(data.startedAt);
  const windows = data.faults.map((fault) => [(fault.startMs - startedMs) / 1000, (fault.healedMs - startedMs) / 1000]);
  return (plot) => {
    plot.ctx.fillStyle = 'rgba(209, 36, 47, 0.12)';
    for (const [from = 0, to = 0] of windows) {
      const left = Math.max(plot.bbox.left, plot.valToPos(from, 'x', true));
      const right = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(to, 'x', true));
      if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
    }
  };
}

/** Latency and throughput of each part, second by second. */
function timeCharts(data: ChartData): readonly Chart[] {
  const overTime = (unit: string) => ({
    scales: { x: { time: false } },
    axes: [{ label: 'seconds' }, { label: unit, size: 70 }],
    hooks: { drawClear: [faultShade(data)] },
  });
  return data.series.flatMap((series, i) => [
    {
      id: `latency-${i}`,
      labels: ['p50 ms', 'p99 ms'],
      colours: ['#1f6feb', '#9a6700'],
      rows: [series.second, series.p50Ms, series.p99Ms],
      more: overTime('ms'),
    },
    {
      id: `throughput-${i}`,
      labels: ['sent/s', 'failed/s'],
      colours: ['#1a7f37', '#d1242f'],
      rows: [series.second, series.sent, series.failed],
      more: overTime('requests/s'),
    },
  ]);
}

/** All parts' curves over one x: nines, -log10(1 - q), of the longest curve. */
function curveChart(data: ChartData): Chart {
  const longest = data.curves.reduce<readonly (readonly [number, number])[]>(
    (most, { points }) => (points.length > most.length ? points : most),
    [],
  );
  const percent = (_: unknown, ticks: readonly number[]) =>
    ticks.map((tick) => `${Number((100 * (1 - 10 ** -tick)).toFixed(4))} %`);
  return {
    id: 'curve',
    labels: data.curves.map(({ part }) => `${part} ms`),
    colours: ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#bc4c00'],
    rows: [
      longest.map(([q]) => -Math.log10(1 - q)),
      ...data.curves.map(({ points }) => longest.map((_, i) => points[i]?.[1] ?? null)),
    ],
    more: {
      scales: { x: { time: false } },
      axes: [
        { label: 'share of requests', values: percent },
        { label: 'ms', size: 70 },
      ],
    },
  };
}

/** Draws into the elements `latency-<i>`, `throughput-<i>` and `curve`. */
function drawCharts(data: ChartData, Plot: ChartConstructor, page: ChartDocument): void {
  for (const { id, labels, colours, rows, more } of [...timeCharts(data), curveChart(data)]) {
    const target = page.getElementById(id);
    if (target === null) continue;
    const lines = labels.map((label, i) => ({
      label,
      stroke: colours[i % colours.length],
      width: 1.5,
      points: { show: false },
    }));
    const size = { width: Math.max(320, target.clientWidth), height: 260 };
    new Plot({ ...size, series: [{}, ...lines], ...more }, rows, target);
  }
}

/** The last one draws. */
export const chartFunctions = [faultShade, timeCharts, curveChart, drawCharts] as const;
