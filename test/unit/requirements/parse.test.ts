import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DspError, describeError } from '../../../src/errors.ts';
import { allFields, requirementsOf } from '../../../src/requirements/assemble.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { readAnswersFile, readProjectRequirements } from '../../../src/requirements/read.ts';
import { checkValue } from '../../../src/requirements/values.ts';
import { catalogue as real } from '../../../templates/index.ts';
import { catalogue } from './fake-catalogue.ts';

const parse = (text: string) => parseAnswers(text, 'dsp.yaml', catalogue);

function thrownBy(act: () => unknown): DspError<'requirements.invalid'> {
  try {
    act();
  } catch (error) {
    if (error instanceof DspError && error.code === 'requirements.invalid')
      return error as DspError<'requirements.invalid'>;
    throw error;
  }
  throw new Error('it was accepted');
}

/** `line:column key problem` of each. */
const problemsOf = (text: string) =>
  thrownBy(() => parse(text)).params.problems.map(
    ({ where, key, problem }) => `${where.replace('dsp.yaml:', '')} ${key} ${problem}`,
  );

describe('what is accepted', () => {
  it('is a number, an interval with or without a middle, or unknown', () => {
    const answers = parse(
      'rate:\n  readPerSecond: 12\n  writePerSecond: {low: 1, mid: 2, high: 5}\n  peakFactor: unknown\ndata: {totalMiB: {low: 10, high: 1000}}\n',
    );
    expect(answers.get('rate.readPerSecond')).toEqual({ value: { low: 12, mid: 12, high: 12 }, origin: 'file' });
    expect(answers.get('rate.writePerSecond')?.value).toEqual({ low: 1, mid: 2, high: 5 });
    expect(answers.get('rate.peakFactor')).toEqual({ value: { low: 2, mid: 3, high: 5 }, origin: 'prior' });
    expect(answers.get('data.totalMiB')?.value).toEqual({ low: 10, mid: 100, high: 1000 });
    expect(answers.has('latency.p99Ms')).toBe(false);
  });

  it('may leave keys and sections empty: they are not answered', () => {
    expect([
      ...parse('name:\nneeds:\nrate:\nlatency: {p99Ms: }\nslo: ~\noptions:\n  cross-water:\ncost: null\n'),
    ]).toEqual([]);
  });

  it('may come from Windows, with a mark in front', () => {
    expect(parse('\ufeffname: pier\r\nlatency:\r\n  p99Ms: 5\r\n').get('latency.p99Ms')?.value).toBe(5);
  });

  it('has the ends of each range', () => {
    for (const { key, type } of allFields(catalogue)) {
      if (type.kind !== 'number' && type.kind !== 'interval') continue;
      for (const end of [type.min, type.max]) {
        const checked = checkValue(type, end);
        if (type.kind === 'number' && type.integer && !Number.isInteger(end)) continue;
        expect(checked, `${key} ${end}`).toHaveProperty('value');
      }
    }
  });
});

describe('the priors', () => {
  it.each([
    ['of the fake catalogue', catalogue],
    ['of the catalogue', real],
  ])('%s are answers themselves, with a source', (_, patterns) => {
    for (const { key, type, prior, priorSource, ask, feeds } of allFields(patterns)) {
      expect(checkValue(type, prior), key).toHaveProperty('value');
      expect(
        [priorSource, ask, feeds].every((text) => text.length > 2),
        key,
      ).toBe(true);
    }
  });
});

