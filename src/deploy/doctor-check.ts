/** One thing that a machine has to have, and what was found of it. */

import type { Alternative } from './engines.ts';

export interface Check {
  readonly id: string;
  /** The need, in words. */
  readonly need: string;
  readonly ok: boolean;
  /** What is there. */
  readonly found: string;
  /** The command that mends it; null when it is fine. */
  readonly mend: string | null;
  /** What `--fix` installs for it, the first that is to be had. */
  readonly install: readonly Alternative[];
}
