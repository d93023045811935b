/** The catalogue: one line a pattern. */

import type { Catalogue } from '../src/pattern.ts';

export const catalogue: Catalogue = [];