describe('what is refused, with line, column and key', () => {
  it.each([
    ['an unknown key', 'rates: 5', '1:1 rates is no key of dsp.yaml; did you mean rate?'],
    [
      'an unknown inner key',
      'rate:\n  readPersecond: 5',
      '2:3 rate.readPersecond is no key of dsp.yaml; did you mean readPerSecond?',
    ],
    ['a key of no likeness', 'colour: blue', '1:1 colour is no key of dsp.yaml'],
    ['a dotted key', 'rate.readPerSecond: 5', '1:1 rate.readPerSecond is no key of dsp.yaml'],
    ['a dotted inner key', 'options: {cross-water.seats: 5}', '1:11 options.cross-water.seats is no key of dsp.yaml'],
    ['text for a number', 'latency:\n  p99Ms: fast', '2:10 latency.p99Ms is "fast"; it takes a number of ms'],
    ['a number in quotes', 'latency: {p99Ms: "5"}', '1:18 latency.p99Ms is "5"; it takes a number of ms'],
    ['a list for a number', 'cost: {usdPerMonth: [5]}', '1:21 cost.usdPerMonth is [5]; it takes a number of USD'],
    ['a value for a section', 'rate: 7', '1:7 rate is 7; it takes keys'],
    ['a list for a section', 'rate: [7]', '1:7 rate is [7]; it takes keys'],
    [
      'a negative number',
      'rate: {readPerSecond: -1}',
      '1:23 rate.readPerSecond is -1; it can be from 0 to 100000000 reads a second',
    ],
    [
      'not a number',
      'rate: {readPerSecond: .nan}',
      '1:23 rate.readPerSecond is NaN; it takes a number of reads a second',
    ],
    ['infinity', 'cost: {usdPerMonth: .inf}', '1:21 cost.usdPerMonth is Infinity; it can be from 1 to 1000000000 USD'],
    [
      'what overflows',
      'cost: {usdPerMonth: 1e999}',
      '1:21 cost.usdPerMonth is Infinity; it can be from 1 to 1000000000 USD',
    ],
    ['1e30', 'data: {totalMiB: 1e30}', '1:18 data.totalMiB is 1e+30; it can be from 0.001 to 1000000000 MiB'],
    ['half a millisecond', 'loss: {rpoMs: 0.5}', '1:15 loss.rpoMs is 0.5; it takes a whole number'],
    ['low above high', 'rate: {peakFactor: {low: 5, high: 2}}', '1:20 rate.peakFactor has low 5 above high 2'],
    [
      'a middle outside',
      'rate: {peakFactor: {low: 2, mid: 9, high: 5}}',
      '1:20 rate.peakFactor has mid 9 outside of 2 to 5',
    ],
    [
      'a bound that is missing',
      'rate: {peakFactor: {low: 2}}',
      '1:20 rate.peakFactor has no high; an interval has low, mid and high',
    ],
    [
      'a bound that is no number',
      'rate: {peakFactor: {low: 1, high: x}}',
      '1:20 rate.peakFactor has a high that is "x"; it takes a number of ×',
    ],
    [
      'a bound of another name',
      'rate: {peakFactor: {low: 1, high: 2, max: 3}}',
      '1:20 rate.peakFactor has "max"; an interval has low, mid and high',
    ],
    [
      'an interval for a bound',
      'latency: {p99Ms: {low: 1, high: 2}}',
      '1:18 latency.p99Ms is {"low":1,"high":2}; it takes a number of ms',
    ],
    [
      'a word that is no choice',
      'operations: {effort: none}',
      '1:22 operations.effort is "none"; it can be low, medium, high',
    ],
    [
      'a word for yes or no',
      'options: {cross-water: {returns: perhaps}}',
      '1:34 options.cross-water.returns is "perhaps"; it can be true or false',
    ],
    ['an unknown need', 'needs: [cross-watr]', '1:8 needs has "cross-watr"; did you mean cross-water?'],
    ['a need of no likeness', 'needs: [fly]', '1:8 needs has "fly"; it can have cross-water, keep-things'],
    ['a need that is no word', 'needs: [{a: 1}]', '1:8 needs has {"a":1}; it can have cross-water, keep-things'],
    ['no need', 'needs: []', '1:8 needs is []; it takes a list of cross-water, keep-things'],
    [
      'one need as a word',
      'needs: cross-water',
      '1:8 needs is "cross-water"; it takes a list of cross-water, keep-things',
    ],
    ['one need twice', 'needs: [keep-things, keep-things]', '1:8 needs names one need twice'],
    [
      'a name with a space',
      'name: my pier',
      '1:7 name is "my pier"; it takes up to 40 of a-z, 0-9 and -, a letter first',
    ],
    ['a name that is a number', 'name: 12', '1:7 name is 12; it takes up to 40 of a-z, 0-9 and -, a letter first'],
    [
      'a name of 41',
      `name: ${'a'.repeat(41)}`,
      `1:7 name is "${'a'.repeat(41)}"; it takes up to 40 of a-z, 0-9 and -, a letter first`,
    ],
    ['an option of a pattern that there is not', 'options: {fly: {}}', '1:11 options.fly is no key of dsp.yaml'],
    [
      'an unknown option',
      'options: {cross-water: {seat: 5}}',
      '1:25 options.cross-water.seat is no key of dsp.yaml; did you mean seats?',
    ],
    [
      'an option of a need not chosen',
      'needs: [keep-things]\noptions:\n  cross-water:\n    seats: 5',
      '4:5 options.cross-water.seats is for a need that is not among needs (keep-things)',
    ],
    ['another version', 'schemaVersion: 2', '1:16 schemaVersion is 2; this dsp reads 1'],
    [
      'a key twice',
      'latency: {p99Ms: 5, p99Ms: 6}',
      '1:21 latency.p99Ms is there twice; the first is at dsp.yaml:1:11',
    ],
    [
      'a section twice',
      'cost: {usdPerMonth: 5}\ncost: {usdPerMonth: 6}',
      '2:1 cost is there twice; the first is at dsp.yaml:1:1',
    ],
    ['an anchor', 'cost: {usdPerMonth: &five 5}', '1:27 cost.usdPerMonth has an anchor; write the value out'],
    [
      'a tag',
      'cost: {usdPerMonth: !!int "5"}',
      '1:27 cost.usdPerMonth has the tag tag:yaml.org,2002:int; write the value alone',
    ],
    ['a merge key', 'cost: {<<: {usdPerMonth: 5}}', '1:8 cost.<< is no key of dsp.yaml'],
    ['a directive', '%YAML 1.1\n---\nname: pier', '1:1  has a % directive; leave it out'],
    ['a key that is a list', '? [a]\n: 5', '1:3  has a key that is no word'],
    ['no keys', '- 5', '1:1  holds no keys'],
    ['nothing', '', '1:1  holds no keys'],
    [
      'a value above all data',
      'data:\n  totalMiB: 1\n  payloadBytes: 2000000',
      '3:3 data.payloadBytes is 2000000, more than all the data (1 MiB)',
    ],
    [
      'no traffic',
      'rate:\n  readPerSecond: 0\n  writePerSecond: 0',
      '1:1 rate is 0 reads and 0 writes a second: there is nothing to do',
    ],
    [
      'thresholds that are no list',
      'slo: {http_reqs: "rate>1"}',
      '1:6 slo has "rate>1" for "http_reqs"; it takes a list of thresholds: ["p(99)<50"]',
    ],
    [
      'thresholds that are no text',
      'slo: {http_reqs: [1]}',
      '1:6 slo has [1] for "http_reqs"; it takes a list of thresholds: ["p(99)<50"]',
    ],
    ['a metric that is none', 'slo: {__proto__: ["a"]}', '1:6 slo has "__proto__", which is no metric'],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toEqual([expected]);
  });

  it.each([
    [
      'a quote left open',
      'rate:\n  readPerSecond: "5\n',
      /^3:1 rate\.readPerSecond is not YAML: Missing closing "quote/,
    ],
    ['a brace left open', 'name: pier\nrate: {readPerSecond: 5\ncost:\n', /^3:\d+ \S+ is not YAML: /],
    [
      'a wrong indentation',
      'rate:\n  readPerSecond: 1\n writePerSecond: 2',
      /^3:1 rate\.readPerSecond is not YAML: All mapping items/,
    ],
    ['a tab', 'rate:\n\treadPerSecond: 1', /^2:1 rate is not YAML: Tabs are not allowed as indentation/],
    ['two documents', 'name: pier\n---\nname: quay', /^2:1 name is not YAML: Source contains multiple documents/],
    ['a mark of git', '<<<<<<< HEAD\nname: a\n=======\nname: b\n>>>>>>> b\n', /^1:1 .*is not YAML: /],
  ])('%s, as what is not YAML', (_, text, expected) => {
    expect(problemsOf(text)[0]).toMatch(expected);
  });

  it('an alias, wherever it is', () => {
    const bomb = 'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ncost: {usdPerMonth: *c}';
    expect(problemsOf(bomb)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^4:21 cost\.usdPerMonth is an alias/)]),
    );
  });

  it('all at once, from the top down', () => {
    const text = 'nam: x\nlatency: {p99Ms: -1}\ncost:\n  usdPerMonth: &a 5\nneeds: [fly]\nlatency: 5\n';
    expect(problemsOf(text).map((problem) => problem.split(' ').slice(0, 2))).toEqual([
      ['1:1', 'nam'],
      ['2:18', 'latency.p99Ms'],
      ['4:19', 'cost.usdPerMonth'],
      ['5:8', 'needs'],
      ['6:1', 'latency'],
    ]);
    const described = describeError(thrownBy(() => parse(text)));
    expect(described).toContain('dsp.yaml:2:18: latency.p99Ms is -1');
    expect(described).toContain('where: dsp.yaml:1:1');
    expect(described).toContain('mend:  correct nam, latency.p99Ms');
  });

  it('a flood, cut', () => {
    const text = Array.from({ length: 500 }, (_, index) => `k${index}: 1`).join('\n');
    const problems = problemsOf(text);
    expect(problems).toHaveLength(31);
    expect(problems.at(-1)).toBe('  and 470 more');
  });

  it('control characters and marks of direction, shown as escapes', () => {
    const { message } = thrownBy(() => parse('"\u001b[2Ja\u202eb\u0085": 5\nname: "\u001b]0;x\u0007"\n'));
    expect(message).toContain('\\u{1b}[2Ja\\u{202e}b\\u{85} is no key');
    expect(message.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  });
});

