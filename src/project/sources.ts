/**
 * Files that a project gets byte for byte: read from where dsp is installed. One after another, without a thread for each:
 * hundreds of small files take less time so than the threads' wake-ups do.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

export interface Source {
  /** Relative to the folder that was read, `/` as separator. */
  readonly path: string;
  readonly content: string;
}

/** The text of one file of the package; `path` is relative to its root. */
export function readSource(path: string): string {
  return readFileSync(join(packageRoot(), path), 'utf8');
}

/**
 * Every file below `folder` (relative to the package's root) that is `wanted`, sorted by path; not what npm, git or an
 * editor put there.
 */
export function readSources(folder: string, wanted: (path: string) => boolean = () => true): readonly Source[] {
  const paths = filesBelow(join(packageRoot(), folder), '').filter(wanted);
  return paths.sort(byCodeUnits).map((path) => ({ path, content: readSource(`${folder}/${path}`) }));
}

/** The same order everywhere, whatever the locale. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function filesBelow(dir: string, prefix: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.name === 'package-lock.json') return [];
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) return filesBelow(join(dir, entry.name), `${path}/`);
    return /\.(ts|mjs|json|md|lua|yaml)$/.test(entry.name) ? [path] : [];
  });
}
