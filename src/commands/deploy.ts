/** dsp deploy: build and start the system on this machine, or change what changed. */

import { catalogue } from '../../templates/index.ts';
import { systemClock } from '../clock.ts';
import type { Deployment } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import { DspError, type ExitCode } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import { checkProject } from '../project/state.ts';
import type { Terminal } from '../terminal.ts';

export interface DeployOptions {
  readonly project: string;
  /** 0 < scale ≤ 1; absent: the plan's own. */
  readonly scale?: number;
  readonly json: boolean;
}

/** Refuses with `project.disagrees` when dsp.yaml, plan.json and the files do not belong together. */
export async function runDeploy(options: DeployOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const plan = await planToDeploy(options);
  const deployment = await deployLocal(options.project, plan, {
    clock: systemClock,
    signal: terminal.interrupt,
    report: terminal.note,
    build: true,
  });
  if (options.json) {
    const { schemaVersion, target, scale, endpoints } = deployment;
    terminal.json({ schemaVersion, target, scale, endpoints });
  } else {
    print(deployment, terminal);
  }
  return 0;
}

async function planToDeploy({ project, scale }: DeployOptions): Promise<Plan> {
  const { plan } = await checkProject(project, catalogue);
  if (scale === undefined || scale === plan.local.scale) return plan;
  const { assemblePlan, isNoPlan } = await import('../plan/assemble.ts');
  const rescaled = assemblePlan(plan.requirements, catalogue, { dspVersion: plan.dspVersion, scale });
  if (isNoPlan(rescaled)) throw new DspError('plan.unreadable', { problem: 'its requirements give no plan any more' });
  return rescaled;
}

function print({ name, scale, endpoints, instances }: Deployment, terminal: Terminal): void {
  const width = Math.max(0, ...Object.keys(endpoints).map(({ length }) => length));
  for (const [part, url] of Object.entries(endpoints)) terminal.out(`${part.padEnd(width)}  ${url}`);
  terminal.note(`${name} runs: ${instances.length} processes at scale ${scale}`);
  terminal.note('next: `dsp bench` · `dsp status` · `dsp logs -f` · stop it with `dsp destroy`');
}