describe('what would exhaust a reader', () => {
  const size = 60_000;
  it.each([
    ['brackets', '['.repeat(size)],
    ['braces', '{'.repeat(size)],
    ['braces on lines', '{\n'.repeat(size / 2)],
    ['dashes', '- '.repeat(size / 2)],
    ['question marks', '? '.repeat(size / 2)],
    ['colons', ': '.repeat(size / 2)],
    ['keys of keys', 'a: '.repeat(size / 3)],
    ['steps', Array.from({ length: 300 }, (_, index) => `${' '.repeat(index)}a:`).join('\n')],
  ])('%s is nested too deeply', (_, text) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^\d+:1 {2}is nested too deeply$/)]);
  });

  it.each([
    ['quotes', '"'.repeat(size)],
    ['closing braces', '}'.repeat(size)],
    ['anchors', '&a '.repeat(size / 3)],
    ['exclamation marks', '! '.repeat(size / 2)],
    ['documents', '---\n'.repeat(size / 4)],
    ['keys', Array.from({ length: size / 7 }, (_, index) => `k${index}:`).join('\n')],
    ['one key', 'k:\n'.repeat(size / 3)],
    ['nulls', '\0'.repeat(size)],
    ['commas', `needs: [${'1,'.repeat(size / 2)}]`],
    ['directives', '%a\n'.repeat(size / 3)],
  ])('%s are refused in the end', (_, text) => {
    expect(problemsOf(text).length).toBeLessThanOrEqual(31);
  });

  it('a text that is too long', () => {
    expect(problemsOf(`name: pier\n${'#'.repeat(70_000)}`)).toEqual(['1:1  has more than 65536 bytes']);
  });
});

