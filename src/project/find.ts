/** Where a project is. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What makes a folder a project. */
export const requirementsPath = 'dsp.yaml';

/** Whether `dir` is a project's folder. */
export function isProject(dir: string): boolean {
  return existsSync(join(dir, requirementsPath));
}

/** The folder itself or the nearest above it that holds a project; null: none. */
export function nearestProject(from: string): string | null {
  for (let dir = from; ; dir = dirname(dir)) {
    if (isProject(dir)) return dir;
    if (dirname(dir) === dir) return null;
  }
}
