/** One answer: from text or YAML to a value of its field, or the reason why not. */

import type { Json } from '../pattern.ts';
import type { FieldType } from './fields.ts';
import { exactly, type Interval } from './requirements.ts';
import { show } from './words.ts';

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
export function readValue(type: FieldType, given: string): Checked {
  const text = given.trim();
  if (type.kind === 'choice') return checkValue(type, text);
  if (type.kind === 'confirm') {
    const yes = ['true', 'yes', 'y'].includes(text.toLowerCase());
    const no = ['false', 'no', 'n'].includes(text.toLowerCase());
    return yes || no ? { value: yes } : { problem: `is ${show(text)}; it can be yes or no` };
  }
  const single = toNumber(text);
  if (single !== null) return checkValue(type, single);
  if (type.kind === 'number') return { problem: `is ${show(text)}; it takes a number of ${type.unit}` };
  const bounds = text.split('..').map(toNumber);
  const [first = null, second = null, third = null] = bounds;
  if (first === null || second === null || bounds.length > 3 || (bounds.length === 3 && third === null)) {
    return { problem: `is ${show(text)}; it takes a number of ${type.unit}, low..high or low..mid..high` };
  }
  return checkValue(type, third === null ? { low: first, high: second } : { low: first, mid: second, high: third });
}

/** A decimal number, `_` between digits allowed; null for anything else, `Infinity` and `0x10` too. */
function toNumber(text: string): number | null {
  const decimal = /^[+-]?(\d+(_\d+)*(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i;
  return decimal.test(text.trim()) ? Number(text.trim().replaceAll('_', '')) : null;
}

/** Geometric where it can be: a rate between 10 and 1000 is more likely 100 than 505. */
function middle(low: number, high: number): number {
  const mid = low > 0 && high > 0 ? Number(Math.sqrt(low * high).toPrecision(3)) : (low + high) / 2;
  // Rounding must not lead out of a narrow interval.
  return Math.min(Math.max(mid, low), high);
}

type Bounds = Extract<FieldType, { kind: 'number' | 'interval' }>;

function checkNumber(type: Bounds, given: unknown): { readonly value: number } | { readonly problem: string } {
  if (typeof given !== 'number' || Number.isNaN(given))
    return { problem: `is ${show(given)}; it takes a number of ${type.unit}` };
  if (!(given >= type.min && given <= type.max)) {
    return { problem: `is ${show(given)}; it can be from ${type.min} to ${type.max} ${type.unit}` };
  }
  if (type.kind === 'number' && type.integer && !Number.isInteger(given))
    return { problem: `is ${given}; it takes a whole number` };
  // Not -0, which equals 0 and is not the same.
  return { value: given === 0 ? 0 : given };
}

function checkInterval(type: Bounds, given: unknown): Checked {
  if (typeof given === 'number') {
    const checked = checkNumber(type, given);
    return 'problem' in checked ? checked : { value: exactly(checked.value) as unknown as Json };
  }
  if (!isPlainObject(given)) {
    return { problem: `is ${show(given)}; it takes a number of ${type.unit} or {low, mid, high}` };
  }
  const extra = Object.keys(given).find((key) => !['low', 'mid', 'high'].includes(key));
  if (extra !== undefined) return { problem: `has ${show(extra)}; an interval has low, mid and high` };
  const lacking = ['low', 'high'].find((bound) => given[bound] === undefined);
  if (lacking !== undefined) return { problem: `has no ${lacking}; an interval has low, mid and high` };
  const low = checkNumber(type, given.low);
  if ('problem' in low) return { problem: `has a low that ${low.problem}` };
  const high = checkNumber(type, given.high);
  if ('problem' in high) return { problem: `has a high that ${high.problem}` };
  const mid = checkNumber(type, given.mid === undefined ? middle(low.value, high.value) : given.mid);
  if ('problem' in mid) return { problem: `has a mid that ${mid.problem}` };
  return ordered({ low: low.value, mid: mid.value, high: high.value });
}

function ordered({ low, mid, high }: Interval): Checked {
  if (low > high) return { problem: `has low ${low} above high ${high}` };
  if (mid < low || mid > high) return { problem: `has mid ${mid} outside of ${low} to ${high}` };
  return { value: { low, mid, high } };
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
