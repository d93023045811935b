/** dsp doctor: what this machine lacks for a target, and how to mend it. */

import { examine } from '../deploy/doctor.ts';
import type { Check } from '../deploy/doctor-check.ts';
import type { ExitCode } from '../errors.ts';
import { nearestProject } from '../project/find.ts';
import { questionStreams, type Terminal } from '../terminal.ts';
import { place } from './deploy.ts';
import type { TargetName } from './target.ts';

export interface DoctorOptions {
  readonly fix: boolean;
  readonly yes: boolean;
  readonly json: boolean;
  /** The project whose needs are meant; absent: the nearest upwards, if any. */
  readonly project?: string;
  readonly target?: TargetName;
  readonly context?: string;
  readonly namespace?: string;
}

/** 0 when every need is met, else 4. */
export async function runDoctor(options: DoctorOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { cwd, env } = terminal;
  const machine = { project: options.project ?? nearestProject(cwd), cwd, env };
  const target = options.target ?? 'local';
  const look = async () => {
    if (target === 'local') return examine(machine);
    const { examineCluster } = await import('../deploy/kubernetes/doctor.ts');
    return examineCluster({ ...machine, ...place(options), signal: terminal.interrupt });
  };
  let checks = await look();
  if (!options.json) print(checks, terminal);
  if (options.fix && (await fix(checks, options.yes, terminal))) {
    checks = await look();
    if (!options.json) print(checks, terminal);
  }
  const ok = checks.every((check) => check.ok);
  if (options.json) {
    const shown = checks.map(({ id, need, ok, found, mend }) => ({ id, need, ok, found, mend }));
    terminal.json({ schemaVersion: 1, target, ok, checks: shown });
  }
  return ok ? 0 : 4;
}

function print(checks: readonly Check[], terminal: Terminal): void {
  for (const { ok, need, found, mend } of checks) {
    terminal.out(`${ok ? '✓' : '✗'} ${need}: ${found}${mend === null ? '' : `\n    mend: ${mend}`}`);
  }
}

/** Whether anything was tried. */
async function fix(checks: readonly Check[], yes: boolean, terminal: Terminal): Promise<boolean> {
  const { install, installCommand } = await import('../deploy/doctor-fix.ts');
  const isRoot = process.getuid?.() === 0;
  let tried = false;
  for (const check of checks.filter(({ ok, install }) => !ok && install.length > 0)) {
    const command = installCommand(check.install, isRoot);
    if (!yes && !terminal.interactive) {
      terminal.note(`nobody can be asked whether to run \`${command}\`: give --yes`);
      continue;
    }
    if (!yes && !(await agreed(`Run \`${command}\`, without its system daemon?`, terminal))) continue;
    terminal.note(`== ${command}`);
    tried = true;
    if (!(await install(check.install, isRoot, terminal.interrupt))) terminal.note(`\`${command}\` failed`);
  }
  return tried;
}

async function agreed(question: string, terminal: Terminal): Promise<boolean> {
  const { inquirerQuestioner } = await import('./ask.ts');
  const { confirm } = await inquirerQuestioner(questionStreams(), terminal.interrupt);
  return confirm(question);
}
