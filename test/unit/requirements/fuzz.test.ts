/** Hostile answers, thousands of them: each is refused with a DspError, or is a literal like any other. */

import { afterEach, describe, expect, it } from 'vitest';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { DspError } from '../../../src/errors.ts';
import { seededRandom } from '../../../src/random.ts';
import { type Answers, allFields, requirementsOf } from '../../../src/requirements/assemble.ts';
import { requirementsDigest } from '../../../src/requirements/digest.ts';
import { formatRequirements } from '../../../src/requirements/format.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { resolveAnswers } from '../../../src/requirements/resolve.ts';
import { catalogue } from './fake-catalogue.ts';
import { pick, randomRequirements } from './random-requirements.ts';

const hostile = [
  ...[
    '$(reboot)',
    '`reboot`',
    '; rm -rf /',
    '| tee x',
    '&& true',
    "'; --",
    '" || 1=1',
    '\\',
    '../../etc/passwd',
    '~',
    '-rf',
    '--help',
  ],
  ...[
    "' OR '1'='1",
    'x; DROP TABLE users',
    '/* */',
    '%s%n',
    '{{constructor}}',
    '{{{x}}}',
    `\${process.exit(1)}`,
    '<%= x %>',
    '#{x}',
    '</script>',
  ],
  ...[
    '*a',
    '&a b',
    '!!js/function x',
    '!tag',
    '<<',
    '- x',
    '? x',
    'a: b',
    '[',
    ']',
    '{',
    '}',
    '#',
    '|',
    '>',
    '%YAML 1.1',
    '---',
    '...',
    '@',
    ',',
  ],
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    '__defineGetter__',
    '{"__proto__": {"polluted": 1}}',
  ],
  ...[
    '\0',
    '\u0007',
    '\u001b[2J',
    '\u001b]8;;http://x\u0007',
    '\r',
    '\n',
    'a\nneeds: []',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\u202eabc',
    '\u200b',
    '\ud800',
    '\udfff',
    '😀',
    'ﬀ',
    'İ',
  ],
  ...[
    '1e30',
    '-1e30',
    '1e999',
    '-0',
    '0x10',
    '0o17',
    '1_',
    '٣',
    '１２',
    '.5',
    '5.',
    '1e',
    '+1',
    '1,5',
    '1 000',
    'NaN',
    '.nan',
    'Infinity',
    '-.inf',
    '9007199254740993',
    '1'.repeat(400),
  ],
  ...[
    'true',
    'yes',
    'null',
    '~',
    'unknown',
    'undefined',
    '',
    ' ',
    '\t',
    '1..2',
    '1..2..3',
    '..',
    '1..',
    '..1',
    '2..1',
    '1..NaN',
    '1...2',
  ],
  ...['a'.repeat(100_000), '['.repeat(5000), '{a: '.repeat(3000), '"'.repeat(999), '- '.repeat(2000)],
];

const keys = ['name', 'needs', 'slo', 'schemaVersion', ...allFields(catalogue).map(({ key }) => key)];
const odd = [
  '__proto__',
  'constructor',
  'options.__proto__.x',
  'options.cross-water.__proto__',
  'rate.constructor',
  'toString',
];
const before = Object.getOwnPropertyNames(Object.prototype).sort().join();

afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype).sort().join()).toBe(before);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

/** The tree without its values: what code would be if a value became code. */
function shapeOf(node: unknown): unknown {
  if (isMap(node)) return node.items.map(({ key, value }) => [isScalar(key) ? key.value : key, shapeOf(value)]);
  if (isSeq(node)) return node.items.map(shapeOf);
  return 'value';
}

const seen = new Set<string>();

/** Read back as it is, and of the same shape as with a harmless name. */
function holdsLiterals(answers: Answers, about: string): void {
  const requirements = requirementsOf(answers, catalogue);
  const digest = requirementsDigest(requirements);
  if (seen.has(digest)) return;
  seen.add(digest);
  const text = formatRequirements(requirements, catalogue);
  expect(requirementsOf(parseAnswers(text, 'dsp.yaml', catalogue), catalogue), about).toStrictEqual(requirements);
  const harmless = formatRequirements({ ...requirements, name: 'x' }, catalogue);
  expect(shapeOf(parseDocument(text).contents), about).toEqual(shapeOf(parseDocument(harmless).contents));
}

