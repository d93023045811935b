/** Which target a command is about: the one that was named, else the one that holds a deployment. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DspError } from '../errors.ts';

export const targets = ['local', 'kubernetes'] as const;
export type TargetName = (typeof targets)[number];

export interface TargetOption {
  readonly project: string;
  readonly target?: TargetName;
}

/** Throws `kubernetes.which-target` when both hold a deployment. */
export function chosenTarget({ project, target }: TargetOption): TargetName {
  if (target !== undefined) return target;
  if (!existsSync(join(project, '.dsp', 'kubernetes', 'deployment.json'))) return 'local';
  if (existsSync(join(project, '.dsp', 'run', 'state.json'))) throw new DspError('kubernetes.which-target', {});
  return 'kubernetes';
}
