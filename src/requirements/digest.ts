/** What makes two files agree: a digest of the requirements that does not depend on the order of keys. */

import { sha256, withSortedKeys } from '../digest.ts';
import type { Requirements } from './requirements.ts';

/** SHA-256 of the JSON with sorted keys, hex. */
export function requirementsDigest(requirements: Requirements): string {
  return sha256(JSON.stringify(withSortedKeys(requirements)));
}
