/** Requirements → dsp.yaml: commented, so that it can be edited by hand. */

import { stringify } from 'yaml';
import type { Catalogue, Json } from '../pattern.ts';
import { type Answers, allFields } from './assemble.ts';
import type { Field } from './fields.ts';
import type { Interval, Requirements } from './requirements.ts';
import { wrap } from './words.ts';

const header = `# What the system has to do: dsp plans from this file. Edit it, then: dsp plan --write
# A number may be unsure: { low: 10, mid: 20, high: 50 }. "unknown" takes the documented default.
schemaVersion: 1`;

const maxWidth = 110;

/**
 * The file's text; `parseAnswers` reads it back to the same requirements. `answers`, where given, tells which values
 * nobody answered, and their comments say so.
 */
export function formatRequirements(requirements: Requirements, catalogue: Catalogue, answers?: Answers): string {
  const chosen = catalogue.filter((pattern) => requirements.needs.includes(pattern.need.id));
  const sections = new Map<string, Field[]>();
  for (const field of allFields(chosen)) {
    const section = field.key.slice(0, field.key.lastIndexOf('.'));
    sections.set(section, [...(sections.get(section) ?? []), field]);
  }
  const read = new Set(chosen.flatMap((pattern) => pattern.reads));
  const general = [...sections].filter(([section]) => !section.startsWith('options.'));
  const options = [...sections].filter(([section]) => section.startsWith('options.'));
  const text = [
    header,
    `name: ${scalar(requirements.name)}`,
    '# What it does:',
    ...catalogue.map(({ need }) => `#   ${need.id}: ${need.words}`),
    `needs: [${requirements.needs.map(scalar).join(', ')}]`,
    ...general.flatMap(([section, list]) => [
      '',
      ...(read.has(section) ? [] : ['# Nothing that the system does depends on these yet.']),
      `${section}:`,
      ...list.flatMap((field) => entry(field, requirements, answers, '  ')),
    ]),
    ...(options.length > 0 ? ['', 'options:'] : []),
    ...options.flatMap(([section, list]) => [
      `  ${section.slice('options.'.length)}:`,
      ...list.flatMap((field) => entry(field, requirements, answers, '    ')),
    ]),
    '',
    `# More objectives in k6's form, e.g. http_req_duration{operation:read}: ["p(95)<20"]`,
    Object.keys(requirements.slo).length === 0 ? 'slo: {}' : stringify({ slo: requirements.slo }, style).trimEnd(),
    ...(requirements.images === undefined
      ? []
      : [
          '',
          '# On Kubernetes: other images than the usual ones, by engine or bundle',
          stringify({ images: requirements.images }, style).trimEnd(),
        ]),
    ...(requirements.faults === undefined
      ? []
      : [
          '',
          '# What a bench breaks, as --fault takes it.',
          stringify({ faults: requirements.faults }, style).trimEnd(),
        ]),
  ];
  return `${text.join('\n')}\n`;
}

function entry(
  field: Field,
  requirements: Requirements,
  answers: Answers | undefined,
  indent: string,
): readonly string[] {
  const name = field.key.slice(field.key.lastIndexOf('.') + 1);
  const width = maxWidth - indent.length - 2;
  const comment = commentOn(field, answers).flatMap((sentence) => wrap(sentence, width));
  return [
    ...comment.map((line) => `${indent}# ${line}`),
    `${indent}${name}: ${inline(valueAt(requirements, field.key) ?? field.prior)}`,
  ];
}

/** The question, what it decides, and where nobody answered it: what was assumed. */
function commentOn(field: Field, answers: Answers | undefined): readonly string[] {
  const { key, ask, feeds, type, priorSource, onlyIf } = field;
  const unit = 'unit' in type ? ` [${type.unit}]` : '';
  const choices = type.kind === 'choice' ? ` (${type.choices.map(({ value }) => value).join(', ')})` : '';
  const only = onlyIf === undefined ? '' : ` Only if ${onlyIf.key} is ${onlyIf.is}.`;
  const assumed = answers !== undefined && (answers.get(key)?.origin ?? 'prior') === 'prior';
  return [
    `${ask}${unit}${choices}`,
    `It decides ${feeds}.${only}`,
    ...(assumed ? [`Nobody said; assumed: ${priorSource}.`] : []),
  ];
}

/** Undefined where the requirements leave it open. */
function valueAt(requirements: Requirements, key: string): Json | undefined {
  const [top = '', ...rest] = key.split('.');
  let value = (requirements as unknown as Record<string, Json>)[top] as Json;
  for (const step of rest) value = (value as Record<string, Json>)[step] as Json;
  return value;
}

function inline(value: Json): string {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    const { low, mid, high } = value as unknown as Interval;
    return low === mid && mid === high ? `${mid}` : `{ low: ${low}, mid: ${mid}, high: ${high} }`;
  }
  return typeof value === 'string' ? scalar(value) : `${value}`;
}

/** What an older YAML would read as something else (yes, on) is quoted too. */
const style = { lineWidth: 0, compat: 'yaml-1.1' } as const;

const scalar = (text: string) => stringify(text, style).trimEnd();
