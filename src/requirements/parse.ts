/** dsp.yaml → answers. Every fault is reported at once, each with file, line, column and key. */

import { isAlias, isMap, isScalar, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import { DspError } from '../errors.ts';
import type { Catalogue, Json } from '../pattern.ts';
import {
  type Answer,
  type Answers,
  allFields,
  contradictions,
  namePattern,
  type Origin,
  type Problem,
} from './assemble.ts';
import type { Field } from './fields.ts';
import { nearest } from './nearest.ts';
import { checkValue, isPlainObject, show } from './values.ts';

/** A file of answers is written by hand: a few KiB. */
const maxBytes = 256 * 1024;

interface Reading {
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: (Problem & { readonly where: string })[];
  readonly answers: Map<string, Answer>;
  readonly positions: Map<string, string>;
}

/** Throws `requirements.invalid`. Keys that are not there are missing in the result; `unknown` takes the prior. */
export function parseAnswers(text: string, file: string, catalogue: Catalogue): Answers {
  const lines = new LineCounter();
  const reading: Reading = { file, lines, problems: [], answers: new Map(), positions: new Map() };
  if (Buffer.byteLength(text) > maxBytes)
    throw invalid([{ where: file, key: '', problem: `has more than ${maxBytes} bytes` }]);
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    merge: false,
    version: '1.2',
  });
  for (const error of document.errors) addAt(reading, error.pos[0], '', firstLine(error.message));
  visit(document, {
    Alias: (_, node) => add(reading, node, '', 'is an alias; write the value out'),
    Node: (_, node) => {
      if (!isAlias(node) && 'anchor' in node && node.anchor)
        add(reading, node, '', 'has an anchor; write the value out');
    },
  });
  if (reading.problems.length > 0) throw invalid(reading.problems);
  if (!isMap(document.contents)) throw invalid([{ where: `${file}:1:1`, key: '', problem: 'holds no keys' }]);
  readTop(reading, document.contents.items as Pair<Node, Node | null>[], catalogue);
  for (const { key, problem } of contradictions(reading.answers)) {
    reading.problems.push({ where: reading.positions.get(key) ?? file, key, problem });
  }
  if (reading.problems.length > 0) throw invalid(reading.problems);
  return reading.answers;
}

function readTop(reading: Reading, pairs: readonly Pair<Node, Node | null>[], catalogue: Catalogue): void {
  const all = allFields(catalogue);
  const sections = [...new Set(all.map((field) => field.key.split('.')[0] ?? ''))];
  const known = ['schemaVersion', 'name', 'needs', 'slo', ...sections];
  for (const pair of pairs) {
    const key = keyOf(pair);
    if (key === 'schemaVersion') readVersion(reading, pair);
    else if (key === 'name') readName(reading, pair);
    else if (key === 'needs') readNeeds(reading, pair, catalogue);
    else if (key === 'slo') readSlo(reading, pair);
    else if (sections.includes(key)) readSection(reading, pair, key, all);
    else addUnknown(reading, pair, key, known);
  }
}

/** Descends `section.key` and `options.need.key` down to the fields of the table. */
function readSection(reading: Reading, pair: Pair<Node, Node | null>, path: string, all: readonly Field[]): void {
  const field = all.find((candidate) => candidate.key === path);
  if (field !== undefined) {
    readField(reading, pair, field);
    return;
  }
  const within = all.filter((candidate) => candidate.key.startsWith(`${path}.`));
  if (within.length === 0) {
    const parent = path.slice(0, path.lastIndexOf('.'));
    const siblings = all
      .filter((candidate) => candidate.key.startsWith(`${parent}.`))
      .map((c) => c.key.slice(parent.length + 1).split('.')[0] ?? '');
    addUnknown(reading, pair, path, siblings);
    return;
  }
  if (pair.value === null || (isScalar(pair.value) && pair.value.value === null)) return;
  if (!isMap(pair.value)) {
    add(reading, pair.key, path, 'holds a value; it takes keys');
    return;
  }
  for (const inner of pair.value.items as Pair<Node, Node | null>[])
    readSection(reading, inner, `${path}.${keyOf(inner)}`, all);
}

function readField(reading: Reading, pair: Pair<Node, Node | null>, field: Field): void {
  reading.positions.set(field.key, at(reading, pair.key));
  const given = contentOf(pair);
  if (given === null || given === undefined) return;
  if (given === 'unknown') {
    reading.answers.set(field.key, { value: field.prior, origin: 'prior' });
    return;
  }
  const checked = checkValue(field.type, given);
  if ('problem' in checked) add(reading, pair.value ?? pair.key, field.key, checked.problem);
  else put(reading, field.key, checked.value);
}

