/** The golden scenarios: a dsp.yaml each, planned and rendered with the real catalogue. */

import { existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../../../src/package-root.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import type { Project } from '../../../src/project/project.ts';
import { renderProject } from '../../../src/project/render.ts';
import { readProjectRequirements } from '../../../src/requirements/read.ts';
import { catalogue } from '../../../templates/index.ts';

export const goldenFolder = join(packageRoot(), 'test/golden');

export const scenarios = readdirSync(goldenFolder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(goldenFolder, entry.name, 'dsp.yaml')))
  .map((entry) => entry.name)
  .sort();

/** As `dsp new` would plan it; `dspVersion` stays put so that a new version changes no golden file. */
export async function planScenario(name: string, dspVersion = packageVersion()): Promise<Plan> {
  const requirements = await readProjectRequirements(join(goldenFolder, name), catalogue);
  const plan = assemblePlan(requirements, catalogue, { dspVersion });
  if (isNoPlan(plan)) throw new Error(`${name}: ${JSON.stringify(plan.rejected)}`);
  return plan;
}

export async function renderScenario(name: string, dspVersion?: string): Promise<Project> {
  return renderProject(await planScenario(name, dspVersion), catalogue);
}

/**
 * Stands in for `npm install`: the packages of this repository, and the project's own workspaces where npm would link
 * them. The project's kit and services are the emitted ones, not those of templates/.
 */
export function linkPackages(root: string): void {
  const ours = join(packageRoot(), 'node_modules');
  const modules = join(root, 'node_modules');
  mkdirSync(join(modules, '@dsp'), { recursive: true });
  const shared = readdirSync(ours).filter((name) => name !== '@dsp' && name !== '.cache');
  for (const name of shared) symlinkSync(join(ours, name), join(modules, name));
  for (const name of readdirSync(join(ours, '@dsp'))) {
    const emitted = readlinkSync(join(ours, '@dsp', name)).replace(/^.*templates\//, '');
    const folder = emitted === 'kit' ? 'kit' : join('patterns', emitted);
    if (!existsSync(join(root, folder))) continue;
    symlinkSync(join(root, folder), join(modules, '@dsp', name));
    const nested = join(packageRoot(), 'templates', emitted, 'node_modules');
    if (existsSync(nested)) symlinkSync(nested, join(root, folder, 'node_modules'));
  }
}
