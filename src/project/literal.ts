/** JSON as TypeScript literals, the way a formatter would lay them out: the only printer of data into code. */

import type { Json } from '../pattern.ts';

const lineWidth = 120;

/** `value` as an expression; `indent` is that of the line it starts on, `used` the columns before it. */
export function printLiteral(value: Json, indent = 0, used = indent): string {
  const flat = printFlat(value);
  if (!isContainer(value) || (used + flat.length < lineWidth - 1 && flat.length <= 100)) return flat;
  const inner = ' '.repeat(indent + 2);
  const lines = Array.isArray(value)
    ? (value as readonly Json[]).map((item) => `${inner}${printLiteral(item, indent + 2)},`)
    : Object.entries(value).map(([key, item]) => {
        const name = printKey(key);
        return `${inner}${name}: ${printLiteral(item, indent + 2, indent + name.length + 4)},`;
      });
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return `${open}\n${lines.join('\n')}\n${' '.repeat(indent)}${close}`;
}

/** Single quotes; everything that is not printable ASCII is escaped, so no text can end the literal. */
export function printString(text: string): string {
  const body = text.replace(/[^\x20-\x7e]|['\\]/g, (character) =>
    character === "'" || character === '\\'
      ? `\\${character}`
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `'${body}'`;
}

function printFlat(value: Json): string {
  if (typeof value === 'string') return printString(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('a literal number must be finite');
  if (!isContainer(value)) return Object.is(value, -0) ? '0' : String(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(printFlat).join(', ')}]`;
  const entries = Object.entries(value).map(([key, item]) => `${printKey(key)}: ${printFlat(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

function isContainer(value: Json): value is readonly Json[] | { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null;
}

/** `__proto__: x` would set the prototype; a computed key makes it an ordinary one. */
export function printKey(key: string): string {
  if (key === '__proto__') return "['__proto__']";
  return /^[A-Za-z_]\w*$/.test(key) ? key : printString(key);
}
