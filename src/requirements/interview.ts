/** The questions, one after another. How a question is put is passed in, so that a test can answer. */

import type { Catalogue, Json } from '../pattern.ts';
import { type Answer, type Answers, allFields, fieldsFor } from './assemble.ts';
import type { Field } from './fields.ts';
import { readAnswer } from './resolve.ts';

/** A question as it is put. `check` returns the reason why an answer will not do, or null. */
export interface Prompt {
  readonly key: string;
  readonly message: string;
  /** One line: which decision it feeds. */
  readonly feeds: string;
  readonly kind: 'text' | 'one' | 'many';
  readonly choices: readonly { readonly value: string; readonly words: string }[];
  /** Text that Enter takes: `unknown` takes the documented prior. */
  readonly default: string;
  readonly check: (text: string) => string | null;
}

/** Answers with the text of the keyboard; `many` joined by commas. Rejects when the user leaves. */
export type Asker = (prompt: Prompt) => Promise<string>;

/**
 * Asks for what is missing, what the system does first. `onAnswer` sees the answers so far after each question, so that
 * they can be kept when the user leaves.
 */
export async function interview(
  given: Answers,
  catalogue: Catalogue,
  ask: Asker,
  onAnswer: (answers: Answers) => Promise<void>,
  defaultName: string,
): Promise<Answers> {
  const answers = new Map(given);
  const all = allFields(catalogue);
  const put = async (prompt: Prompt) => {
    if (answers.has(prompt.key)) return;
    const text = await ask(prompt);
    const read = readAnswer(prompt.key, text, all, catalogue);
    if ('problem' in read) throw new RangeError(`${prompt.key} ${read.problem}`);
    answers.set(prompt.key, { value: read.value, origin: text === 'unknown' ? 'prior' : 'interview' });
    await onAnswer(answers);
  };
  const check = (key: string) => (text: string) => {
    const read = readAnswer(key, text, all, catalogue);
    return 'problem' in read ? `this ${read.problem}` : null;
  };
  await put(needsPrompt(catalogue, check('needs')));
  await put(namePrompt(defaultName, check('name')));
  const needs = (answers.get('needs') as Answer).value as readonly string[];
  for (const field of fieldsFor(needs, catalogue)) await put(promptOf(field, check(field.key)));
  return answers;
}

function needsPrompt(catalogue: Catalogue, check: Prompt['check']): Prompt {
  const choices = catalogue.map(({ need }) => ({ value: need.id, words: need.words }));
  const message = 'What does the system do?';
  return {
    key: 'needs',
    message,
    feeds: 'the patterns that are sized and composed',
    kind: 'many',
    choices,
    default: '',
    check,
  };
}

function namePrompt(defaultName: string, check: Prompt['check']): Prompt {
  const feeds = 'the names of processes and stacks';
  return { key: 'name', message: 'What is it called?', feeds, kind: 'text', choices: [], default: defaultName, check };
}

function promptOf(field: Field, check: Prompt['check']): Prompt {
  const { key, feeds, type } = field;
  const unit = 'unit' in type ? ` [${type.unit}]` : '';
  const unknown = { value: 'unknown', words: `don’t know: ${describe(field.prior)} (${field.priorSource})` };
  if (type.kind === 'choice') {
    return {
      key,
      message: field.ask,
      feeds,
      kind: 'one',
      choices: [...type.choices, unknown],
      default: 'unknown',
      check,
    };
  }
  if (type.kind === 'confirm') {
    const choices = [{ value: 'yes', words: 'yes' }, { value: 'no', words: 'no' }, unknown];
    return { key, message: field.ask, feeds, kind: 'one', choices, default: 'unknown', check };
  }
  const range = type.kind === 'interval' ? 'a number or low..high; ' : '';
  const message = `${field.ask}${unit} (${range}unknown: ${describe(field.prior)}, ${field.priorSource})`;
  return { key, message, feeds, kind: 'text', choices: [], default: 'unknown', check };
}

function describe(prior: Json): string {
  if (typeof prior === 'boolean') return prior ? 'yes' : 'no';
  if (prior === null || typeof prior !== 'object') return `${prior}`;
  const { low, high } = prior as { low?: number; high?: number };
  return `${low} to ${high}`;
}
