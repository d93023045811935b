/** What runs on Kubernetes, as the cluster sees it. */

import type { Clock } from '../../clock.ts';
import { type Cluster, list, ownedBy, type Pod } from './cluster.ts';
import { causesOf, isReady } from './failure.ts';
import { type DeploymentRecord, homeOf, readRecord } from './home.ts';

export interface PodStatus {
  readonly name: string;
  readonly part: string;
  readonly set: string;
  readonly ready: boolean;
  /** Kubernetes' phase, `Terminating`, or why it waits; in words. */
  readonly state: string;
  readonly restarts: number;
  readonly node: string | null;
  readonly ageMs: number;
}

export interface KubernetesStatus {
  readonly record: DeploymentRecord;
  readonly pods: readonly PodStatus[];
}

/** Pods of the sets, without those of jobs that are done; null when nothing was deployed. */
export async function readKubernetesStatus(root: string, clock: Clock): Promise<KubernetesStatus | null> {
  const record = readRecord(homeOf(root));
  if (record === null) return null;
  const pods = await podsOf(record, record.name);
  return {
    record,
    pods: pods.filter(({ status }) => status.phase !== 'Succeeded').map((pod) => podStatus(pod, clock)),
  };
}

/** In order of their names. */
export async function podsOf(cluster: Cluster, project: string): Promise<readonly Pod[]> {
  const pods = [...(await list<Pod>(cluster, ['pods', ...ownedBy(project)]))];
  return pods.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }));
}

function podStatus(pod: Pod, clock: Clock): PodStatus {
  const { metadata, spec, status } = pod;
  const [cause] = causesOf(pod);
  const state = metadata.deletionTimestamp === undefined ? status.phase : 'Terminating';
  return {
    name: metadata.name,
    part: metadata.labels?.['app.kubernetes.io/component'] ?? '',
    set: metadata.labels?.['app.kubernetes.io/name'] ?? '',
    ready: isReady(pod),
    state: isReady(pod) || cause === undefined ? state : cause,
    restarts: (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    node: spec.nodeName ?? null,
    ageMs: Math.max(0, clock.nowMs() - Date.parse(metadata.creationTimestamp)),
  };
}

export function isServing({ record, pods }: KubernetesStatus): boolean {
  return record.settled && pods.length > 0 && pods.every(({ ready }) => ready);
}
