/** `dsp new`: interview → plan → project. */

import { readdir } from 'node:fs/promises';
import { basename, relative, resolve } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { assemblePlan, isNoPlan } from '../plan/assemble.ts';
import type { Plan } from '../plan/plan.ts';
import { summarizeNoPlan, summarizePlan } from '../plan/summary.ts';
import { type Answers, namePattern, requirementsOf } from '../requirements/assemble.ts';
import { formatRequirements } from '../requirements/format.ts';
import { interview } from '../requirements/interview.ts';
import { forgetPartial, loadPartial, partialPath, savePartial } from '../requirements/partial.ts';
import { readAnswersFile } from '../requirements/read.ts';
import { resolveAnswers } from '../requirements/resolve.ts';
import type { Terminal } from '../terminal.ts';
import { confirm, inquirerAsker } from './ask.ts';

export interface NewOptions {
  readonly dir?: string;
  readonly answers?: string;
  readonly set: readonly string[];
  readonly yes: boolean;
  /** False: never ask. */
  readonly input: boolean;
  readonly json: boolean;
}

export async function runNew(options: NewOptions, terminal: Terminal): Promise<0 | ExitCode> {
  if (options.dir !== undefined) await refuseFilled(resolve(terminal.cwd, options.dir));
  const answers = await gather(options, terminal);
  const requirements = requirementsOf(answers, catalogue);
  const root = resolve(terminal.cwd, options.dir ?? requirements.name);
  await refuseFilled(root);
  const plan = assemblePlan(requirements, catalogue, { dspVersion: packageVersion() });
  if (isNoPlan(plan)) {
    if (options.json) terminal.json({ schemaVersion: 1, ...plan });
    terminal.note(summarizeNoPlan(plan));
    return 3;
  }
  await writeProject(root, plan, answers, terminal);
  await forgetPartial(partialPath(partialDir(options, terminal)));
  tell(root, plan, options, terminal);
  return 0;
}

/** Nobody should answer a dozen questions to hear that the folder will not do. */
async function refuseFilled(root: string): Promise<void> {
  const [first] = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') throw new DspError('project.not-a-folder', { path: root });
    return [];
  });
  if (first !== undefined) throw new DspError('project.not-empty', { dir: root, found: first });
}

const partialDir = (options: NewOptions, terminal: Terminal) => resolve(terminal.cwd, options.dir ?? 'new');

async function gather(options: NewOptions, terminal: Terminal): Promise<Answers> {
  const kept = partialPath(partialDir(options, terminal));
  const asks = options.input && !options.yes && terminal.interactive;
  const file =
    options.answers === undefined
      ? new Map()
      : await readAnswersFile(resolve(terminal.cwd, options.answers), catalogue);
  const resumed = asks ? await resume(kept, terminal) : null;
  const defaultName = nameFor(options, terminal);
  const named = !asks && options.dir !== undefined && defaultName !== undefined;
  const answers = new Map([...(resumed ?? []), ...file]);
  if (named && !answers.has('name')) answers.set('name', { value: defaultName, origin: 'prior' });
  const save = (soFar: Answers) => savePartial(kept, soFar);
  const ask = asks
    ? async (_: readonly string[], soFar: Answers) =>
        interview(soFar, catalogue, await inquirerAsker(terminal.interrupt), save, defaultName ?? 'my-system')
    : undefined;
  const sources = { set: options.set, env: terminal.env, file: answers, yes: options.yes, ...(ask ? { ask } : {}) };
  try {
    return await resolveAnswers({ ...sources, defaultName: defaultName ?? 'my-system' }, catalogue);
  } catch (error) {
    if (error instanceof DspError && error.code === 'interrupted')
      terminal.note(`your answers so far are kept in ${kept}`);
    throw error;
  }
}

function nameFor(options: NewOptions, terminal: Terminal): string | undefined {
  const name = basename(resolve(terminal.cwd, options.dir ?? '.'));
  return namePattern.test(name) ? name : undefined;
}

async function resume(kept: string, terminal: Terminal): Promise<Answers | null> {
  const found = await loadPartial(kept, catalogue);
  if (found === null || found.size === 0) return null;
  terminal.note(`${found.size} answers of an interview that was left are in ${kept}`);
  return (await confirm('Go on from there?')) ? found : null;
}

async function writeProject(root: string, plan: Plan, answers: Answers, terminal: Terminal): Promise<void> {
  const { renderProject } = await import('../project/render.ts');
  const { writeNewProject } = await import('../project/write.ts');
  const project = await renderProject(plan, catalogue);
  const commented = formatRequirements(plan.requirements, catalogue, answers);
  const files = project.files.map((file) => (file.path === 'dsp.yaml' ? { ...file, content: commented } : file));
  await writeNewProject(root, { ...project, files }, { signal: terminal.interrupt });
}

function tell(root: string, plan: Plan, options: NewOptions, terminal: Terminal): void {
  const { cost, local, parts } = plan;
  if (options.json) {
    const named = parts.map(({ name, pattern, machines, usdPerMonth }) => ({ name, pattern, machines, usdPerMonth }));
    terminal.json({
      schemaVersion: 1,
      project: root,
      name: plan.requirements.name,
      parts: named,
      cost,
      localScale: local.scale,
    });
    return;
  }
  terminal.out(summarizePlan(plan));
  const there = relative(terminal.cwd, root) || '.';
  terminal.note(
    `\nwritten to ${there}; next:\n  cd ${there}\n  dsp plan      why it is as it is\n  dsp deploy    start it here\n  dsp bench     prove it`,
  );
}
