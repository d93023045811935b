/** What the bench needs to know of the store, read back from the part's sizing. */

import * as z from 'zod';
import type { Json } from '../../src/pattern.ts';

const sizing = z.looseObject({
  /** `store`: Redis Cluster, which keeps what it acknowledged. `cache`: a ring; nothing there is always a right answer. */
  mode: z.enum(['store', 'cache']),
  /** All data that is kept at once, at the scale of the deployment. */
  totalMiB: z.number().positive(),
});

export type BenchStore = z.infer<typeof sizing>;

/** Throws ZodError when the sizing is none of the pattern's. */
export function storeOf(partSizing: Json): BenchStore {
  return sizing.parse(partSizing);
}
