/**
 * The charts of the HTML report. {@link drawCharts} runs in the reader's browser: its source text is inlined, so it
 * uses nothing but its arguments.
 */

import type { Report } from './report.ts';

/** What the charts need of a browser's element. */
export interface ChartElement {
  readonly clientWidth: number;
}

export interface ChartDocument {
  getElementById(id: string): ChartElement | null;
}

/** uPlot's constructor, as far as the charts use it. */
export type ChartConstructor = new (
  options: Record<string, unknown>,
  data: readonly (readonly (number | null)[])[],
  target: ChartElement,
) => unknown;

export type ChartData = Pick<Report, 'series' | 'curves' | 'faults' | 'startedAt'>;

/** Draws `latency-<i>`, `throughput-<i>` for each series and `curve`. */
export function drawCharts(data: ChartData, Plot: ChartConstructor, page: ChartDocument): void {
  interface Canvas {
    readonly ctx: { fillStyle: string; fillRect(x: number, y: number, width: number, height: number): void };
    readonly bbox: { readonly top: number; readonly height: number; readonly left: number; readonly width: number };
    valToPos(value: number, scale: string, inCanvas: boolean): number;
  }
  const colours = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#bc4c00'];
  const startedMs = Date.parse(data.startedAt);
  const windows = data.faults.map((fault) => [(fault.startMs - startedMs) / 1000, (fault.healedMs - startedMs) / 1000]);
  const shadeFaults = (plot: Canvas) => {
    plot.ctx.fillStyle = 'rgba(209, 36, 47, 0.12)';
    for (const [from = 0, to = 0] of windows) {
      const left = Math.max(plot.bbox.left, plot.valToPos(from, 'x', true));
      const right = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(to, 'x', true));
      if (right > left) plot.ctx.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
    }
  };
  const draw = (
    id: string,
    lines: readonly { readonly label: string; readonly colour: string }[],
    rows: readonly (readonly (number | null)[])[],
    more: Record<string, unknown>,
  ) => {
    const target = page.getElementById(id);
    if (target === null) return;
    const series = lines.map(({ label, colour }) => ({ label, stroke: colour, width: 1.5, points: { show: false } }));
    const size = { width: Math.max(320, target.clientWidth), height: 260 };
    new Plot({ ...size, series: [{}, ...series], ...more }, rows, target);
  };
  const overTime = (unit: string) => ({
    scales: { x: { time: false } },
    axes: [{ label: 'seconds' }, { label: unit, size: 70 }],
    hooks: { drawClear: [shadeFaults] },
  });
  data.series.forEach((series, i) => {
    const latency = [
      { label: 'p50 ms', colour: '#1f6feb' },
      { label: 'p99 ms', colour: '#9a6700' },
    ];
    const throughput = [
      { label: 'sent/s', colour: '#1a7f37' },
      { label: 'failed/s', colour: '#d1242f' },
    ];
    draw(`latency-${i}`, latency, [series.second, series.p50Ms, series.p99Ms], overTime('ms'));
    draw(`throughput-${i}`, throughput, [series.second, series.sent, series.failed], overTime('requests/s'));
  });
  // One x for all parts: nines, -log10(1 - q), from the longest curve.
  const longest = data.curves.reduce<readonly (readonly [number, number])[]>(
    (most, { points }) => (points.length > most.length ? points : most),
    [],
  );
  const lines = data.curves.map(({ part }, i) => ({
    label: `${part} ms`,
    colour: colours[i % colours.length] ?? '#000',
  }));
  const nines = longest.map(([q]) => -Math.log10(1 - q));
  const rows = data.curves.map(({ points }) => longest.map((_, i) => points[i]?.[1] ?? null));
  const percent = (_: unknown, ticks: readonly number[]) =>
    ticks.map((tick) => `${Number((100 * (1 - 10 ** -tick)).toFixed(4))} %`);
  draw('curve', lines, [nines, ...rows], {
    scales: { x: { time: false } },
    axes: [
      { label: 'share of requests', values: percent },
      { label: 'ms', size: 70 },
    ],
  });
}
