/** A report that is drawn from the lines of a run is that of the run; lines that are none are refused. */

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Benched, Recording } from '../../../../src/bench/recorded.ts';
import type { ResultLine, RunHead } from '../../../../src/bench/results/results.ts';
import { readResults, resultsFile } from '../../../../src/bench/results/results-file.ts';
import { formatLine } from '../../../../src/bench/results/results-text.ts';
import { fileRun, findRun } from '../../../../src/bench/run-folder.ts';
import { runBenchReport } from '../../../../src/commands/bench-report.ts';
import { sha256 } from '../../../../src/digest.ts';
import { seededRandom } from '../../../../src/random.ts';
import type { Terminal } from '../../../../src/terminal.ts';
import { head, runLines, searchLines, startMs } from '../../../fixtures/results.ts';
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts';

type Lines = readonly [RunHead, ...ResultLine[]];

const textOf = (lines: readonly ResultLine[]) => lines.map(formatLine).join('');

/** The run itself, as it files its lines and its report. */
function filed(root: string, [first, ...rest]: Lines) {
  return fileRun(
    root,
    async (open) => {
      const recording = new Recording(open);
      recording.begin(first);
      for (const line of rest) recording.write(line);
      return recording.benched();
    },
    () => {},
  );
}

function fileOf(text: string | Buffer): string {
  const file = join(temporaryFolder('results'), resultsFile);
  writeFileSync(file, text);
  return file;
}

const drawn = (text: string | Buffer): Promise<Benched> => readResults(fileOf(text));

/** What JSON makes of it, so that 0 and −0 or an absent value do not pass for one another. */
const bytesOf = ({ report, judgement }: Benched) => sha256(JSON.stringify({ report, judgement }));

const seeds = Array.from({ length: 12 }, (_, i) => i + 1);

describe('a report drawn again', () => {
  it.each(seeds)('is that of the run, byte by byte (seed %i)', async (seed) => {
    const root = temporaryFolder('run');
    const run = await filed(root, seed % 3 === 0 ? searchLines(seed) : runLines(seed));
    expect(run.report).not.toHaveProperty('cut');
    const again = await readResults(join(run.folder, resultsFile));
    expect(again.report).toEqual(JSON.parse(JSON.stringify(run.report)));
    expect(bytesOf(again)).toBe(bytesOf(run));
    const names = ['index.html', 'junit.xml', 'report.json', 'summary.md'];
    const contents = () => names.map((name) => readFileSync(join(run.folder, name), 'utf8'));
    const before = contents();
    for (const name of names) writeFileSync(join(run.folder, name), 'spoilt');
    const { terminal } = listening(root);
    expect(await runBenchReport({ run: null, project: () => root, json: true }, terminal)).toBe(run.judgement.exitCode);
    expect(contents()).toEqual(before);
  });

  it('depends on every line that measures or judges', async () => {
    const lines = runLines(1);
    const whole = bytesOf(await drawn(textOf(lines)));
    for (const kind of ['cell', 'fault', 'others', 'phase'] as const) {
      const at = lines.findIndex(
        (line) => line.kind === kind && (kind !== 'phase' || (line.kind === 'phase' && line.phase === 'steady')),
      );
      const without = lines.filter((_, i) => i !== at);
      expect(bytesOf(await drawn(textOf(without))), kind).not.toBe(whole);
    }
    const cell = lines.find((line) => line.kind === 'cell' && line.phase === 'steady')!;
    const twice = lines.flatMap((line) => (line === cell ? [line, line] : [line]));
    expect(bytesOf(await drawn(textOf(twice)))).not.toBe(whole);
    const judged = lines.map((line) =>
      line.kind === 'judged' ? { ...line, invariants: line.invariants.map((one) => ({ ...one, checked: 1 })) } : line,
    );
    expect(bytesOf(await drawn(textOf(judged)))).not.toBe(whole);
  });

  it('needs no end after its last line', async () => {
    const text = textOf(runLines(2));
    expect(bytesOf(await drawn(text.trimEnd()))).toBe(bytesOf(await drawn(text)));
  });
});