function readVersion(reading: Reading, pair: Pair<Node, Node | null>): void {
  if (contentOf(pair) !== 1) add(reading, pair.key, 'schemaVersion', `is ${show(contentOf(pair))}; this dsp reads 1`);
}

function readName(reading: Reading, pair: Pair<Node, Node | null>): void {
  const name = contentOf(pair);
  if (typeof name === 'string' && namePattern.test(name)) put(reading, 'name', name);
  else
    add(
      reading,
      pair.value ?? pair.key,
      'name',
      `is ${show(name)}; it takes up to 40 of a-z, 0-9 and -, a letter first`,
    );
}

function readNeeds(reading: Reading, pair: Pair<Node, Node | null>, catalogue: Catalogue): void {
  const needs = contentOf(pair);
  const problem = needsProblem(needs, catalogue);
  if (problem === null) put(reading, 'needs', needs as Json);
  else add(reading, pair.value ?? pair.key, 'needs', problem);
}

/** Null when the list is fine. */
export function needsProblem(needs: unknown, catalogue: Catalogue): string | null {
  const ids = catalogue.map((pattern) => pattern.need.id);
  if (!Array.isArray(needs) || needs.length === 0) return `is ${show(needs)}; it takes a list of ${ids.join(', ')}`;
  const unknown = needs.find((need) => !ids.includes(need));
  if (unknown !== undefined)
    return `has ${show(unknown)}${suggestion(String(unknown), ids)}; it can have ${ids.join(', ')}`;
  return new Set(needs).size < needs.length ? 'names one need twice' : null;
}

function readSlo(reading: Reading, pair: Pair<Node, Node | null>): void {
  const slo = contentOf(pair);
  if (slo === null) return;
  const well =
    isPlainObject(slo) &&
    Object.values(slo).every((list) => Array.isArray(list) && list.every((item) => typeof item === 'string'));
  if (well) put(reading, 'slo', slo as Json);
  else add(reading, pair.key, 'slo', 'takes metrics, each with a list of thresholds: http_req_duration: ["p(99)<50"]');
}

function put(reading: Reading, key: string, value: Json, origin: Origin = 'file'): void {
  reading.answers.set(key, { value, origin });
}

function keyOf(pair: Pair<Node, Node | null>): string {
  return isScalar(pair.key) ? String(pair.key.value) : '(a key that is no word)';
}

/** Plain data of a node; `__proto__` is a key like any other and found unknown. */
function contentOf(pair: Pair<Node, Node | null>): unknown {
  return pair.value === null ? null : plain(pair.value);
}

function plain(node: Node): unknown {
  if (isScalar(node)) return node.value;
  if (isMap(node)) {
    const entries = node.items.map((item) => [
      keyOf(item as Pair<Node, Node | null>),
      contentOf(item as Pair<Node, Node | null>),
    ]);
    return Object.assign(Object.create(null), Object.fromEntries(entries));
  }
  return 'items' in node ? (node.items as Node[]).map(plain) : undefined;
}

function addUnknown(reading: Reading, pair: Pair<Node, Node | null>, key: string, known: readonly string[]): void {
  add(reading, pair.key, key, `is no key of dsp.yaml${suggestion(key.split('.').at(-1) ?? key, known)}`);
}

export function suggestion(given: string, known: readonly string[]): string {
  const best = nearest(given, known);
  return best === null ? '' : `; did you mean ${best}?`;
}

function add(reading: Reading, node: unknown, key: string, problem: string): void {
  reading.problems.push({ where: at(reading, node), key, problem });
}

function addAt(reading: Reading, offset: number, key: string, problem: string): void {
  const { line, col } = reading.lines.linePos(offset);
  reading.problems.push({ where: `${reading.file}:${line}:${col}`, key, problem });
}

function at(reading: Reading, node: unknown): string {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  const { line, col } = reading.lines.linePos(range?.[0] ?? 0);
  return `${reading.file}:${line}:${col}`;
}

const firstLine = (text: string) => text.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? text;

export function invalid(problems: readonly (Problem & { readonly where: string })[]): DspError {
  const [first] = problems;
  return new DspError('requirements.invalid', { problems }, first === undefined ? {} : { where: first.where });
}
