import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../../src/bench/report.ts';
import { reportFolderName, writeReport } from '../../../src/bench/report-files.ts';
import { renderHtml } from '../../../src/bench/report-html.ts';
import { renderJunit } from '../../../src/bench/report-junit.ts';
import { renderSummary } from '../../../src/bench/report-summary.ts';
import { numberText, resultRows } from '../../../src/bench/report-words.ts';
import { alignColumns } from '../../../src/terminal.ts';
import { all, readMarkup, textOf } from './markup.ts';
import { fault, invariant, report } from './samples.ts';

const hostile = `"><script>alert(1)</script> & ]]> </style> \u0000\u001b[31m \ud800 | \`x\` [a](http://x) 'q'`;

/** Hostile text wherever a report can hold text. */
const hostileReport: Report = report({
  name: hostile,
  verdict: 'fail',
  reasons: [hostile],
  replay: hostile,
  checks: [{ name: hostile, from: hostile, verdict: 'fail', measured: null, bound: 1, unit: hostile, note: hostile }],
  invariants: [
    {
      ...invariant,
      part: hostile,
      id: hostile,
      title: hostile,
      verdict: 'violated',
      violations: [hostile],
      violationCount: 1,
      note: hostile,
    },
  ],
  faults: [{ ...fault, instance: hostile, part: hostile, witness: hostile, hit: false, recoveredMs: null }],
  figures: report().figures.map((figures) => ({ ...figures, part: hostile, byStatus: { [hostile]: 1 } })),
  series: report().series.map((series) => ({ ...series, part: hostile })),
  curves: report().curves.map((curve) => ({ ...curve, part: hostile })),
});

describe('the reader of markup', () => {
  it.each([
    '<a>',
    '<a></b>',
    '</a>',
    '<a b=c></a>',
    '<a b="1" b="2"></a>',
    '<a>&x;</a>',
    '<a>&</a>',
    '<a>\u0001</a>',
    '<a <b></a>',
  ])('refuses %j', (text) => {
    expect(() => readMarkup(text)).toThrow();
  });
});