describe('a run that was cut', () => {
  it.each(seeds.slice(0, 6))('is drawn as far as it came, and said to be cut (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const lines = seed % 3 === 0 ? searchLines(seed) : runLines(seed);
    for (const left of [
      1,
      2,
      3,
      lines.length - 1,
      ...Array.from({ length: 8 }, () => 1 + random.integer(lines.length - 1)),
    ]) {
      const { report, judgement } = await drawn(textOf(lines.slice(0, left)));
      expect(judgement).toMatchObject({ verdict: 'inconclusive', exitCode: 98 });
      expect(report).toMatchObject({ verdict: 'inconclusive', invariants: [] });
      expect(report.reasons[0]).toMatch(/^the run was cut /);
      const phases = lines.slice(0, left).flatMap((line) => (line.kind === 'phase' ? [line.phase] : []));
      expect(report.cut?.phase).toBe(phases.at(-1) ?? null);
      const sent = lines
        .slice(0, left)
        .reduce((sum, line) => sum + (line.kind === 'cell' && !line.part.startsWith('(') ? line.sent : 0), 0);
      const shown = report.figures.filter(({ part }) => !part.startsWith('('));
      expect(shown.reduce((sum, figures) => sum + figures.sent, 0)).toBe(sent);
    }
  });

  it('loses no more than the line that was being written', async () => {
    const random = seededRandom(9);
    const bytes = Buffer.from(textOf(runLines(9)));
    const first = bytes.indexOf(10) + 1;
    for (let i = 0; i < 25; i++) {
      const cut = bytes.subarray(0, first + random.integer(bytes.length - first - 1));
      const upToLine = cut.subarray(0, cut.lastIndexOf(10) + 1);
      expect(bytesOf(await drawn(cut)), `${cut.length} bytes`).toBe(bytesOf(await drawn(upToLine)));
    }
  });

  it('lasts as long as something is known of it', async () => {
    const lines = runLines(1);
    const at = lines.findIndex((line) => line.kind === 'seen' && line.atMs > startMs + 9000);
    const { report } = await drawn(textOf(lines.slice(0, at + 1)));
    expect(report.cut).toEqual({ phase: 'steady', afterMs: 9051 });
    expect(report.figures.find(({ phase }) => phase === 'steady')?.durationMs).toBeCloseTo(7000, 6);
  });

  it('keeps the windows of a search', async () => {
    const { report } = await drawn(textOf(searchLines(1).slice(0, 3)));
    expect(report.capacity).toMatchObject({ verdict: 'inconclusive', foundPerSecond: null, predictedPerSecond: 240.5 });
    expect(report.capacity?.steps.map(({ factor }) => factor)).toEqual([1, 1.35]);
  });
});

