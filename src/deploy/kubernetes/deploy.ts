/** The Kubernetes target: the plan's topology, by the project's own Pulumi program. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { bundlesOf } from '../../plan/bundles.ts';
import type { Plan } from '../../plan/plan.ts';
import { pathsOf } from '../local/paths.ts';
import { bundlePath } from '../local/resolve.ts';
import { type Change, EngineLog } from './changes.ts';
import type { Cluster } from './cluster.ts';
import { failureOf } from './failure.ts';
import { type DeploymentRecord, type Home, homeOf, makeHome, readRecord, writeRecord } from './home.ts';
import { provideImages } from './images.ts';
import { checkNamespace } from './rights.ts';
import { readyStackSecrets } from './secrets.ts';
import { findCluster, type Place, stackName, withKubeconfig, withLock } from './session.ts';
import { chosenBackend, openStack, programPath, type Stack } from './workspace.ts';

export interface DeployKubernetesOptions extends Place {
  /** By bundle or engine program; added to those of the last deployment. */
  readonly images: Readonly<Record<string, string>>;
  readonly registry: string | null;
  /** Planned ÷ requested CPU and memory; null: as the last deployment had it, else 1. */
  readonly overcommit: number | null;
  readonly unlock: boolean;
  readonly clock: Clock;
  /** Aborted by Ctrl-C: Pulumi ends what it is doing and keeps its record; the next deployment goes on. */
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

export interface KubernetesDeployment extends Cluster {
  readonly stack: string;
  /** Part → base URL of its exposed port, inside the cluster. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly changes: readonly Change[];
  readonly unchanged: number;
}

/** Resolves when everything is ready. Throws `kubernetes.*` and `deploy.*`; after each a rerun goes on. */
export async function deployKubernetes(
  root: string,
  plan: Plan,
  options: DeployKubernetesOptions,
): Promise<KubernetesDeployment> {
  const { clock, report, signal } = options;
  return withStack(root, plan, options, async ({ home, cluster, stack, record }) => {
    await writeRecord(home, { ...record, settled: false });
    const log = new EngineLog(report, () => clock.monotonicMs());
    const operate = () => stack.up({ onEvent: log.onEvent, signal, suppressProgress: true, suppressOutputs: true });
    await carryOut(plan, cluster, stack, options, log, operate);
    await writeRecord(home, { ...record, settled: true });
    return {
      ...cluster,
      stack: stack.name,
      endpoints: log.outputs,
      changes: log.changes,
      unchanged: log.unchanged,
    };
  });
}

export type Preview = Omit<KubernetesDeployment, 'endpoints'>;

/** What a deployment would change; changes nothing in the cluster, though images are built that it would name. */
export async function previewKubernetes(root: string, plan: Plan, options: DeployKubernetesOptions): Promise<Preview> {
  const { clock, signal } = options;
  return withStack(root, plan, options, async ({ cluster, stack }) => {
    const log = new EngineLog(
      () => undefined,
      () => clock.monotonicMs(),
    );
    const operate = () => stack.preview({ onEvent: log.onEvent, signal, suppressProgress: true });
    await carryOut(plan, cluster, stack, options, log, operate);
    return { ...cluster, stack: stack.name, changes: log.changes, unchanged: log.unchanged };
  });
}

async function carryOut<T>(
  plan: Plan,
  cluster: Cluster,
  stack: Stack,
  options: DeployKubernetesOptions,
  log: EngineLog,
  operate: () => Promise<T>,
): Promise<T> {
  const { signal, report } = options;
  const cancelling = () => report('cancelling: waiting for Pulumi to end what it is doing');
  signal.addEventListener('abort', cancelling, { once: true });
  try {
    return await withLock(stack, options, operate);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DspError) throw error;
    const others = [...log.otherProblems, ...(error instanceof Error ? [lastSaid(error.message)] : [])];
    throw await failureOf(cluster, plan.requirements.name, log.failures, others);
  } finally {
    signal.removeEventListener('abort', cancelling);
  }
}

/** What Pulumi's command line said last before it gave up. */
function lastSaid(message: string): string {
  const errors = message.split('\n').filter((line) => /error:/i.test(line));
  return (errors.at(-1) ?? message.trim().split('\n').at(-1) ?? '').trim();
}

interface Opened {
  readonly home: Home;
  readonly cluster: Cluster;
  readonly stack: Stack;
  /** Of this deployment, to be written when it begins. */
  readonly record: DeploymentRecord;
}

/** Checks the cluster before anything is built, and builds before Pulumi is started. */
async function withStack<T>(
  root: string,
  plan: Plan,
  options: DeployKubernetesOptions,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { signal, report } = options;
  const { name } = plan.requirements;
  const home = homeOf(root);
  const before = readRecord(home);
  const found = await findCluster(options, before, name);
  const cluster: Cluster = { context: found.context, namespace: found.namespace };
  const exists = await checkNamespace(cluster, signal);
  const warning = await makeHome(home);
  if (warning !== null) report(warning);
  checkFiles(home, plan);
  const { buildProject } = await import('../build.ts');
  const outputs = [...bundlesOf(plan.topology).map(bundlePath), programPath];
  await buildProject(pathsOf(root), { outputs, signal, report });
  const flags = { ...before?.images, ...options.images };
  const given = { ...plan.requirements.images, ...flags };
  const images = await provideImages({ ...options, home, project: name, topology: plan.topology, given, ...cluster });
  const backend = chosenBackend(home.root);
  const stackId = stackName(cluster);
  return withKubeconfig(home, found, async (kubeconfig) => {
    const config = {
      namespace: cluster.namespace,
      images: JSON.stringify(images),
      // Who makes the namespace also takes it away.
      ...(exists ? {} : { createNamespace: 'true' }),
      ...(options.overcommit === null ? {} : { overcommit: String(options.overcommit) }),
    };
    const opened = { home, project: name, stack: stackId, backend, config, context: cluster.context, kubeconfig };
    const stack = await openStack(opened);
    const { requirementsDigest } = plan;
    const topologySecrets = plan.topology.secrets ?? [];
    const sameStack = before?.stack === stackId ? before.secrets : null;
    const secrets = await readyStackSecrets(stack, name, topologySecrets, sameStack, options.clock.nowMs());
    const known = { name, secrets, ...cluster, stack: stackId, backend, requirementsDigest, images: flags };
    return work({ home, cluster, stack, record: { schemaVersion: 1, ...known, settled: false } });
  });
}

function checkFiles(home: Home, { topology }: Plan): void {
  for (const { id, files } of topology.processSets) {
    const gone = files.find(({ path }) => !existsSync(join(home.root, path)));
    if (gone !== undefined) throw new DspError('deploy.file-missing', { path: gone.path, reader: id });
  }
}
