/** `dsp new`: interview → plan → project. */

import { basename, relative, resolve } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { assemblePlan, isNoPlan } from '../plan/assemble.ts';
import type { NoPlan, Plan } from '../plan/plan.ts';
import { summarizeNoPlan, summarizePlan } from '../plan/summary.ts';
import { isEmptyFolder } from '../project/staging.ts';
import { type Answer, type Answers, namePattern, requirementsOf } from '../requirements/assemble.ts';
import { interview } from '../requirements/interview.ts';
import { forgetPartial, loadPartial, partialPath, savePartial } from '../requirements/partial.ts';
import { readAnswersFile } from '../requirements/read.ts';
import { resolveAnswers } from '../requirements/resolve.ts';
import { questionStreams, type Terminal } from '../terminal.ts';
import { inquirerQuestioner, type Questioner } from './ask.ts';

export interface NewOptions {
  readonly dir?: string;
  readonly answers?: string;
  readonly set: readonly string[];
  readonly yes: boolean;
  /** False: never ask. */
  readonly input: boolean;
  readonly json: boolean;
}

/** How the user is asked; passed in by tests. */
export type OpenQuestioner = (signal: AbortSignal) => Promise<Questioner>;

const onTerminal: OpenQuestioner = (signal) => inquirerQuestioner(questionStreams(), signal);

export async function runNew(
  options: NewOptions,
  terminal: Terminal,
  openQuestioner: OpenQuestioner = onTerminal,
): Promise<0 | ExitCode> {
  const given = options.dir === undefined ? null : resolve(terminal.cwd, options.dir);
  // Nobody should answer a dozen questions to hear that the folder will not do.
  if (given !== null) await isEmptyFolder(given);
  const kept = partialPath(given, terminal.cwd);
  const { answers, asked } = await gather(options, given, kept, terminal, openQuestioner);
  const requirements = requirementsOf(answers, catalogue);
  const root = given ?? resolve(terminal.cwd, requirements.name);
  await isEmptyFolder(root);
  const plan = assemblePlan(requirements, catalogue, { dspVersion: packageVersion() });
  if (isNoPlan(plan)) return tellNoPlan(plan, asked ? kept : null, options, terminal);
  await writeProject(root, plan, answers, terminal);
  if (asked || answersPath(options, terminal) === kept) await forgetPartial(kept);
  tell(root, plan, options, terminal);
  return 0;
}

interface Gathered {
  readonly answers: Answers;
  /** Whether somebody was asked, so that answers are kept. */
  readonly asked: boolean;
}

async function gather(
  options: NewOptions,
  root: string | null,
  kept: string,
  terminal: Terminal,
  openQuestioner: OpenQuestioner,
): Promise<Gathered> {
  const path = answersPath(options, terminal);
  const answers = new Map(path === null ? [] : await readAnswersFile(path, catalogue));
  const name: Answer = { value: folderName(root ?? terminal.cwd) ?? 'my-system', origin: 'prior' };
  // A folder that was named names the project.
  if (root !== null && folderName(root) !== null && !answers.has('name')) answers.set('name', name);
  const sources = { set: options.set, env: terminal.env, yes: options.yes, defaultName: name.value as string };
  if (options.yes || !options.input || !terminal.interactive) {
    return { answers: await resolveAnswers({ ...sources, file: answers }, catalogue), asked: false };
  }
  let asked = false;
  const ask = async (soFar: Answers) => {
    asked = true;
    return askRest(soFar, { root, kept, defaultName: sources.defaultName, terminal, openQuestioner });
  };
  return { answers: await resolveAnswers({ ...sources, file: answers, ask }, catalogue), asked };
}

function answersPath({ answers }: NewOptions, terminal: Terminal): string | null {
  return answers === undefined ? null : resolve(terminal.cwd, answers);
}

interface Asking {
  readonly root: string | null;
  readonly kept: string;
  readonly defaultName: string;
  readonly terminal: Terminal;
  readonly openQuestioner: OpenQuestioner;
}