describe('what is no run', () => {
  const lines = runLines(5);
  const text = textOf(lines);
  const at = (number: number, line: string) =>
    text
      .split('\n')
      .toSpliced(number - 1, 1, line)
      .join('\n');
  const numberOf = (kind: ResultLine['kind']) => lines.findIndex((line) => line.kind === kind) + 1;
  const changed = (kind: ResultLine['kind'], change: (line: Record<string, unknown>) => void): [string, number] => {
    const number = numberOf(kind);
    const line = JSON.parse(formatLine(lines[number - 1]!)) as Record<string, unknown>;
    change(line);
    return [at(number, JSON.stringify(line)), number];
  };
  const cell = (name: string, value: unknown) => changed('cell', (line) => Object.assign(line, { [name]: value }));

  it.each<[string, [string | Buffer, number], RegExp]>([
    ['nothing', ['', 1], /there is nothing/],
    ['another file', ['{"name":"x","version":"1"}\n', 1], /kind/],
    ['bytes', [Buffer.from([0xff, 0xfe, 0, 10, 10]), 1], /not JSON/],
    ['a first line that was cut', ['{"kind":"run","schemaVe', 1], /not JSON/],
    ['no run before what was measured', [textOf(lines.slice(1)), 1], /tells of no run/],
    ['a later version', changed('run', (line) => Object.assign(line, { schemaVersion: 2 })), /schemaVersion/],
    [
      'requirements without a bound',
      changed('run', (line) => Object.assign(line, { requirements: {} })),
      /requirements/,
    ],
    ['a second run', [at(3, JSON.stringify(lines[0])), 3], /second run/],
    ['an empty line', [at(4, ''), 4], /not JSON/],
    ['a torn line in the middle', [at(6, '{"kind":"cell","pa'), 6], /not JSON/],
    ['a kind that there is not', [at(6, '{"kind":"sum"}'), 6], /kind/],
    ['more than a line holds', cell('extra', 1), /extra/],
    ['less than a line holds', cell('sent', undefined), /sent/],
    ['a negative count', cell('failed', -1), /failed/],
    ['a count that is none', cell('byStatus', { 200: 'many' }), /byStatus/],
    ['a phase that there is not', cell('phase', 'lunch'), /phase/],
    ['a part that took no load', cell('part', 'other'), /no part other/],
    ['a histogram of something else', cell('latency', { hdr: 'AAAA', minUs: 1, maxUs: 1, sumUs: 1 }), /histogram/],
    [
      'a phase before the one before it',
      [
        `${textOf([lines[0], { kind: 'phase', phase: 'warmup', atMs: 20 }, { kind: 'phase', phase: 'steady', atMs: 10 }])}`,
        3,
      ],
      /before the one before/,
    ],
    [
      'load after its end',
      [`${text.split('\n').slice(0, -2).join('\n')}\n${formatLine(lines[1]!)}`, lines.length],
      /had ended/,
    ],
    ['a judgement before the end', [textOf([lines[0], lines.at(-1)!]), 2], /before its load had ended/],
    ['what follows on the end', [`${text}{"kind":"seen","atMs":1}\n`, lines.length + 1], /come to its end/],
    ['half a line after the end', [`${text}{"kind"`, lines.length + 1], /not JSON/],
    [
      'a line without end',
      [Buffer.concat([Buffer.from(text.slice(0, text.indexOf('\n') + 1)), Buffer.alloc(5 * 2 ** 20, 120)]), 2],
      /not JSON/,
    ],
  ])('is refused with its line: %s', async (_, [given, line], problem) => {
    const file = fileOf(given);
    const error = await readResults(file).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'bench.results-unreadable', exitCode: 1, where: `${file}:${line}` });
    expect((error as Error).message).toMatch(problem);
  });

  it('is refused whatever number of a line is something else', async () => {
    for (const [number, line] of lines.entries()) {
      if (number > 12 && line.kind === 'cell') continue;
      const document = JSON.parse(formatLine(line)) as Record<string, unknown>;
      for (const name of Object.keys(document).filter((key) => typeof document[key] === 'number')) {
        const given = at(number + 1, JSON.stringify({ ...document, [name]: 'x' }));
        await expect(drawn(given), `${line.kind}.${name}`).rejects.toMatchObject({ code: 'bench.results-unreadable' });
      }
    }
  });
});

/** A terminal that remembers. */
function listening(cwd: string) {
  const heard: string[] = [];
  const documents: Record<string, unknown>[] = [];
  const terminal = {
    cwd,
    out: (line: string) => heard.push(line),
    json: (document: Record<string, unknown>) => documents.push(document),
  } as unknown as Terminal;
  return { terminal, heard, documents };
}

