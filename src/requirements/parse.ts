/** dsp.yaml → answers. Every fault is reported at once, each with file, line, column and key. */

import { DspError } from '../errors.ts';
import type { Catalogue, Json } from '../pattern.ts';
import { type Answer, type Answers, allFields, contradictions, namePattern, strayOptions } from './assemble.ts';
import { type Entry, type PlacedProblem, parseYaml, plain, type Tree } from './document.ts';
import { readFaults } from './faults.ts';
import type { Field } from './fields.ts';
import { suggestion } from './nearest.ts';
import { checkValue, isPlainObject } from './values.ts';
import { printable, show } from './words.ts';

interface Reading {
  readonly catalogue: Catalogue;
  readonly all: readonly Field[];
  readonly problems: PlacedProblem[];
  readonly answers: Map<string, Answer>;
  /** Key → place. */
  readonly places: Map<string, string>;
}

/**
 * Answers of `text`; `file` is what errors call it. Keys that are absent or empty are missing in the result, `unknown`
 * takes the prior. Throws `requirements.invalid`.
 */
export function parseAnswers(text: string, file: string, catalogue: Catalogue): Answers {
  const { tree, problems } = parseYaml(text, file);
  const places = new Map<string, string>();
  const reading: Reading = {
    catalogue,
    all: allFields(catalogue),
    problems: [...problems],
    answers: new Map(),
    places,
  };
  if (tree?.kind === 'map') readTop(reading, tree.entries);
  else if (problems.length === 0) throw invalid([{ where: `${file}:1:1`, key: '', problem: 'holds no keys' }]);
  const crossed = [...contradictions(reading.answers), ...strayOptions(reading.answers, ['file', 'prior'], catalogue)];
  for (const found of crossed) reading.problems.push({ ...found, where: places.get(found.key) ?? file });
  if (reading.problems.length > 0) throw invalid(reading.problems.sort(byPlace));
  return reading.answers;
}

/** From the top of the file down. */
function byPlace(a: PlacedProblem, b: PlacedProblem): number {
  const place = ({ where }: PlacedProblem) => /:(?<line>\d+):(?<column>\d+)$/.exec(where)?.groups ?? {};
  const [first, second] = [place(a), place(b)];
  return Number(first.line ?? 0) - Number(second.line ?? 0) || Number(first.column ?? 0) - Number(second.column ?? 0);
}

function readTop(reading: Reading, entries: readonly Entry[]): void {
  const sections = [...new Set(reading.all.map((field) => field.key.split('.')[0] ?? ''))];
  for (const entry of entries) {
    if (entry.key === 'schemaVersion') readVersion(reading, entry);
    else if (entry.key === 'name') readChecked(reading, entry, nameProblem);
    else if (entry.key === 'needs') readChecked(reading, entry, (needs) => needsProblem(needs, reading.catalogue));
    else if (entry.key === 'slo') readChecked(reading, entry, sloProblem);
    else if (entry.key === 'images') readChecked(reading, entry, imagesProblem);
    else if (entry.key === 'faults') readList(reading, entry);
    else if (sections.includes(entry.key)) readSection(reading, entry, entry.key);
    else
      addUnknown(reading, entry, entry.key, ['schemaVersion', 'name', 'needs', 'slo', 'faults', 'images', ...sections]);
  }
}

/** Descends `section.key` and `options.need.key` down to the fields of the table. */
function readSection(reading: Reading, entry: Entry, path: string): void {
  reading.places.set(path, entry.where);
  if (isEmpty(entry.value)) return;
  const field = reading.all.find((candidate) => candidate.key === path);
  const known = childrenOf(reading.all, path);
  if (field !== undefined) readField(reading, entry.value, field);
  else if (entry.value.kind !== 'map') add(reading, entry.value, path, `is ${show(plain(entry.value))}; it takes keys`);
  else
    for (const inner of entry.value.entries) {
      if (known.includes(inner.key)) readSection(reading, inner, `${path}.${inner.key}`);
      else addUnknown(reading, inner, `${path}.${inner.key}`, known);
    }
}

function childrenOf(all: readonly Field[], path: string): readonly string[] {
  const within = all.filter((field) => field.key.startsWith(`${path}.`));
  return [...new Set(within.map((field) => field.key.slice(path.length + 1).split('.')[0] ?? ''))];
}

function readField(reading: Reading, tree: Tree, field: Field): void {
  const given = plain(tree);
  if (given === 'unknown') reading.answers.set(field.key, { value: field.prior, origin: 'prior' });
  else {
    const checked = checkValue(field.type, given);
    if ('problem' in checked) add(reading, tree, field.key, checked.problem);
    else put(reading, field.key, checked.value);
  }
}

function readVersion(reading: Reading, entry: Entry): void {
  const version = plain(entry.value);
  if (version !== 1) add(reading, entry.value, entry.key, `is ${show(version)}; this dsp reads 1`);
}

