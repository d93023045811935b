/**
 * Where modules are that are found by name: a pattern's workload and invariants, and what threads start from. They are
 * files of their own whether this code runs from source, compiled, or bundled into the command.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Invariants } from '../checkers/invariant.ts';
import { packageRoot } from '../package-root.ts';

const fromSource = import.meta.url.endsWith('.ts');

/** `file:` URL of a module of a pattern, given without its extension. */
export function patternModuleUrl(patternId: string, module: string): string {
  return moduleUrl(`templates/${patternId}/${module}`).href;
}

/** `file:` URL of a module of the bench that a thread starts from. */
export function benchModuleUrl(name: string): URL {
  return moduleUrl(`src/bench/${name}`);
}

function moduleUrl(path: string): URL {
  const file = fromSource ? `${path}.ts` : `dist/${path}.js`;
  return pathToFileURL(join(packageRoot(), file));
}

/** The default export of a pattern's invariants module. */
export async function loadInvariants(patternId: string, module: string): Promise<Invariants> {
  const loaded: { default: Invariants } = await import(patternModuleUrl(patternId, module));
  return loaded.default;
}
