/** Which image a program runs from. */

import type { Target } from './target.ts';
import type { Program } from './topology.ts';

/** The image of a program: the override, else the engine's own, else `<registry>/<project>/<bundle>:<tag>`. */
export function imageOf(program: Program, target: Target): string {
  const override = target.images[program.kind === 'engine' ? program.program : program.bundle];
  if (override !== undefined) return override;
  if (program.kind === 'engine') return program.image;
  const prefix = target.registry === undefined ? '' : `${target.registry}/`;
  return `${prefix}${target.project}/${program.bundle}:${target.tag}`;
}