function readChecked(reading: Reading, entry: Entry, problemOf: (given: unknown) => string | null): void {
  reading.places.set(entry.key, entry.where);
  if (isEmpty(entry.value)) return;
  const given = plain(entry.value);
  const problem = problemOf(given);
  if (problem === null) put(reading, entry.key, (isPlainObject(given) ? { ...given } : given) as Json);
  else add(reading, entry.value, entry.key, problem);
}

/** Each fault that is wrong is told with its own line. */
function readList(reading: Reading, entry: Entry): void {
  reading.places.set(entry.key, entry.where);
  if (isEmpty(entry.value)) return;
  if (entry.value.kind !== 'list') {
    add(reading, entry.value, entry.key, `takes a list of faults: ["kill:<part>.<role>"]`);
    return;
  }
  const before = reading.problems.length;
  for (const item of entry.value.items) {
    const given = plain(item);
    const problem = typeof given === 'string' ? problemOfFault(given) : 'is no fault';
    if (problem !== null) add(reading, item, entry.key, `has ${show(given)}, which ${problem}`);
  }
  if (reading.problems.length === before) put(reading, entry.key, plain(entry.value) as Json);
}

function problemOfFault(text: string): string | null {
  const read = readFaults(text);
  return 'problem' in read ? read.problem : null;
}

/** Null when the name will do. */
export function nameProblem(name: unknown): string | null {
  if (typeof name === 'string' && namePattern.test(name)) return null;
  return `is ${show(name)}; it takes up to 40 of a-z, 0-9 and -, a letter first`;
}

/** Null when the list is fine. */
export function needsProblem(needs: unknown, catalogue: Catalogue): string | null {
  const ids = catalogue.map((pattern) => pattern.need.id);
  if (!Array.isArray(needs) || needs.length === 0) return `is ${show(needs)}; it takes a list of ${ids.join(', ')}`;
  const unknown = needs.findIndex((need) => !ids.includes(need));
  if (unknown < 0) return new Set(needs).size < needs.length ? 'names one need twice' : null;
  const given: unknown = needs[unknown];
  const meant = typeof given === 'string' ? suggestion(given, ids) : '';
  return `has ${show(given)}${meant || `; it can have ${ids.join(', ')}`}`;
}

/** k6's selectors and expressions are ASCII; what they mean is the bench's matter. */
function sloProblem(slo: unknown): string | null {
  const plainText = (text: unknown) => typeof text === 'string' && /^[\x20-\x7e]{1,200}$/.test(text);
  if (!isPlainObject(slo)) return `is ${show(slo)}; it takes metrics: http_req_duration: ["p(99)<50"]`;
  for (const [metric, list] of Object.entries(slo)) {
    if (!plainText(metric) || !/^[a-z]/.test(metric)) return `has ${show(metric)}, which is no metric`;
    if (!Array.isArray(list) || list.length === 0 || !list.every(plainText)) {
      return `has ${show(list)} for ${show(metric)}; it takes a list of thresholds: ["p(99)<50"]`;
    }
  }
  return null;
}

/** `registry/name:tag` or `registry/name@digest` by program; which programs there are, the plan knows. */
function imagesProblem(images: unknown): string | null {
  if (!isPlainObject(images)) return `is ${show(images)}; it takes programs: redis-server: mirror.example.com/redis:7`;
  for (const [program, image] of Object.entries(images)) {
    if (!/^[a-z][a-z0-9._-]{0,62}$/.test(program)) return `has ${show(program)}, which is no program`;
    if (typeof image !== 'string' || !/^[a-z0-9][A-Za-z0-9._/:@-]{0,199}$/.test(image)) {
      return `has ${show(image)} for ${show(program)}; it takes an image: mirror.example.com/redis:7`;
    }
  }
  return null;
}

const isEmpty = (tree: Tree) => tree.kind === 'scalar' && tree.value === null;

function put(reading: Reading, key: string, value: Json): void {
  reading.answers.set(key, { value, origin: 'file' });
}

function addUnknown(reading: Reading, entry: Entry, path: string, known: readonly string[]): void {
  add(reading, entry, path, `is no key of dsp.yaml${suggestion(entry.key, known)}`);
}

function add(reading: Reading, { where }: { readonly where: string }, path: string, problem: string): void {
  reading.problems.push({ where, key: printable(path), problem });
}

const maxListed = 30;

/** All `problems` in one error, a flood of them cut. */
export function invalid(problems: readonly PlacedProblem[]): DspError {
  const rest = problems.length - maxListed;
  const more = rest > 0 ? [{ where: '', key: '', problem: `and ${rest} more` }] : [];
  const where = problems[0]?.where;
  return new DspError(
    'requirements.invalid',
    { problems: [...problems.slice(0, maxListed), ...more] },
    where === undefined ? {} : { where },
  );
}
