/** Files that a project gets byte for byte: read from where dsp is installed. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

export interface Source {
  /** Relative to the folder that was read, `/` as separator. */
  readonly path: string;
  readonly content: string;
}

/** The text of one file of the package; `path` is relative to its root. */
export async function readSource(path: string): Promise<string> {
  return readFile(join(packageRoot(), path), 'utf8');
}

/** Every file below `folder` (relative to the package's root), sorted by path; not what npm, git or an editor put there. */
export async function readSources(folder: string): Promise<readonly Source[]> {
  const paths = await filesBelow(join(packageRoot(), folder), '');
  return Promise.all(
    paths.sort(byCodeUnits).map(async (path) => ({ path, content: await readSource(`${folder}/${path}`) })),
  );
}

/** The same order everywhere, whatever the locale. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function filesBelow(dir: string, prefix: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.name === 'package-lock.json') return [];
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory()) return filesBelow(join(dir, entry.name), `${path}/`);
      return /\.(ts|mjs|json|md|lua|yaml)$/.test(entry.name) ? [path] : [];
    }),
  );
  return found.flat();
}
