/** Where a pattern's workload and invariants are, whether this code runs compiled or from source. */

import type { Invariants } from '../checkers/invariant.ts';

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** `file:` URL of a module of a pattern, given without its extension. */
export function patternModuleUrl(patternId: string, module: string): string {
  return new URL(`../../templates/${patternId}/${module}${extension}`, import.meta.url).href;
}

/** `file:` URL of a module of the bench that a thread starts from. */
export function benchModuleUrl(name: string): URL {
  return new URL(`./${name}${extension}`, import.meta.url);
}

/** The default export of a pattern's invariants module. */
export async function loadInvariants(patternId: string, module: string): Promise<Invariants> {
  const loaded: { default: Invariants } = await import(patternModuleUrl(patternId, module));
  return loaded.default;
}
