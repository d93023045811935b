/** What makes two files agree: a digest of the requirements that does not depend on the order of keys. */

import { createHash } from 'node:crypto';
import type { Requirements } from './requirements.ts';

/** JSON with sorted keys and no spaces. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
}

/** SHA-256, hex. */
export function requirementsDigest(requirements: Requirements): string {
  return createHash('sha256').update(canonicalJson(requirements)).digest('hex');
}