describe('a file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'dsp-read-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const read = (name: string, content: string | Buffer) => {
    writeFileSync(join(dir, name), content);
    return readAnswersFile(join(dir, name), catalogue);
  };
  const unreadable = (problem: string) =>
    expect.objectContaining({ code: 'requirements.unreadable', params: expect.objectContaining({ problem }) });

  it('that is not there, a folder, not text or endless is unreadable', async () => {
    await expect(readAnswersFile(join(dir, 'none'), catalogue)).rejects.toThrow(/ENOENT/);
    await expect(readAnswersFile(dir, catalogue)).rejects.toMatchObject({
      code: 'requirements.unreadable',
      exitCode: 2,
    });
    await expect(read('latin', Buffer.from([0x6e, 0xe9]))).rejects.toEqual(unreadable('it is not UTF-8 text'));
    await expect(readAnswersFile('/dev/zero', catalogue)).rejects.toEqual(unreadable('it has more than 65536 bytes'));
  });

  it('that is wrong says so by its path', async () => {
    await expect(read('wrong.yaml', 'nam: x')).rejects.toThrow(`${join(dir, 'wrong.yaml')}:1:1: nam is no key`);
  });

  it('of a project gives its requirements, and names what it lacks', async () => {
    const lacking = 'name: pier\nneeds: [cross-water]\nrate: {readPerSecond: 5, writePerSecond: 5, peakFactor: 2}\n';
    writeFileSync(join(dir, 'dsp.yaml'), lacking);
    await expect(readProjectRequirements(dir, catalogue)).rejects.toMatchObject({
      code: 'input.missing',
      params: { keys: expect.arrayContaining(['latency.p99Ms', 'options.cross-water.seats']) },
    });
    const rest =
      'latency: {p99Ms: 9}\navailability: {target: 0.9, recoveryMs: unknown}\ncost: {usdPerMonth: 10}\noptions: {cross-water: {seats: 3, fuel: "yes", returns: false}}\n';
    writeFileSync(join(dir, 'dsp.yaml'), lacking + rest);
    const found = await readProjectRequirements(dir, catalogue, ['latency.p99Ms=8']);
    expect(found).toMatchObject({
      name: 'pier',
      latency: { p99Ms: 8 },
      availability: { target: 0.9, recoveryMs: 30_000 },
      loss: { rpoMs: 1000 },
      options: { 'cross-water': { seats: 3, fuel: 'yes', returns: false } },
    });
    expect(requirementsOf(parse(lacking + rest), catalogue)).toEqual({ ...found, latency: { p99Ms: 9 } });
  });
});
