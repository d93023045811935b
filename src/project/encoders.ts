/**
 * The only way from a value into a generated text: one encoder a context. Each either represents the value so that a
 * reader of that context gets exactly it back as data, or refuses.
 */

import type { DspError } from '../errors.ts';
import type { Json } from '../pattern.ts';
import { printLiteral } from './literal.ts';
import { unsafe } from './unsafe.ts';

export type Encoder = (value: unknown) => string;

export const encoders = {
  /** A JSON value. */
  json: (value: unknown) => escapeUnusual(JSON.stringify(asJson(value, 'json'))),
  /** A YAML value in flow style; JSON's double quotes are YAML's. */
  yaml: (value: unknown) => escapeUnusual(JSON.stringify(asJson(value, 'yaml'))),
  /** One word of a line-based configuration file; booleans are yes and no. */
  conf: (value: unknown) => {
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    return word(value, 'conf', /^[\w.:/@%+*-]+$/, 'letters, digits and . : / @ % + * - _');
  },
  /** The value in a line NAME=value of an environment file. */
  env: (value: unknown) => word(value, 'env', /^[\w.:/@%+*,=-]*$/, 'letters, digits and . : / @ % + * , = - _'),
  /** One word of a Dockerfile's instruction. */
  dockerfile: (value: unknown) => word(value, 'dockerfile', /^[\w.:/@-]+$/, 'letters, digits and . : / @ - _'),
  /** Running text in Markdown; no link, tag or emphasis can come of it. */
  markdown: (value: unknown) =>
    oneLine(value, 'markdown')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replace(/[\\`*_[\]|~$]/g, '\\$&')
      .replace(/^[-=+#]/, '\\$&')
      .replace(/^(\d+)([.)])(?=\s|$)/, '$1\\$2')
      .replace(/:\/\//g, '&#58;//')
      .replace(/www\./gi, (found) => `${found.slice(0, 3)}&#46;`),
  /** A label between double quotes in a Mermaid diagram. */
  mermaid: (value: unknown) =>
    oneLine(value, 'mermaid').replace(/[^\w .,:%×·-]/gu, (character) => `#${character.codePointAt(0)};`),
  /** A literal in TypeScript. */
  ts: (value: unknown) => printLiteral(asJson(value, 'ts')),
} satisfies Record<string, Encoder>;

/** JSON's own values only: numbers are finite, nothing is undefined. */
function asJson(value: unknown, context: string): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item) => asJson(item, context));
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asJson(item, context)]));
  }
  throw refusal(context, value, 'JSON with finite numbers');
}

function word(value: unknown, context: string, allowed: RegExp, words: string): string {
  const text = typeof value === 'number' && Number.isFinite(value) ? plainNumber(value) : value;
  if (typeof text !== 'string' || !allowed.test(text)) throw refusal(context, value, words);
  return text;
}

/** Without an exponent: engines read 1000000, not 1e6. */
function plainNumber(value: number): string {
  const text = String(value);
  return /e/.test(text) ? BigInt(Math.round(value)).toString() : text;
}

/** Prose on one line: white space runs become one space; what cannot be seen is refused. */
function oneLine(value: unknown, context: string): string {
  if (typeof value !== 'string' && typeof value !== 'number') throw refusal(context, value, 'text');
  const text = String(value).replace(/\s+/gu, ' ').trim();
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/u.test(text)) throw refusal(context, value, 'text without control characters');
  return text;
}

/** Everything that some reader could take for a line's end or for nothing at all, as \uXXXX. */
function escapeUnusual(json: string): string {
  return json.replace(/[^\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\u205e\u20a0-\ud7ff\uf900-\ufdff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function refusal(context: string, value: unknown, allowed: string): DspError {
  return unsafe(`a ${context} value`, value, allowed);
}
