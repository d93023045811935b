/** The report as one HTML file that needs nothing else: uPlot, styles and data are inlined, and the page may load nothing. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { CapacityReport, LoadFigures, Report, ShardReport } from '../report.ts';
import { capacityLines, stepHeadings, stepRow } from './report-capacity.ts';
import { chartFunctions } from './report-charts.ts';
import { keyHeadings, keyRows, shardHeadings, shardLines, shardRows } from './report-shards.ts';
import { hitWord, numberText, percent, printable, scaleLine, verdictWords } from './report-words.ts';

const style = `
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #1f2328; }
body { max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d1d9e0; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d1d9e0; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code, pre { font: 13px ui-monospace, monospace; background: #f6f8fa; } pre { padding: .6rem; overflow-x: auto; }
.pass, .held { color: #1a7f37; } .fail, .violated { color: #d1242f; } .inconclusive, .invalid, .unexercised { color: #9a6700; }
.verdict { font-size: 1.3rem; font-weight: 600; } .muted { color: #59636e; } .scroll { overflow-x: auto; }
`;

/** The whole page. Reads uPlot from the installed package. */
export function renderHtml(report: Report): string {
  const { script: plotSource, style: plotStyle } = readPlot();
  const draw = [
    ...chartFunctions.map(String),
    "drawCharts(JSON.parse(document.getElementById('data').textContent), uPlot, document);",
  ].join('\n');
  const { series, curves, faults, startedAt } = report;
  const data = inlineJson({ series, curves, faults, startedAt });
  const scripts = [plotSource, draw];
  const styles = [plotStyle, style];
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy(scripts, styles)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(`${report.name}: ${report.verdict}`)}</title>`,
    ...styles.map((text) => `<style>${text}</style>`),
    '</head><body>',
    ...body(report),
    `<script type="application/json" id="data">${data}</script>`,
    ...scripts.map((text) => `<script>${text}</script>`),
    '</body></html>',
    '',
  ].join('\n');
}

function body(report: Report): readonly string[] {
  return [
    heading(report),
    ...(report.capacity === undefined ? [] : [section('Capacity', capacityTable(report.capacity))]),
    section('Checks', checksTable(report)),
    section('Invariants', invariantsTable(report)),
    section('Faults', faultsTable(report)),
    ...(report.shards ?? []).map((found) => section(`Shards of ${found.part}`, shardTables(found))),
    section('Load', figuresTable(report.figures)),
    ...report.series.map(({ part }, i) => {
      const charts = `<div id="latency-${i}"></div><div id="throughput-${i}"></div>`;
      return section(
        `${part}: latency and throughput over time`,
        `${charts}<p class="muted">Red: a fault, to its heal.</p>`,
      );
    }),
    section('Percentiles of the steady load', '<div id="curve"></div>'),
    section('Replay', replayText(report)),
  ];
}

function heading(report: Report): string {
  const reasons = report.reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('');
  const facts = `${report.startedAt}, ${numberText(report.durationMs / 1000)} s, ${scaleLine(report.scale)}, dsp ${report.dspVersion}`;
  return [
    `<h1>${escapeHtml(report.name)}</h1>`,
    `<p class="muted">${escapeHtml(facts)}</p>`,
    `<p class="verdict ${report.verdict}">${report.verdict}</p><p>${escapeHtml(verdictWords[report.verdict])}</p>`,
    reasons === '' ? '' : `<ul>${reasons}</ul>`,
  ].join('\n');
}

function checksTable({ checks }: Report): string {
  const rows = checks.map((check) => [
    `<code>${escapeHtml(check.name)}</code>`,
    escapeHtml(check.from),
    word(check.verdict),
    number(check.measured, check.unit),
    number(check.bound, check.unit),
    escapeHtml(check.note),
  ]);
  return table(['check', 'from', 'verdict', '#measured', '#bound', 'note'], rows);
}

function capacityTable(capacity: CapacityReport): string {
  const lines = capacityLines(capacity).map((line) => `<li>${escapeHtml(line)}</li>`);
  const rows = capacity.steps.map((step) => stepRow(step).map(escapeHtml));
  return `<ul>${lines.join('')}</ul>${table(stepHeadings, rows)}`;
}

function shardTables(found: ShardReport): string {
  const cells = (rows: readonly (readonly string[])[]) => rows.map((row) => row.map(escapeHtml));
  return [
    list(shardLines(found)),
    table(shardHeadings, cells(shardRows(found))),
    table(keyHeadings, cells(keyRows(found))),
  ].join('\n');
}

function invariantsTable({ invariants }: Report): string {
  const rows = invariants.map((found) => [
    escapeHtml(found.part),
    `${escapeHtml(found.title)}${list(found.violations)}`,
    word(found.verdict),
    number(found.checked, ''),
    number(found.violationCount, ''),
    escapeHtml(found.note),
  ]);
  return table(['part', 'invariant', 'verdict', '#checked', '#violations', 'note'], rows);
}

function faultsTable({ faults, startedAt }: Report): string {
  const startMs = Date.parse(startedAt);
  const rows = faults.map((fault) => [
    escapeHtml(fault.kind),
    escapeHtml(fault.instance === '' ? fault.part : fault.instance),
    word(hitWord(fault) === 'hit' ? 'pass' : 'inconclusive', hitWord(fault)),
    number((fault.startMs - startMs) / 1000, 's'),
    number((fault.healedMs - startMs) / 1000, 's'),
    fault.recoveredMs === null ? 'not seen' : number(fault.recoveredMs, 'ms'),
    escapeHtml(fault.witness),
  ]);
  return table(['fault', 'instance', 'witness', '#from', '#healed', '#recovered after', 'seen'], rows);
}

function figuresTable(figures: readonly LoadFigures[]): string {
  const rows = figures.map((f) => [
    escapeHtml(f.part),
    f.phase,
    number(f.offeredPerSecond, '/s'),
    number(f.achievedPerSecond, '/s'),
    ...[f.sent, f.failed, f.dropped, f.late].map((count) => number(count, '')),
    ...[f.latency.p50Ms, f.latency.p99Ms, f.latency.p999Ms, f.latency.maxMs].map((ms) => number(ms, 'ms')),
    escapeHtml(
      Object.entries(f.byStatus)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
    ),
  ]);
  const columns = ['offered', 'achieved', 'sent', 'failed', 'dropped', 'late', 'p50', 'p99', 'p99.9', 'max'];
  return table(['part', 'phase', ...columns.map((name) => `#${name}`), 'answers'], rows);
}

