/** The questions, one after another. How a question is put is passed in, so that a test can answer. */

import type { Catalogue, Json } from '../pattern.ts';
import { type Answers, allFields, contradictions } from './assemble.ts';
import type { Field } from './fields.ts';
import { missingKeys, readAnswer } from './resolve.ts';

export interface Choice {
  readonly value: string;
  readonly words: string;
}

/** A question as it is put. */
export interface Prompt {
  readonly key: string;
  readonly message: string;
  /** One line: which decision it feeds. */
  readonly feeds: string;
  /** What may be typed, and what "don't know" takes; none where the choices say it. */
  readonly hints: readonly string[];
  readonly kind: 'text' | 'one' | 'many';
  readonly choices: readonly Choice[];
  /** Text that Enter takes: `unknown` takes the documented prior. */
  readonly default: string;
  /** The reason why an answer will not do, or null. */
  readonly check: (text: string) => Promise<string | null>;
}

/** Answers with the text of the keyboard; `many` joined by commas. Rejects when the user leaves. */
export type Asker = (prompt: Prompt) => Promise<string>;

export interface InterviewOptions {
  readonly catalogue: Catalogue;
  readonly ask: Asker;
  /** Sees the answers so far after each question, so that they can be kept when the user leaves. */
  readonly onAnswer: (answers: Answers) => Promise<void>;
  readonly defaultName: string;
  /** Why a well-formed name cannot be taken, or null. */
  readonly nameTaken?: (name: string) => Promise<string | null>;
}

/** Asks for what `given` lacks, what the system does first. Rejects as `ask` does. */
export async function interview(given: Answers, options: InterviewOptions): Promise<Answers> {
  const { catalogue, ask, onAnswer } = options;
  const answers = new Map(given);
  for (;;) {
    // What is missing follows from the answers before.
    const [key] = missingKeys(answers, catalogue);
    if (key === undefined) return answers;
    const prompt = promptFor(key, answers, options);
    const text = await ask(prompt);
    const read = readAnswer(key, text, 'interview', catalogue);
    const problem = await prompt.check(text);
    if ('problem' in read || problem !== null) throw new RangeError(`${key}: unchecked answer: ${problem}`);
    answers.set(key, read);
    await onAnswer(answers);
  }
}

function promptFor(key: string, answers: Answers, options: InterviewOptions): Prompt {
  const check = checkFor(key, answers, options);
  if (key === 'needs') return needsPrompt(options.catalogue, check);
  if (key === 'name') return namePrompt(options.defaultName, check);
  const field = allFields(options.catalogue).find((candidate) => candidate.key === key);
  if (field === undefined) throw new RangeError(`no field ${key}`);
  return fieldPrompt(field, check);
}

/** Wrong alone, or together with the answers before. */
function checkFor(key: string, answers: Answers, { catalogue, nameTaken }: InterviewOptions): Prompt['check'] {
  return async (text) => {
    const read = readAnswer(key, text, 'interview', catalogue);
    if ('problem' in read) return `this ${read.problem}`;
    const [crossed] = contradictions(new Map(answers).set(key, read));
    if (crossed !== undefined) return `${crossed.key} ${crossed.problem}`;
    return key === 'name' ? ((await nameTaken?.(read.value as string)) ?? null) : null;
  };
}

function needsPrompt(catalogue: Catalogue, check: Prompt['check']): Prompt {
  return {
    key: 'needs',
    message: 'What does the system do?',
    feeds: 'the patterns that are sized and composed',
    hints: [],
    kind: 'many',
    choices: catalogue.map(({ need }) => ({ value: need.id, words: need.words })),
    default: '',
    check,
  };
}

function namePrompt(defaultName: string, check: Prompt['check']): Prompt {
  const feeds = 'the names of the folder, its processes and its stacks';
  const hints = ['a-z, 0-9 and -'];
  return {
    key: 'name',
    message: 'What is it called?',
    feeds,
    hints,
    kind: 'text',
    choices: [],
    default: defaultName,
    check,
  };
}

function fieldPrompt(field: Field, check: Prompt['check']): Prompt {
  const { key, ask: message, feeds, type } = field;
  const shared = { key, message, feeds, default: 'unknown', check };
  const prior = `${priorWords(field.prior)} (${field.priorSource})`;
  const unknown = { value: 'unknown', words: `don’t know: ${prior}` };
  if (type.kind === 'choice') return { ...shared, hints: [], kind: 'one', choices: [...type.choices, unknown] };
  if (type.kind === 'confirm') {
    const choices = [{ value: 'yes', words: 'yes' }, { value: 'no', words: 'no' }, unknown];
    return { ...shared, hints: [], kind: 'one', choices };
  }
  const form = type.kind === 'interval' ? `a number or low..high, in ${type.unit}` : `a number, in ${type.unit}`;
  return { ...shared, hints: [form, `unknown takes ${prior}`], kind: 'text', choices: [] };
}

function priorWords(prior: Json): string {
  if (typeof prior === 'boolean') return prior ? 'yes' : 'no';
  if (prior === null || typeof prior !== 'object') return `${prior}`;
  const { low, high } = prior as { low?: number; high?: number };
  return `${low} to ${high}`;
}
