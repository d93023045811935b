/** `dsp plan`: plans again from dsp.yaml; shows, compares or writes. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { readMeasurements } from '../capacity/measured.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { assemblePlan, isNoPlan } from '../plan/assemble.ts';
import { describeChange, diffPlans } from '../plan/diff.ts';
import { explainPlan } from '../plan/explain.ts';
import { parsePlan } from '../plan/file.ts';
import type { NoPlan, Plan } from '../plan/plan.ts';
import { summarizeNoPlan, summarizePlan } from '../plan/summary.ts';
import { readProjectRequirements } from '../requirements/read.ts';
import type { Terminal } from '../terminal.ts';

export interface PlanOptions {
  readonly project: string;
  readonly json: boolean;
  readonly explain?: string;
  readonly diff: boolean;
  readonly write: boolean;
  /** `key=value`, over dsp.yaml, for this run. */
  readonly set: readonly string[];
}

export async function runPlan(options: PlanOptions, terminal: Terminal): Promise<0 | ExitCode> {
  if (options.write && options.set.length > 0) throw new DspError('input.set-and-write', { set: options.set });
  const requirements = await readProjectRequirements(options.project, catalogue, options.set);
  const measurements = await readMeasurements(options.project);
  const planned = assemblePlan(requirements, catalogue, { dspVersion: packageVersion(), ...measurements });
  if (isNoPlan(planned)) return showNoPlan(planned, options, terminal);
  if (options.write) return write(planned, options, terminal);
  if (options.diff) return compare(planned, options, terminal);
  const why = explained(planned, options.explain);
  if (options.json) terminal.json(planned);
  else terminal.out(options.explain === undefined ? `${summarizePlan(planned)}\n\n${why}` : why);
  return 0;
}

function explained(plan: Plan, part?: string): string {
  const text = explainPlan(plan, part);
  if (text !== null) return text;
  throw new DspError('input.choice', {
    key: '--explain',
    given: part ?? '',
    choices: plan.parts.map(({ name }) => name),
  });
}

function showNoPlan(noPlan: NoPlan, options: PlanOptions, terminal: Terminal): ExitCode {
  if (options.json) terminal.json({ schemaVersion: 1, ...noPlan });
  terminal.note(summarizeNoPlan(noPlan));
  return 3;
}

async function compare(plan: Plan, options: PlanOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const file = join(options.project, 'plan.json');
  const changes = diffPlans(parsePlan(await readFile(file, 'utf8').catch(() => ''), file), plan);
  if (options.json) terminal.json({ schemaVersion: 1, changes });
  else for (const change of changes) terminal.out(describeChange(change));
  if (changes.length === 0) terminal.note('plan.json is the plan of dsp.yaml');
  else terminal.note(`${changes.length} differences; write them with: dsp plan --write`);
  return changes.length === 0 ? 0 : 1;
}

async function write(plan: Plan, options: PlanOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { renderProject } = await import('../project/render.ts');
  const { updateProject } = await import('../project/write.ts');
  const result = await updateProject(options.project, await renderProject(plan, catalogue), {
    signal: terminal.interrupt,
  });
  if (options.json) terminal.json({ schemaVersion: 1, ...result });
  else {
    const { added, replaced, merged, removed, conflicts } = result;
    for (const [mark, paths] of Object.entries({
      '+': added,
      '~': replaced,
      m: merged,
      '-': removed,
      '!': conflicts,
    })) {
      for (const path of paths) terminal.out(`${mark} ${path}`);
    }
    terminal.note(summarizePlan(plan));
    for (const path of conflicts) terminal.note(`conflict: ${path} has your edits; dsp's text is in ${path}.dsp-new`);
  }
  return result.conflicts.length === 0 ? 0 : 1;
}
