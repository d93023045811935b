/** Digests that do not depend on the order of keys. */

import { createHash } from 'node:crypto';

/** Hex. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The same JSON value with the keys of every object in order of code units, and none that is undefined. */
export function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (value === null || typeof value !== 'object') return value;
  const object = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(object).filter((key) => object[key] !== undefined);
  return Object.fromEntries(keys.sort().map((key) => [key, withSortedKeys(object[key])]));
}