/** Null: refused. What is thrown is a DspError whose message can be printed. */
function settle(act: () => Answers, about: string): Answers | null {
  try {
    return act();
  } catch (error) {
    return refusal(error, about);
  }
}

function refusal(error: unknown, about: string): null {
  expect(error, about).toBeInstanceOf(DspError);
  const { message, exitCode } = error as DspError;
  expect(exitCode, about).toBe(2);
  expect(message.replaceAll('\n', ''), about).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
  expect(message.length, about).toBeLessThan(20_000);
  return null;
}

/** Where it holds: `a.b: value` as a document. */
function documentWith(key: string, value: string): string {
  const steps = key.split('.');
  return `${steps.map((step, depth) => `${'  '.repeat(depth)}${step}:`).join('\n')} ${value}\n`;
}

describe('a hostile value of every key', () => {
  const count = { accepted: 0, refused: 0 };
  const note = (answers: Answers | null, about: string) => {
    count[answers === null ? 'refused' : 'accepted']++;
    if (answers !== null)
      holdsLiterals(
        new Map([
          ['name', { value: 'x', origin: 'file' }],
          ['needs', { value: ['cross-water', 'keep-things'], origin: 'file' }],
          ...answers,
        ]),
        about,
      );
  };

  it('in the file, bare and in quotes', () => {
    for (const key of [...keys, ...odd]) {
      for (const value of hostile) {
        for (const written of [value, JSON.stringify(value)]) {
          const about = `${key}: ${written.slice(0, 80)}`;
          note(
            settle(() => parseAnswers(documentWith(key, written), 'dsp.yaml', catalogue), about),
            about,
          );
        }
      }
    }
  });

  it('in a flag and in the environment', async () => {
    const pairs = [
      ...[...keys, ...odd].flatMap((key) => hostile.map((value) => [key, value] as const)),
      ...hostile.flatMap((key) => [[key, 'x'] as const, [`latency.${key}`, '5'] as const]),
    ];
    for (const [key, value] of pairs) {
      const about = `--set ${key.slice(0, 40)}=${value.slice(0, 80)}`;
      const name = `DSP_${key.toUpperCase().replaceAll('.', '__').replaceAll('-', '_')}`;
      for (const given of [
        { set: [`${key}=${value}`], env: {} },
        { set: [], env: { [name]: value } },
      ]) {
        const sources = { ...given, file: new Map(), yes: true, defaultName: 'pier' };
        note(await resolveAnswers(sources, catalogue).catch((error) => refusal(error, about)), about);
      }
    }
  });

  it('was tried thousands of times, with both outcomes', () => {
    expect(count.refused).toBeGreaterThan(3000);
    expect(count.accepted).toBeGreaterThan(300);
  });
});

describe('a file with damage', () => {
  const damages = [
    ...'{}[]:,#&*!|>%@`"\'\\-?\n\t \0',
    '\n- ',
    ': ',
    '<<: ',
    '&a ',
    '*a',
    '!!x ',
    '\n---\n',
    '\u202e',
    '\ud800',
    '\ufeff',
  ];

  it('is refused, or means what it says', () => {
    let accepted = 0;
    const runs = 1000;
    for (let seed = 1; seed <= runs; seed++) {
      const random = seededRandom(seed);
      const text = damaged(formatRequirements(randomRequirements(random), catalogue), random);
      const answers = settle(() => parseAnswers(text, 'dsp.yaml', catalogue), `seed ${seed}`);
      if (answers === null) continue;
      accepted++;
      for (const [key, { value }] of answers) {
        expect([...keys, 'slo'], `seed ${seed}`).toContain(key);
        expect(JSON.parse(JSON.stringify(value)), `seed ${seed} ${key}`).toEqual(value);
      }
    }
    expect(accepted).toBeGreaterThan(runs / 20);
    expect(accepted).toBeLessThan((runs * 19) / 20);
  });

  function damaged(text: string, random: ReturnType<typeof seededRandom>): string {
    let result = text;
    for (let i = 0; i <= random.integer(3); i++) {
      const at = random.integer(result.length);
      const cut = random.next() < 0.5 ? random.integer(20) : 0;
      result = `${result.slice(0, at)}${random.next() < 0.7 ? pick(random, damages) : ''}${result.slice(at + cut)}`;
    }
    return result;
  }
});
