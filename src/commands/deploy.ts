/** dsp deploy: build and start the system on this machine, or change what changed. */

import { catalogue } from '../../templates/index.ts';
import { systemClock } from '../clock.ts';
import type { Deployment, Instrumentation } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import type { ExitCode } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import { checkProject } from '../project/state.ts';
import { reachOfPhases } from '../requirements/faults.ts';
import type { Terminal } from '../terminal.ts';

export interface DeployOptions {
  readonly project: string;
  /** 0 < scale ≤ 1; absent: the plan's own. */
  readonly scale?: number;
  /** Absent: when a fault of dsp.yaml needs them, else as it is now. */
  readonly instruments?: Instrumentation;
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
    ...instrumentedBy(options, plan),
  });
  if (options.json) {
    const { schemaVersion, target, scale, endpoints } = deployment;
    terminal.json({ schemaVersion, target, scale, endpoints });
  } else {
    print(deployment, terminal);
  }
  return 0;
}

function instrumentedBy({ instruments }: DeployOptions, plan: Plan): { readonly instrumented?: Instrumentation } {
  if (instruments !== undefined) return { instrumented: instruments };
  const needed = reachOfPhases(plan.requirements.faults ?? []);
  return needed === 'none' ? {} : { instrumented: needed };
}

async function planToDeploy({ project, scale }: DeployOptions): Promise<Plan> {
  const { plan } = await checkProject(project, catalogue);
  if (scale === undefined) return plan;
  const { planAtScale } = await import('./plan-at-scale.ts');
  return planAtScale(plan, catalogue, scale);
}

function print({ name, scale, endpoints, instances }: Deployment, terminal: Terminal): void {
  const width = Math.max(0, ...Object.keys(endpoints).map(({ length }) => length));
  for (const [part, url] of Object.entries(endpoints)) terminal.out(`${part.padEnd(width)}  ${url}`);
  terminal.note(`${name} runs: ${instances.length} processes at scale ${scale}`);
  terminal.note('next: `dsp bench` · `dsp status` · `dsp logs -f` · stop it with `dsp destroy`');
}
