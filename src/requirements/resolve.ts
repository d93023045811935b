/** Where answers come from: flag > environment > file > interview > default. */

import { DspError } from '../errors.ts';
import type { Catalogue, Json } from '../pattern.ts';
import {
  type Answer,
  type Answers,
  allFields,
  contradictions,
  fieldsFor,
  namePattern,
  type Origin,
  strayOptions,
} from './assemble.ts';
import type { PlacedProblem } from './document.ts';
import type { Field } from './fields.ts';
import { suggestion } from './nearest.ts';
import { invalid, nameProblem, needsProblem } from './parse.ts';
import { readValue } from './values.ts';
import { printable } from './words.ts';

export interface Sources {
  /** `key=value` of --set, the last of a key counts. */
  readonly set: readonly string[];
  /** Variables named by {@link environmentName}; an empty one counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: Answers;
  /** Takes priors for what nobody answered. */
  readonly yes: boolean;
  /** Asks for the missing; absent where nobody can be asked. Given all answers so far, returns all there are then. */
  readonly ask?: (answers: Answers) => Promise<Answers>;
  /** Used for `name` where nothing else names it and `yes` is given. */
  readonly defaultName?: string;
}

/** `DSP_` and the key in capitals, `__` for dots and `_` for dashes: DSP_LATENCY__P99MS. */
export function environmentName(key: string): string {
  return `DSP_${key.replaceAll('.', '__').replaceAll('-', '_').toUpperCase()}`;
}

/** Throws `requirements.invalid` and `input.missing`, each naming all there is. */
export async function resolveAnswers(sources: Sources, catalogue: Catalogue): Promise<Answers> {
  const given = withGiven(sources, catalogue);
  const answers = sources.yes ? withPriors(given, sources, catalogue) : given;
  // Before anybody is asked: what contradicts itself already would waste the interview.
  check(answers, catalogue);
  const missing = missingKeys(answers, catalogue);
  if (missing.length === 0) return answers;
  if (sources.ask === undefined) throw new DspError('input.missing', { keys: missing });
  const asked = await sources.ask(answers);
  check(asked, catalogue);
  return asked;
}

/** Keys without an answer; what the needs ask for is known once they are. */
export function missingKeys(answers: Answers, catalogue: Catalogue): readonly string[] {
  const keys = ['needs', 'name', ...fieldsFor(answers, catalogue).map((field) => field.key)];
  return keys.filter((key) => !answers.has(key));
}

/** One answer given as text: of --set, the environment or the keyboard. `unknown` takes the prior. */
export function readAnswer(
  key: string,
  text: string,
  origin: Origin,
  catalogue: Catalogue,
): Answer | { readonly problem: string } {
  const wellOr = (problem: string | null, value: Json) => (problem === null ? { value, origin } : { problem });
  if (key === 'name') return wellOr(nameProblem(text.trim()), text.trim());
  if (key === 'needs') {
    const needs = text.split(',').map((need) => need.trim());
    return wellOr(needsProblem(needs, catalogue), needs);
  }
  if (['slo', 'faults', 'images'].includes(key)) return { problem: 'is given in dsp.yaml only' };
  const all = allFields(catalogue);
  const field = all.find((candidate) => candidate.key === key);
  if (field === undefined) return { problem: `is no key of dsp.yaml${suggestion(key, settable(all))}` };
  if (text.trim() === 'unknown') return { value: field.prior, origin: 'prior' };
  const read = readValue(field.type, text);
  return 'problem' in read ? read : { value: read.value, origin };
}

const settable = (all: readonly Field[]) => ['name', 'needs', ...all.map((field) => field.key)];

function withGiven(sources: Sources, catalogue: Catalogue): Map<string, Answer> {
  const answers = new Map(sources.file);
  const problems: PlacedProblem[] = [];
  const take = (key: string, text: string, origin: Origin, where: string) => {
    const read = readAnswer(key, text, origin, catalogue);
    if ('problem' in read) problems.push({ key: printable(key), problem: read.problem, where });
    else answers.set(key, read);
  };
  const keys = settable(allFields(catalogue));
  for (const key of keys) {
    const text = sources.env[environmentName(key)];
    if (text !== undefined && text !== '') take(key, text, 'environment', environmentName(key));
  }
  problems.push(...mistypedVariables(sources.env, keys));
  for (const setting of sources.set) {
    const split = setting.indexOf('=');
    if (split < 1) problems.push({ key: printable(setting), problem: 'is no key=value', where: '--set' });
    else take(setting.slice(0, split).trim(), setting.slice(split + 1), 'flag', '--set');
  }
  if (problems.length > 0) throw invalid(problems);
  return answers;
}

/** Variables that can only be meant for a key, and name none: without this, a typing error would be a default. */
function mistypedVariables(env: Sources['env'], keys: readonly string[]): readonly PlacedProblem[] {
  const known = keys.map(environmentName);
  return Object.keys(env)
    .filter((name) => /^DSP_[^_]+__/.test(name) && (env[name] ?? '') !== '' && !known.includes(name))
    .map((name) => ({
      where: 'environment',
      key: printable(name),
      problem: `names no key of dsp.yaml${suggestion(name, known)}`,
    }));
}

function withPriors(given: Answers, sources: Sources, catalogue: Catalogue): Answers {
  const answers = new Map(given);
  const put = (key: string, value: Json) => {
    if (!answers.has(key)) answers.set(key, { value, origin: 'prior' });
  };
  put(
    'needs',
    catalogue.map((pattern) => pattern.need.id),
  );
  if (sources.defaultName !== undefined && namePattern.test(sources.defaultName)) put('name', sources.defaultName);
  for (const field of fieldsFor(answers, catalogue)) put(field.key, field.prior);
  return answers;
}

function check(answers: Answers, catalogue: Catalogue): void {
  const problems = [...contradictions(answers), ...strayOptions(answers, ['flag'], catalogue)];
  if (problems.length === 0) return;
  throw invalid(problems.map((found) => ({ ...found, where: originWords(answers, found.key) })));
}

function originWords(answers: Answers, key: string): string {
  const origin = answers.get(key)?.origin;
  const words = { flag: '--set', environment: environmentName(key), file: '', interview: '', prior: 'default' };
  return origin === undefined ? '' : words[origin];
}
