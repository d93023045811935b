/** Requirements → dsp.yaml: commented, so that it can be edited by hand. */

import { stringify } from 'yaml';
import type { Catalogue, Json } from '../pattern.ts';
import { type Answers, allFields } from './assemble.ts';
import type { Field } from './fields.ts';
import type { Interval, Requirements } from './requirements.ts';

const header = `# What the system has to do: dsp plans from this file. Edit it, then: dsp plan --write
# A number may be unsure: {low: 10, mid: 20, high: 50}. "unknown" takes the default that its comment names.
schemaVersion: 1`;

/**
 * The file's text; `parseAnswers` reads it back to the same requirements. `answers`, where given, tells which values
 * nobody answered, and their comments say so.
 */
export function formatRequirements(requirements: Requirements, catalogue: Catalogue, answers?: Answers): string {
  const needs = catalogue.filter((pattern) => requirements.needs.includes(pattern.need.id));
  const sections = new Map<string, Field[]>();
  for (const field of allFields(needs)) {
    const section = field.key.slice(0, field.key.lastIndexOf('.'));
    sections.set(section, [...(sections.get(section) ?? []), field]);
  }
  const general = [...sections].filter(([section]) => !section.startsWith('options.'));
  const options = [...sections].filter(([section]) => section.startsWith('options.'));
  const text = [
    header,
    `name: ${scalar(requirements.name)}`,
    `# What it does:\n${catalogue.map(({ need }) => `#   ${need.id}: ${need.words}`).join('\n')}`,
    `needs: [${requirements.needs.map(scalar).join(', ')}]`,
    ...general.map(([section, list]) => block(section, list, requirements, answers, '')),
    ...(options.length > 0 ? ['', 'options:'] : []),
    ...options.map(([section, list]) => block(section.slice('options.'.length), list, requirements, answers, '  ')),
    `\n# More objectives in k6's form, e.g. http_req_duration{operation:read}: ["p(95)<20"]`,
    Object.keys(requirements.slo).length === 0 ? 'slo: {}' : stringify({ slo: requirements.slo }).trimEnd(),
  ];
  return `${text.join('\n')}\n`;
}

function block(
  title: string,
  list: readonly Field[],
  requirements: Requirements,
  answers: Answers | undefined,
  indent: string,
): string {
  const lines = list.flatMap((field) => {
    const key = field.key.slice(field.key.lastIndexOf('.') + 1);
    return [
      `${indent}  # ${comment(field, answers)}`,
      `${indent}  ${key}: ${inline(valueAt(requirements, field.key))}`,
    ];
  });
  return [`${indent === '' ? '\n' : ''}${indent}${title}:`, ...lines].join('\n');
}

function comment(field: Field, answers: Answers | undefined): string {
  const unit = 'unit' in field.type ? ` [${field.type.unit}]` : '';
  const choices = field.type.kind === 'choice' ? ` (${field.type.choices.map(({ value }) => value).join(', ')})` : '';
  const guess = answers?.get(field.key)?.origin;
  const assumed = answers !== undefined && (guess === undefined || guess === 'prior');
  return `${field.ask}${unit}${choices} → ${field.feeds}${assumed ? `. Assumed: ${field.priorSource}` : ''}`;
}

function valueAt(requirements: Requirements, key: string): Json {
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

const scalar = (text: string) => stringify(text, { lineWidth: 0 }).trimEnd();
