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
  type Problem,
} from './assemble.ts';
import type { Field } from './fields.ts';
import { invalid, needsProblem, suggestion } from './parse.ts';
import { readValue, show } from './values.ts';

export interface Sources {
  /** `key=value` of --set, the last of a key counts. */
  readonly set: readonly string[];
  /** `DSP_` and the key in capitals with `__` for dots: DSP_LATENCY__P99MS, DSP_OPTIONS__LIMIT_CALLERS__LIMIT. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: Answers;
  /** Takes priors for what nobody answered. */
  readonly yes: boolean;
  /** Asks for the missing; absent where nobody can be asked. Given all answers so far. */
  readonly ask?: (missing: readonly string[], answers: Answers) => Promise<Answers>;
  /** Used for `name` where nothing else names it. */
  readonly defaultName?: string;
}

export function environmentName(key: string): string {
  return `DSP_${key.replaceAll('.', '__').replaceAll('-', '_').toUpperCase()}`;
}

/** Throws `requirements.invalid` and `input.missing`, naming all that are missing. */
export async function resolveAnswers(sources: Sources, catalogue: Catalogue): Promise<Answers> {
  const given = withGiven(sources, catalogue);
  const answers = sources.yes ? withPriors(given, sources, catalogue) : given;
  const missing = missingKeys(answers, catalogue);
  if (missing.length === 0) return checked(answers);
  if (sources.ask === undefined) throw new DspError('input.missing', { keys: missing });
  return checked(await sources.ask(missing, answers));
}

/** Keys without an answer; what the needs ask for is known once they are. */
export function missingKeys(answers: Answers, catalogue: Catalogue): readonly string[] {
  const needs = (answers.get('needs')?.value ?? []) as readonly string[];
  const keys = ['needs', 'name', ...fieldsFor(needs, catalogue).map((field) => field.key)];
  return keys.filter((key) => !answers.has(key));
}

function withGiven(sources: Sources, catalogue: Catalogue): Map<string, Answer> {
  const answers = new Map(sources.file);
  const problems: (Problem & { where: string })[] = [];
  const all = allFields(catalogue);
  const take = (key: string, text: string, origin: Origin, where: string) => {
    const read = readAnswer(key, text, all, catalogue);
    if ('problem' in read) problems.push({ key, problem: read.problem, where });
    else answers.set(key, { value: read.value, origin });
  };
  for (const key of ['name', 'needs', ...all.map((field) => field.key)]) {
    const text = sources.env[environmentName(key)];
    if (text !== undefined) take(key, text, 'environment', environmentName(key));
  }
  for (const setting of sources.set) {
    const split = setting.indexOf('=');
    if (split < 1) problems.push({ key: setting, problem: 'is no key=value', where: '--set' });
    else take(setting.slice(0, split), setting.slice(split + 1), 'flag', '--set');
  }
  if (problems.length > 0) throw invalid(problems);
  return answers;
}

/** One answer given as text: of --set, the environment or the keyboard. */
export function readAnswer(
  key: string,
  text: string,
  all: readonly Field[],
  catalogue: Catalogue,
): { value: Json } | { problem: string } {
  if (key === 'name') {
    const problem = `is ${show(text)}; it takes up to 40 of a-z, 0-9 and -, a letter first`;
    return namePattern.test(text) ? { value: text } : { problem };
  }
  if (key === 'needs') {
    const needs = text.split(',').map((need) => need.trim());
    const problem = needsProblem(needs, catalogue);
    return problem === null ? { value: needs } : { problem };
  }
  const field = all.find((candidate) => candidate.key === key);
  if (field === undefined) {
    const known = ['name', 'needs', ...all.map((candidate) => candidate.key)];
    return { problem: `is no key of dsp.yaml${suggestion(key, known)}` };
  }
  return text === 'unknown' ? { value: field.prior } : readValue(field.type, text);
}

function withPriors(given: Map<string, Answer>, sources: Sources, catalogue: Catalogue): Map<string, Answer> {
  const answers = new Map(given);
  const put = (key: string, value: Json) => {
    if (!answers.has(key)) answers.set(key, { value, origin: 'prior' });
  };
  put(
    'needs',
    catalogue.map((pattern) => pattern.need.id),
  );
  if (sources.defaultName !== undefined && namePattern.test(sources.defaultName)) put('name', sources.defaultName);
  for (const field of fieldsFor(answers.get('needs')?.value as readonly string[], catalogue))
    put(field.key, field.prior);
  return answers;
}

function checked(answers: Answers): Answers {
  const problems = contradictions(answers);
  if (problems.length > 0) throw invalid(problems.map((problem) => ({ ...problem, where: problem.key })));
  return answers;
}
