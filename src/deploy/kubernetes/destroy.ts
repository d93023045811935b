/** Takes a deployment away from Kubernetes: what the program made, and the volumes that it left for its data. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { bundlesOf } from '../../plan/bundles.ts';
import type { Plan } from '../../plan/plan.ts';
import { pathsOf } from '../local/paths.ts';
import { bundlePath } from '../local/resolve.ts';
import { EngineLog } from './changes.ts';
import { checkReachable, kubectl, namespaceExists, ownedBy } from './cluster.ts';
import { failureOf } from './failure.ts';
import { homeOf, makeHome, readRecord } from './home.ts';
import { findCluster, type Place, stackName, withKubeconfig, withLock } from './session.ts';
import { chosenBackend, openStack, programPath } from './workspace.ts';

export interface DestroyKubernetesOptions extends Place {
  /** Leave the engines' volumes, and the namespace that they are in. */
  readonly keepData: boolean;
  readonly unlock: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

export interface DestroyedKubernetes {
  /** Objects of the cluster. */
  readonly deleted: number;
  readonly volumesDeleted: number;
}

/** Nothing deployed is nothing to do. Throws `kubernetes.*`; a rerun goes on. */
export async function destroyKubernetes(
  root: string,
  plan: Plan,
  options: DestroyKubernetesOptions,
): Promise<DestroyedKubernetes> {
  const { clock, signal, report, keepData } = options;
  const home = homeOf(root);
  const record = readRecord(home);
  if (record === null && options.context === undefined) return { deleted: 0, volumesDeleted: 0 };
  const { name } = plan.requirements;
  const cluster = await findCluster(options, record, name);
  await checkReachable(cluster.context, signal);
  await makeHome(home);
  const { buildProject } = await import('../build.ts');
  const outputs = [...bundlesOf(plan.topology).map(bundlePath), programPath];
  await buildProject(pathsOf(root), { outputs, signal, report });
  const log = new EngineLog(report, () => clock.monotonicMs());
  await withKubeconfig(home, cluster, async (kubeconfig) => {
    const backend = record?.backend ?? chosenBackend(home.root);
    const request = { home, project: name, stack: stackName(cluster), backend, context: cluster.context, kubeconfig };
    const stack = await openStack({ ...request, config: {} });
    const exclude = keepData ? await namespaceUrns(stack) : [];
    const operate = () => stack.destroy({ onEvent: log.onEvent, signal, suppressProgress: true, exclude });
    try {
      await withLock(stack, options, operate);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DspError) throw error;
      throw await failureOf(cluster, name, log.failures, [...log.otherProblems, String(error)]);
    }
    if (exclude.length === 0) {
      await stack.workspace.removeStack(stack.name);
      rmSync(join(home.root, `Pulumi.${stack.name}.yaml`), { force: true });
    }
  });
  const volumesDeleted = keepData ? 0 : await deleteVolumes(cluster, name);
  if (record?.stack === stackName(cluster)) rmSync(home.recordPath, { force: true });
  return { deleted: log.changes.length, volumesDeleted };
}

/** A namespace takes everything in it along, data too. */
async function namespaceUrns(stack: Awaited<ReturnType<typeof openStack>>): Promise<string[]> {
  const { deployment } = await stack.exportStack();
  const { resources = [] } = deployment as { resources?: readonly { urn: string; type: string }[] };
  return resources.filter(({ type }) => type === 'kubernetes:core/v1:Namespace').map(({ urn }) => urn);
}

/** Claims outlive their stateful set, so that neither a mistake nor a replacement takes data along. */
async function deleteVolumes(cluster: { context: string; namespace: string }, project: string): Promise<number> {
  if (!(await namespaceExists(cluster))) return 0;
  const args = ['--namespace', cluster.namespace, 'delete', 'persistentvolumeclaims', ...ownedBy(project)];
  const deleted = await kubectl(cluster.context, [...args, '--output', 'name', '--wait'], { timeoutMs: 120_000 });
  return deleted.split('\n').filter(Boolean).length;
}