async function askRest(
  soFar: Answers,
  { root, kept, defaultName, terminal, openQuestioner }: Asking,
): Promise<Answers> {
  const name = soFar.get('name')?.value as string | undefined;
  if (root === null && name !== undefined) await isEmptyFolder(resolve(terminal.cwd, name));
  const { ask, confirm } = await openQuestioner(terminal.interrupt);
  let saved = false;
  const onAnswer = async (answers: Answers) => {
    // Not being able to keep the answers is no reason to stop asking.
    saved = await savePartial(kept, answers).then(
      () => true,
      () => false,
    );
  };
  const nameTaken = root === null ? (text: string) => problemOf(resolve(terminal.cwd, text)) : undefined;
  try {
    const resumed = await resume(kept, confirm, terminal);
    saved = resumed.size > 0;
    const options = { catalogue, ask, onAnswer, defaultName, ...(nameTaken ? { nameTaken } : {}) };
    return await interview(new Map([...resumed, ...soFar]), options);
  } catch (error) {
    if (error instanceof DspError && error.code === 'interrupted' && saved) {
      terminal.note(`\nyour answers so far are in ${kept}; the same command goes on from there`);
    }
    throw error;
  }
}

async function resume(kept: string, confirm: Questioner['confirm'], terminal: Terminal): Promise<Answers> {
  const found = await loadPartial(kept, catalogue);
  if (found === null) return new Map();
  terminal.note(`${found.size} answers of an interview that was left are in ${kept}`);
  return (await confirm('Go on from there?')) ? found : new Map();
}

/** Why the folder will not do, or null. */
function problemOf(root: string): Promise<string | null> {
  return isEmptyFolder(root).then(
    () => null,
    (error: Error) => error.message,
  );
}

/** The folder's name as a project's: `My_App` is my-app. Null when nothing of it will do. */
function folderName(root: string): string | null {
  const plain = basename(root)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  const name = plain
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return namePattern.test(name) ? name : null;
}

/** The answers of an interview are kept: one of them is to be relaxed, not all to be given again. */
function tellNoPlan(plan: NoPlan, kept: string | null, options: NewOptions, terminal: Terminal): ExitCode {
  if (options.json) terminal.json({ schemaVersion: 1, ...plan });
  terminal.note(summarizeNoPlan(plan));
  if (kept !== null) {
    const again = ['dsp new', ...(options.dir === undefined ? [] : [quoted(options.dir)]), `--answers ${quoted(kept)}`];
    const { key, to } = plan.relax[0] ?? { key: 'cost.usdPerMonth', to: '…' };
    terminal.note(`\nyour answers are kept; change one with: ${again.join(' ')} --set ${key}=${to}`);
  }
  return 3;
}

async function writeProject(root: string, plan: Plan, answers: Answers, terminal: Terminal): Promise<void> {
  const { renderProject } = await import('../project/render.ts');
  const { writeNewProject } = await import('../project/write.ts');
  await writeNewProject(root, await renderProject(plan, catalogue, { answers }), { signal: terminal.interrupt });
}

function tell(root: string, plan: Plan, options: NewOptions, terminal: Terminal): void {
  const { cost, local, tightest } = plan;
  if (options.json) {
    const parts = plan.parts.map(({ name, pattern, machines, usdPerMonth }) => ({
      name,
      pattern,
      machines,
      usdPerMonth,
    }));
    const summary = { parts, edges: plan.edges, cost, tightest, localScale: local.scale };
    terminal.json({ schemaVersion: 1, project: root, name: plan.requirements.name, ...summary });
    return;
  }
  terminal.out(summarizePlan(plan));
  const there = quoted(relative(terminal.cwd, root) || '.');
  terminal.note(
    `\nwritten to ${there}; next:\n  cd ${there}\n  dsp plan      why it is as it is\n  dsp deploy    start it here\n  dsp bench     prove it`,
  );
}

/** For a POSIX shell. */
const quoted = (path: string) => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