describe('index.html', () => {
  const page = (of: Report) => readMarkup(renderHtml(of), true);

  it('is well-formed, and loads nothing', () => {
    for (const of of [report(), hostileReport]) {
      const read = page(of);
      const names = new Set(['script', 'style', 'div', 'meta', 'html'].flatMap((name) => all(read, name)));
      for (const { attributes } of names) {
        expect(Object.keys(attributes).filter((name) => ['src', 'href', 'srcset', 'style'].includes(name))).toEqual([]);
      }
      expect(all(read, 'link').concat(all(read, 'img'), all(read, 'iframe'), all(read, 'a'))).toEqual([]);
      const outside = renderHtml(of)
        .replace(/<script>.*?<\/script>/gs, '')
        .replaceAll('(http://x)', '');
      expect(outside).not.toMatch(/https?:\/\//);
    }
  });

  it('lets exactly its own scripts and styles run', () => {
    for (const of of [report(), hostileReport]) {
      const read = page(of);
      const policy = all(read, 'meta').find(({ attributes }) => attributes['http-equiv'])?.attributes.content ?? '';
      const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
      const scripts = all(read, 'script').filter(({ attributes }) => attributes.type === undefined);
      expect(scripts).toHaveLength(2);
      expect(policy).toBe(
        `default-src 'none'; script-src ${scripts.map(({ text }) => hash(text)).join(' ')}; ` +
          `style-src ${all(read, 'style')
            .map(({ text }) => hash(text))
            .join(' ')}`,
      );
    }
  });

  it('shows hostile text as text', () => {
    const read = page(hostileReport);
    expect(all(read, 'script')).toHaveLength(3);
    expect(textOf(all(read, 'h1')[0]!)).toContain('<script>alert(1)</script>');
    expect(textOf(all(read, 'pre')[0]!)).toContain('[a](http://x)');
  });

  it('holds verdict, checks, invariants, faults, figures and the way to replay', () => {
    const text = textOf(all(page(report()), 'body')[0]!);
    const wanted = [
      'pass',
      'p(99)<20',
      '5.003 ms',
      'Acknowledged writes are kept',
      'pid 4711 gone',
      '4200 ms',
      '500 /s',
      'dsp bench --seed 7',
      'A <fast> CPU',
    ];
    for (const one of wanted) expect(text).toContain(one);
  });

  it('draws its charts in a browser', () => {
    interface Chart {
      readonly id: string;
      readonly data: readonly (readonly (number | null)[])[];
      readonly options: { series: { label?: string }[]; hooks?: { drawClear: ((plot: unknown) => void)[] } };
    }
    for (const of of [report(), hostileReport]) {
      const read = page(of);
      const ids = all(read, 'div').map(({ attributes }) => attributes.id);
      const data = all(read, 'script').find(({ attributes }) => attributes.id === 'data')!;
      const drawing = all(read, 'script').at(-1)!.text;
      const charts: Chart[] = [];
      const document = {
        getElementById: (id: string) =>
          id === 'data' ? { textContent: data.text } : ids.includes(id) ? { id, clientWidth: 900 } : null,
      };
      function uPlot(options: Chart['options'], rows: Chart['data'], target: { id: string }) {
        charts.push({ id: target.id, data: rows, options });
      }
      vm.runInNewContext(drawing, { document, uPlot });
      expect(charts.map(({ id }) => id)).toEqual(['latency-0', 'throughput-0', 'curve']);
      for (const { data: rows, options } of charts) {
        expect(rows).toHaveLength(options.series.length);
        expect(new Set(rows.map((row) => row.length)).size).toBe(1);
      }
      expect(charts[0]!.data[2]).toEqual([5, null, 5]);
      const painted: number[][] = [];
      const ctx = { fillStyle: '', fillRect: (...box: number[]) => painted.push(box) };
      const plot = { ctx, bbox: { left: 0, top: 0, width: 1e12, height: 50 }, valToPos: (value: number) => value };
      charts[0]!.options.hooks!.drawClear[0]!(plot);
      const startMs = Date.parse(of.startedAt);
      expect(painted).toHaveLength(1);
      expect(painted[0]![0]).toBeCloseTo((fault.startMs - startMs) / 1000, 6);
      expect(painted[0]![2]).toBeCloseTo(13, 6);
    }
  });

  it('has a uPlot that is a script', () => {
    const [plot] = all(page(report()), 'script').filter(({ attributes }) => attributes.type === undefined);
    const window: Record<string, unknown> = {};
    expect(() => new vm.Script(plot!.text)).not.toThrow();
    expect(plot!.text).toContain('uPlot');
    expect(window).toEqual({});
  });
});

describe('junit.xml', () => {
  it('is well-formed, with a case for everything that was judged', () => {
    for (const of of [report(), hostileReport]) {
      const suite = all(readMarkup(renderJunit(of)), 'testsuite')[0]!;
      const cases = all(suite, 'testcase');
      expect(cases).toHaveLength(4);
      expect(suite.attributes.tests).toBe('4');
      expect(suite.attributes.failures).toBe(String(all(suite, 'failure').length));
      expect(suite.attributes.errors).toBe(String(all(suite, 'error').length));
    }
  });

  it('takes nothing for a pass that is none', () => {
    const of = report({
      verdict: 'inconclusive',
      checks: (['pass', 'fail', 'inconclusive', 'invalid'] as const).map((verdict) => ({
        ...report().checks[0]!,
        verdict,
      })),
      invariants: (['held', 'violated', 'unexercised'] as const).map((verdict) => ({ ...invariant, verdict })),
      faults: [fault, { ...fault, hit: false }],
    });
    const cases = all(readMarkup(renderJunit(of)), 'testcase').map(({ children }) => children[0]?.name ?? 'pass');
    expect(cases).toEqual(['error', 'pass', 'failure', 'error', 'error', 'pass', 'failure', 'error', 'pass', 'error']);
  });
});

describe('summary.md', () => {
  it('fits a comment: tables of results and load', () => {
    const text = renderSummary(report());
    expect(text).toContain('## shop: pass');
    expect(text).toContain('| pass | http\\_req\\_duration{part:store,phase:steady}: p(99)&lt;20 | 5.003 ms |');
    expect(text).toContain('| store | 500 | 500 | 0 | 0 | 3 | 2 | 5.003 | 7 |');
    expect(text.split('\n').length).toBeLessThan(40);
  });

  it('lets no text end its cell or become markup', () => {
    const lines = renderSummary(hostileReport).split('\n');
    const rows = lines.filter((line) => line.startsWith('|'));
    const columns = (line: string) => line.replace(/\\./g, '').split('|').length;
    expect(new Set(rows.slice(0, 5).map(columns))).toEqual(new Set([5]));
    const [replay = ''] = lines.filter((line) => line.startsWith('Replay: '));
    expect(replay.split('`')).toHaveLength(3);
    expect(lines.filter((line) => line !== replay).join('\n')).not.toMatch(/<script|[^\\]\[a/);
  });
});

describe('words', () => {
  it('round to four digits', () => {
    expect([0, 5, 1234567, 1234.567, 0.0123456, 12.3456].map(numberText)).toEqual([
      '0',
      '5',
      '1234567',
      '1235',
      '0.01235',
      '12.35',
    ]);
  });

  it('align columns', () => {
    expect(
      alignColumns([
        ['a', 'bbb', 'c'],
        ['aa', 'b', ''],
      ]),
    ).toEqual(['a   bbb  c', 'aa  b']);
    expect(resultRows(report())).toHaveLength(3);
  });
});

describe('writeReport', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'dsp-report-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('names the folder by the time, sortable', () => {
    expect(reportFolderName('2027-01-15T08:00:00.123Z')).toBe('2027-01-15T08-00-00Z');
  });

  it('writes the four files, and points latest to the newest', async () => {
    const first = await writeReport(root, report());
    expect(first).toBe(join(root, 'report', '2027-01-15T08-00-00Z'));
    expect(readdirSync(first).sort()).toEqual(['index.html', 'junit.xml', 'report.json', 'summary.md']);
    expect(JSON.parse(readFileSync(join(first, 'report.json'), 'utf8'))).toEqual(report());
    expect(lstatSync(first).mode & 0o777).toBe(0o755);
    const second = await writeReport(root, report());
    expect(second).toBe(`${first}-2`);
    expect(existsSync(join(root, 'report', 'latest', 'report.json'))).toBe(true);
    expect(readdirSync(join(root, 'report')).sort()).toEqual([
      '2027-01-15T08-00-00Z',
      '2027-01-15T08-00-00Z-2',
      'latest',
    ]);
  });

  it('leaves nothing half-written when it fails', async () => {
    const circular = report();
    const unwritable = { ...circular, figures: [{ ...circular.figures[0]!, durationMs: 5n as unknown as number }] };
    await expect(writeReport(root, unwritable)).rejects.toThrow();
    expect(readdirSync(join(root, 'report'))).toEqual([]);
    writeFileSync(join(root, 'file'), '');
    await expect(writeReport(join(root, 'file'), report())).rejects.toThrow();
  });
});
