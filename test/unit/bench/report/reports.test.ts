import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportFolderName, writeReport } from '../../../../src/bench/report/report-files.ts';
import { renderHtml } from '../../../../src/bench/report/report-html.ts';
import { renderJunit } from '../../../../src/bench/report/report-junit.ts';
import { shardSummary } from '../../../../src/bench/report/report-shards.ts';
import { renderSummary } from '../../../../src/bench/report/report-summary.ts';
import { numberText, resultRows } from '../../../../src/bench/report/report-words.ts';
import type { Report } from '../../../../src/bench/report.ts';
import { alignColumns } from '../../../../src/terminal.ts';
import { fault, hotShards, invariant, report } from '../samples.ts';
import { all, readMarkup, textOf } from './markup.ts';

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
  shards: [
    {
      ...hotShards,
      part: hostile,
      because: hostile,
      shards: hotShards.shards.map((shard) => ({ ...shard, instance: hostile })),
      hottestKeys: hotShards.hottestKeys.map((key) => ({ ...key, part: hostile, key: hostile, shard: hostile })),
    },
  ],
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

describe('a hot shard', () => {
  const page = textOf(readMarkup(renderHtml(report({ shards: [hotShards] })), true));
  const texts = [
    page,
    renderSummary(report({ shards: [hotShards] })),
    shardSummary(report({ shards: [hotShards] })).join('\n'),
  ];

  it.each(texts.map((text, i) => [['page', 'summary', 'terminal'][i], text]))(
    'is on the %s with its remedy',
    (_, text) => {
      expect(text).toContain('90 %');
      expect(text).toMatch(/no number of shards carries it/);
      expect(text).toMatch(/remedy: local cache, adds 0 USD a month/);
      expect(text).toMatch(/dsp plan --set rate.keySkew=2.6/);
    },
  );

  it('is not put down to a key that has little of the load', () => {
    const [key] = hotShards.hottestKeys;
    const spread = { ...hotShards, hotKey: null, hottestKeys: key === undefined ? [] : [{ ...key, share: 0.002 }] };
    expect(shardSummary(report({ shards: [spread] })).at(-1)).toMatch(
      /no single key explains it: .*bench-0, has 0.2 %/,
    );
    expect(shardSummary(report({ shards: [{ ...spread, verdict: 'even' }] }))).toHaveLength(1);
  });

  it('is a table by shard and one by key on the page, and nowhere where nobody looked', () => {
    for (const cell of ['store-redis-1', '85 %', 'hot shard', 'bench-0', '80 %']) expect(page).toContain(cell);
    expect(textOf(readMarkup(renderHtml(report()), true))).not.toContain('Shards of');
    expect(shardSummary(report())).toEqual([]);
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
      faults: [fault, { ...fault, hit: false }, { ...fault, assumed: true }],
    });
    const cases = all(readMarkup(renderJunit(of)), 'testcase').map(({ children }) => children[0]?.name ?? 'pass');
    expect(cases).toEqual([
      'error',
      'pass',
      'failure',
      'error',
      'error',
      'pass',
      'failure',
      'error',
      'pass',
      'error',
      'error',
    ]);
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
  const files = ['index.html', 'junit.xml', 'report.json', 'summary.md'];
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dsp-report-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('names the folder by the time, sortable', () => {
    expect(reportFolderName('2027-01-15T08:00:00.123Z')).toBe('2027-01-15T08-00-00Z');
  });

  it('writes the four files, the same bytes for the same report', async () => {
    await writeReport(folder, report());
    const bytes = () => files.map((name) => readFileSync(join(folder, name), 'utf8'));
    const first = bytes();
    expect(readdirSync(folder).sort()).toEqual(files);
    expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(report());
    await writeReport(folder, report({ verdict: 'fail' }));
    expect(bytes()).not.toEqual(first);
    await writeReport(folder, report());
    expect(bytes()).toEqual(first);
    expect(readdirSync(folder).sort()).toEqual(files);
  });

  it('leaves nothing half-written when it fails', async () => {
    const circular = report();
    const unwritable = { ...circular, figures: [{ ...circular.figures[0]!, durationMs: 5n as unknown as number }] };
    await expect(writeReport(folder, unwritable)).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'file'), '');
    await expect(writeReport(join(folder, 'file'), report())).rejects.toMatchObject({ code: 'project.unwritable' });
  });
});
