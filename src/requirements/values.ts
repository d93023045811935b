/** One answer: from text or YAML to a value of its field, or the reason why not. */

import type { Json } from '../pattern.ts';
import type { FieldType } from './fields.ts';
import type { Interval } from './requirements.ts';

export type Checked = { readonly value: Json } | { readonly problem: string };

/** A value as dsp.yaml holds it: a number, {low, mid, high}, a choice, true or false. */
export function checkValue(type: FieldType, given: unknown): Checked {
  switch (type.kind) {
    case 'interval':
      return checkInterval(type, given);
    case 'number':
      return checkNumber(type, given);
    case 'choice': {
      const choices = type.choices.map(({ value }) => value);
      return typeof given === 'string' && choices.includes(given)
        ? { value: given }
        : { problem: `is ${show(given)}; it can be ${choices.join(', ')}` };
    }
    case 'confirm':
      return typeof given === 'boolean' ? { value: given } : { problem: `is ${show(given)}; it can be true or false` };
  }
}

/** A value as --set, the environment or the keyboard gives it; an interval may be `low..high` or `low..mid..high`. */
export function readValue(type: FieldType, text: string): Checked {
  if (type.kind === 'choice') return checkValue(type, text);
  if (type.kind === 'confirm') {
    const yes = ['true', 'yes', 'y'].includes(text.toLowerCase());
    const no = ['false', 'no', 'n'].includes(text.toLowerCase());
    return yes || no ? { value: yes } : { problem: `is ${show(text)}; it can be yes or no` };
  }
  const numbers = text.split('..').map(toNumber);
  if (type.kind === 'number' || numbers.length === 1) {
    return text.includes('..') ? { problem: `is ${show(text)}; it takes one number` } : checkValue(type, numbers[0]);
  }
  const [low, mid, high] = numbers.length === 2 ? [numbers[0], middle(numbers), numbers[1]] : numbers;
  if (numbers.length > 3) return { problem: `is ${show(text)}; an interval is low..high or low..mid..high` };
  return checkValue(type, { low, mid, high });
}

function toNumber(text: string): number {
  return /^[+-]?(\d[\d_]*)(\.\d+)?(e[+-]?\d+)?$/i.test(text.trim())
    ? Number(text.trim().replaceAll('_', ''))
    : Number.NaN;
}

/** Geometric where it can be: a rate between 10 and 1000 is more likely 100 than 505. */
function middle(numbers: readonly number[]): number {
  const [low = Number.NaN, high = Number.NaN] = numbers;
  return low > 0 && high > 0 ? Number(Math.sqrt(low * high).toPrecision(3)) : (low + high) / 2;
}

type Bounds = Extract<FieldType, { kind: 'number' | 'interval' }>;

function checkNumber(type: Bounds, given: unknown): Checked {
  if (typeof given !== 'number' || Number.isNaN(given))
    return { problem: `is ${show(given)}; it takes a number of ${type.unit}` };
  if (!(given >= type.min && given <= type.max)) {
    return { problem: `is ${show(given)}; it can be from ${type.min} to ${type.max} ${type.unit}` };
  }
  if (type.kind === 'number' && type.integer && !Number.isInteger(given))
    return { problem: `is ${given}; it takes a whole number` };
  return { value: given === 0 ? 0 : given };
}

function checkInterval(type: Bounds, given: unknown): Checked {
  if (typeof given === 'number') {
    const checked = checkNumber(type, given);
    return 'problem' in checked ? checked : { value: { low: given, mid: given, high: given } };
  }
  if (!isPlainObject(given)) return { problem: `is ${show(given)}; it takes a number or {low, mid, high}` };
  const extra = Object.keys(given).find((key) => !['low', 'mid', 'high'].includes(key));
  if (extra !== undefined) return { problem: `has ${show(extra)}; an interval has low, mid and high` };
  for (const bound of ['low', 'mid', 'high'] as const) {
    const checked = checkNumber(type, given[bound]);
    if ('problem' in checked) return { problem: `${bound} ${checked.problem}` };
  }
  const { low, mid, high } = given as unknown as Interval;
  if (low > mid || mid > high) return { problem: `has low ${low}, mid ${mid}, high ${high}; they must not fall` };
  return { value: { low, mid, high } };
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Short and on one line, whatever it is. */
export function show(value: unknown): string {
  if (typeof value === 'number') return `${value}`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