describe('the folder of a run', () => {
  it('holds results and report; two of one second lie side by side, the newest is latest', async () => {
    const root = temporaryFolder('run');
    const folders: string[] = [];
    for (let i = 0; i < 3; i++) folders.push((await filed(root, runLines(i + 1))).folder);
    const parent = join(root, 'report');
    expect(folders).toEqual(['', '-2', '-3'].map((suffix) => join(parent, `2027-01-15T08-00-00Z${suffix}`)));
    expect(readdirSync(folders[0]!).sort()).toEqual([
      'index.html',
      'junit.xml',
      'report.json',
      resultsFile,
      'summary.md',
    ]);
    expect(readlinkSync(join(parent, 'latest'))).toBe('2027-01-15T08-00-00Z-3');
    expect(readdirSync(parent)).toHaveLength(4);
  });

  it('is there while the run goes on, and keeps what was measured when it is cut', async () => {
    const root = temporaryFolder('run');
    const lines = runLines(3).slice(0, 40) as unknown as Lines;
    const cuts: string[] = [];
    const running = fileRun(
      root,
      async (open) => {
        const recording = new Recording(open);
        recording.begin(lines[0]);
        expect(existsSync(join(root, 'report', '2027-01-15T08-00-00Z', resultsFile))).toBe(true);
        for (const line of lines.slice(1)) recording.write(line);
        throw new Error('Ctrl-C');
      },
      (folder) => cuts.push(folder),
    );
    await expect(running).rejects.toThrow('Ctrl-C');
    const [folder = ''] = cuts;
    expect(readdirSync(folder)).toEqual([resultsFile]);
    expect(readFileSync(join(folder, resultsFile), 'utf8')).toBe(textOf(lines));
    const { terminal, heard } = listening(root);
    expect(await runBenchReport({ run: null, project: () => root, json: false }, terminal)).toBe(98);
    expect(heard.join('\n')).toMatch(/inconclusive\n {2}the run was cut after /);
    expect(readdirSync(folder)).toContain('index.html');
  });

  it('is not made by a run that does not begin', async () => {
    const root = temporaryFolder('run');
    const running = fileRun(
      root,
      async () => Promise.reject(new Error('nothing is deployed')),
      () => expect.unreachable(),
    );
    await expect(running).rejects.toThrow('nothing is deployed');
    expect(readdirSync(root)).toEqual([]);
  });

  it('says what the disk refuses', async () => {
    const root = temporaryFolder('run');
    writeFileSync(join(root, 'report'), 'a file');
    await expect(filed(root, runLines(1))).rejects.toMatchObject({ code: 'project.unwritable' });
  });

  it('is found by path, by name, or as the newest', async () => {
    const root = temporaryFolder('run');
    const folders: string[] = [];
    for (let i = 0; i < 11; i++) folders.push((await filed(root, [head(), ...runLines(1).slice(1, 3)])).folder);
    mkdirSync(join(root, 'report', 'campaign-1'));
    const [first = ''] = folders;
    const nobody = () => expect.unreachable('the project is not asked');
    expect(await findRun(null, '/', () => root)).toBe(folders[10]);
    expect(await findRun('2027-01-15T08-00-00Z-2', '/', () => root)).toBe(folders[1]);
    expect(await findRun('latest', '/', () => root)).toBe(join(root, 'report', 'latest'));
    expect(await findRun(first, '/', nobody)).toBe(first);
    expect(await findRun('report/2027-01-15T08-00-00Z', root, nobody)).toBe(first);
    expect(await findRun(join(first, resultsFile), '/', nobody)).toBe(first);
    await expect(findRun('campaign-1', '/', () => root)).rejects.toMatchObject({
      code: 'bench.no-results',
      exitCode: 2,
    });
    await expect(findRun(null, '/', () => temporaryFolder('none'))).rejects.toThrow(/no run has left results/);
  });

  it('is drawn as a document', async () => {
    const root = temporaryFolder('run');
    const run = await filed(root, runLines(1));
    const { terminal, documents } = listening(root);
    await runBenchReport({ run: run.folder, project: () => root, json: true }, terminal);
    expect(documents).toEqual([{ ...JSON.parse(JSON.stringify(run.report)), folder: run.folder }]);
  });
});
