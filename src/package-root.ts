/** Where this package is installed: raw template files are read from there, whether the code runs from src or dist. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let found: string | undefined;

/** Absolute path of the folder of dsp's package.json. */
export function packageRoot(): string {
  found ??= search(dirname(fileURLToPath(import.meta.url)));
  return found;
}

function search(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    const manifest = join(dir, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'dsp') return dir;
    if (dirname(dir) === dir) throw new Error(`no package.json of dsp above ${from}`);
  }
}

/** What of dsp's own package.json its code reads. */
export interface PackageManifest {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly devDependencies: Readonly<Record<string, string>>;
}

export function packageManifest(): PackageManifest {
  return JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
}

/** The version of this dsp. */
export function packageVersion(): string {
  return packageManifest().version;
}
