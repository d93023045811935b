/** Whether dsp.yaml, plan.json and the files of a project belong together: what `deploy` and CI ask first. */

import { join } from 'node:path';
import { measuredFile, readMeasurements } from '../capacity/measured.ts';
import { withSortedKeys } from '../digest.ts';
import { DspError } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import type { Catalogue } from '../pattern.ts';
import { assemblePlan, isNoPlan } from '../plan/assemble.ts';
import { formatPlan, parsePlan } from '../plan/file.ts';
import type { Plan } from '../plan/plan.ts';
import { requirementsDigest } from '../requirements/digest.ts';
import { readProjectRequirements } from '../requirements/read.ts';
import { find, textOf } from './files.ts';
import { isUnfinished } from './journal.ts';
import { conflictPath, manifestPath, parseManifest, planPath } from './manifest.ts';
import type { Manifest } from './project.ts';

export interface Disagreement {
  readonly problem: string;
  /** The command or edit that mends it. */
  readonly mend: string;
}

export interface ProjectState {
  /** As plan.json has it; null when that is missing. */
  readonly plan: Plan | null;
  /** Empty when everything agrees. */
  readonly disagreements: readonly Disagreement[];
}

const writeAgain = 'dsp plan --write';

/**
 * Compares, and changes nothing. The user's edits are allowed; missing files, open conflicts and a plan that does not
 * follow from dsp.yaml are not. Throws what reading dsp.yaml or plan.json throws.
 */
export async function inspectProject(root: string, catalogue: Catalogue): Promise<ProjectState> {
  const text = await textOf(join(root, planPath));
  const plan = text === null ? null : parsePlan(text, join(root, planPath));
  if (await isUnfinished(root)) {
    return { plan, disagreements: [{ problem: 'a write of the project was cut short', mend: writeAgain }] };
  }
  const disagreements = [
    ...(plan === null ? [missing([planPath])] : await planDisagreements(root, plan, catalogue)),
    ...(await fileDisagreements(root, plan)),
  ];
  return { plan, disagreements };
}

/** The plan of a project whose parts agree. Throws `project.disagrees` with the command that mends it. */
export async function checkProject(root: string, catalogue: Catalogue): Promise<{ readonly plan: Plan }> {
  const { plan, disagreements } = await inspectProject(root, catalogue);
  if (plan !== null && disagreements.length === 0) return { plan };
  const mends = [...new Set(disagreements.map(({ mend }) => mend))];
  const problems = disagreements.map(({ problem }) => problem);
  throw new DspError('project.disagrees', { disagreements: problems, command: mends.join(', then ') }, { where: root });
}

/** plan.json as it is, whatever else the project says. Throws `plan.unreadable`. */
export async function readPlan(root: string): Promise<Plan> {
  return parsePlan((await textOf(join(root, planPath))) ?? '', join(root, planPath));
}

async function planDisagreements(root: string, plan: Plan, catalogue: Catalogue): Promise<readonly Disagreement[]> {
  const requirements = await readProjectRequirements(root, catalogue, []);
  if (requirementsDigest(requirements) !== plan.requirementsDigest) {
    return [{ problem: 'dsp.yaml has changed since plan.json was made', mend: writeAgain }];
  }
  // A new version that plans the same is no disagreement.
  const measurements = await readMeasurements(root);
  const again = assemblePlan(requirements, catalogue, { dspVersion: plan.dspVersion, ...measurements });
  if (isNoPlan(again)) return [{ problem: 'no plan meets dsp.yaml any more', mend: 'dsp plan' }];
  if (formatPlan(again) === formatPlan(plan)) return [];
  const timesOf = ({ measured = {}, downtimes = {} }: Plan) => JSON.stringify(withSortedKeys({ measured, downtimes }));
  if (timesOf(again) !== timesOf(plan)) {
    return [{ problem: `${measuredFile} has changed since plan.json was made`, mend: writeAgain }];
  }
  const version = packageVersion();
  return plan.dspVersion === version
    ? [{ problem: 'plan.json is not the plan of dsp.yaml: it was edited', mend: writeAgain }]
    : [{ problem: `plan.json is by dsp ${plan.dspVersion}; dsp ${version} plans otherwise`, mend: 'dsp upgrade' }];
}

async function fileDisagreements(root: string, plan: Plan | null): Promise<readonly Disagreement[]> {
  const manifest = parseManifest((await textOf(join(root, manifestPath))) ?? '');
  if (manifest === null) return [{ problem: `${manifestPath} is missing or unreadable`, mend: writeAgain }];
  const found: Disagreement[] = [];
  if (plan !== null && manifest.requirementsDigest !== plan.requirementsDigest) {
    found.push({ problem: 'the generated files are not those of plan.json', mend: writeAgain });
  }
  const absent = await pathsThat(manifest, async (path) => (await find(join(root, path))).kind === 'absent');
  if (absent.length > 0) found.push(missing(absent));
  const open = await pathsThat(
    manifest,
    async (path) => (await find(join(root, conflictPath(path)))).kind !== 'absent',
  );
  for (const path of open) {
    const mend = `take what you want from ${conflictPath(path)} into ${path}, then delete it`;
    found.push({ problem: `${path} has a conflict that is open`, mend });
  }
  return found;
}

async function pathsThat(manifest: Manifest, holds: (path: string) => Promise<boolean>): Promise<readonly string[]> {
  const found = await Promise.all(manifest.files.map(async ({ path }) => ((await holds(path)) ? [path] : [])));
  return found.flat();
}

function missing(paths: readonly string[]): Disagreement {
  const [first, ...others] = paths;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  return { problem: `${first}${more} ${others.length > 0 ? 'are' : 'is'} missing`, mend: writeAgain };
}