function replayText(report: Report): string {
  const { machine } = report;
  return [
    `<pre>${escapeHtml(report.replay)}</pre>`,
    '<p>The seed fixes the arrivals, the requests and whom a fault hits; the machine is what it is.</p>',
    `<p class="muted">${escapeHtml(machineLine(machine))}</p>`,
  ].join('');
}

function machineLine({ cpus, model, memoryMiB, node, foreignCpuShare }: Report['machine']): string {
  const others = foreignCpuShare === null ? '' : `; other programs used ${percent(foreignCpuShare)} of it`;
  return `${cpus} × ${model}, ${memoryMiB} MiB, Node ${node}${others}`;
}

function section(title: string, content: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>${content}</section>`;
}

/** Cells are HTML already; a `#` before a heading aligns its column as numbers. */
function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p class="muted">none</p>';
  const kind = (i: number) => (headings[i]?.startsWith('#') ? ' class="number"' : '');
  const head = headings.map((text, i) => `<th${kind(i)}>${escapeHtml(text.replace(/^#/, ''))}</th>`).join('');
  const lines = rows.map((cells) => `<tr>${cells.map((cell, i) => `<td${kind(i)}>${cell}</td>`).join('')}</tr>`);
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${lines.join('\n')}</tbody></table></div>`;
}

function word(verdict: string, text: string = verdict): string {
  return `<span class="${escapeHtml(verdict)}">${escapeHtml(text)}</span>`;
}

function number(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === '' && value > 0 && value < 1) return percent(value);
  return escapeHtml(`${numberText(value)} ${unit}`.trim());
}

function list(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `<ul>${texts.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`;
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** JSON that can't end its script element. */
function inlineJson(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c');
}

/** Exactly the inlined scripts and styles run; nothing is fetched. */
function policy(scripts: readonly string[], styles: readonly string[]): string {
  const hashes = (texts: readonly string[]) =>
    texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');
  return `default-src 'none'; script-src ${hashes(scripts)}; style-src ${hashes(styles)}`;
}

function readPlot(): { readonly script: string; readonly style: string } {
  const require = createRequire(import.meta.url);
  const read = (file: string) => readFileSync(require.resolve(`uplot/dist/${file}`), 'utf8').replaceAll('\r', '');
  return { script: read('uPlot.iife.min.js'), style: read('uPlot.min.css') };
}
