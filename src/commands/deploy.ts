/** dsp deploy: build and start the system on this machine or on Kubernetes, or change what changed. */

import { catalogue } from '../../templates/index.ts';
import { systemClock } from '../clock.ts';
import type { Deployment, Instrumentation } from '../deploy/deployment.ts';
import type { Place } from '../deploy/kubernetes/session.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import { DspError, type ExitCode } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import { checkProject } from '../project/state.ts';
import { reachOfPhases } from '../requirements/faults.ts';
import type { Terminal } from '../terminal.ts';
import type { TargetName } from './target.ts';

export interface DeployOptions {
  readonly project: string;
  /** 0 < scale ≤ 1; absent: the plan's own. */
  readonly scale?: number;
  /** Absent: when a fault of dsp.yaml needs them, else as it is now. */
  readonly instruments?: Instrumentation;
  readonly json: boolean;
  readonly target?: TargetName;
  readonly kubernetes?: KubernetesFlags;
}

/** Flags that only the Kubernetes target takes. */
export interface KubernetesFlags extends Place {
  /** `<bundle or engine>=<image>` */
  readonly image: readonly string[];
  readonly registry?: string;
  readonly overcommit?: number;
  readonly unlock: boolean;
  readonly preview: boolean;
}

/** Refuses with `project.disagrees` when dsp.yaml, plan.json and the files do not belong together. */
export async function runDeploy(options: DeployOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const plan = await planToDeploy(options);
  if (options.target === 'kubernetes') return onKubernetes(plan, options, terminal);
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

async function onKubernetes(plan: Plan, options: DeployOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { deployKubernetes, previewKubernetes } = await import('../deploy/kubernetes/deploy.ts');
  const { changeLines, summarize } = await import('../deploy/kubernetes/changes.ts');
  const flags: KubernetesFlags = options.kubernetes ?? { image: [], unlock: false, preview: false };
  const settings = {
    ...place(flags),
    images: parseImages(flags.image),
    registry: flags.registry ?? null,
    overcommit: flags.overcommit ?? null,
    unlock: flags.unlock,
    clock: systemClock,
    signal: terminal.interrupt,
    report: terminal.note,
  };
  const head = { schemaVersion: 1, target: 'kubernetes' };
  if (flags.preview) {
    const preview = await previewKubernetes(options.project, plan, settings);
    if (options.json) terminal.json({ ...head, preview: true, ...preview });
    else printPreview(summarize(preview.changes, preview.unchanged), changeLines(preview.changes), terminal);
    return 0;
  }
  const deployed = await deployKubernetes(options.project, plan, settings);
  if (options.json) terminal.json({ ...head, ...deployed });
  else printDeployed(plan, deployed, terminal);
  return 0;
}

/** The part of the flags that says where. */
export function place({ context, namespace }: Place): Place {
  return { ...(context === undefined ? {} : { context }), ...(namespace === undefined ? {} : { namespace }) };
}

/** `<name>=<image>` each. Throws `input.choice`. */
export function parseImages(flags: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    flags.map((flag) => {
      const [name = '', image = ''] = [flag.slice(0, flag.indexOf('=')), flag.slice(flag.indexOf('=') + 1)];
      if (name !== '' && image !== '') return [name, image];
      throw new DspError('input.choice', { key: '--image', given: flag, choices: ['<bundle or engine>=<image>'] });
    }),
  );
}

function printPreview(summary: string, changes: readonly string[], terminal: Terminal): void {
  terminal.out(summary);
  for (const line of changes) terminal.out(line);
  terminal.note('nothing was changed; `dsp deploy --target kubernetes` does it');
}

interface Deployed {
  readonly context: string;
  readonly namespace: string;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly changes: readonly unknown[];
  readonly unchanged: number;
}

function printDeployed(plan: Plan, deployed: Deployed, terminal: Terminal): void {
  const { context, namespace, endpoints, changes, unchanged } = deployed;
  const width = Math.max(0, ...Object.keys(endpoints).map(({ length }) => length));
  for (const [part, url] of Object.entries(endpoints)) terminal.out(`${part.padEnd(width)}  ${url}`);
  const { name } = plan.requirements;
  terminal.note(
    `${name} runs in ${namespace} of ${context}: ${changes.length} resources changed, ${unchanged} unchanged`,
  );
  const [url] = Object.values(endpoints);
  const service = url === undefined ? null : new URL(url);
  if (service !== null) {
    const [host] = service.hostname.split('.');
    const forward = `kubectl --context ${context} -n ${namespace} port-forward service/${host} ${service.port}`;
    terminal.note(`addresses are the cluster's; from here: ${forward}`);
  }
  terminal.note('next: `dsp bench` · `dsp status` · `dsp logs -f` · take it away with `dsp destroy`');
}
