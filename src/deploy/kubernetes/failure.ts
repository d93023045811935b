/** Why a resource did not come up: what its pods, their events and their logs say. */

import { DspError } from '../../errors.ts';
import type { Failure } from './changes.ts';
import {
  type Cluster,
  type ContainerStatus,
  type KubernetesEvent,
  kubectl,
  list,
  ownedBy,
  type Pod,
} from './cluster.ts';

/** What was found out about a failed resource. */
export interface Diagnosis {
  readonly resource: string;
  /** In words, the likeliest first: `image redis:9 cannot be pulled`. */
  readonly causes: readonly string[];
  /** Warnings, newest last. */
  readonly events: readonly string[];
  /** The pod whose log is shown, or null. */
  readonly pod: string | null;
  readonly lines: readonly string[];
}

const shownEvents = 5;
const shownLines = 10;

/** Looks at the pods that carry the failed resource's name. Never throws: a diagnosis that fails is an empty one. */
export async function diagnose(cluster: Cluster, project: string, failure: Failure): Promise<Diagnosis> {
  const nothing = { resource: failure.resource, causes: [], events: [], pod: null, lines: [] };
  try {
    const all = await list<Pod>(cluster, ['pods', ...ownedBy(project)]);
    const pods = all.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === failure.name);
    const sick = pods.find((pod) => causesOf(pod).length > 0) ?? pods.find((pod) => !isReady(pod)) ?? null;
    const events = await list<KubernetesEvent>(cluster, ['events', '--sort-by', '.metadata.creationTimestamp']);
    const about = events.filter(
      ({ type, involvedObject: { name } }) => type === 'Warning' && concerns(name, failure, sick),
    );
    return {
      resource: failure.resource,
      causes: [...new Set([...pods.flatMap(causesOf), ...about.flatMap(causeOfEvent)])],
      events: about.slice(-shownEvents).map((event) => `${event.reason}: ${event.message.trim()}`),
      pod: sick?.metadata.name ?? null,
      lines: sick === null ? [] : await lastLines(cluster, sick),
    };
  } catch {
    return nothing;
  }
}

function concerns(object: string, failure: Failure, sick: Pod | null): boolean {
  return object === failure.name || object === sick?.metadata.name || object.startsWith(`${failure.name}-`);
}

export function isReady({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

/** Why a pod is not what it should be, in words. */
export function causesOf(pod: Pod): readonly string[] {
  const { conditions = [], containerStatuses = [], initContainerStatuses = [] } = pod.status;
  const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  const containers = [...initContainerStatuses, ...containerStatuses];
  return [
    ...(unscheduled === undefined
      ? []
      : [`${pod.metadata.name} has no machine to run on: ${unscheduled.message ?? ''}`]),
    ...containers.flatMap((status) => containerCauses(status, pod)),
  ];
}

function containerCauses({ name, state, lastState }: ContainerStatus, pod: Pod): readonly string[] {
  const image = pod.spec.containers.find((container) => container.name === name)?.image ?? name;
  const reason = state?.waiting?.reason ?? '';
  if (/ImagePull|ErrImage|InvalidImageName/.test(reason)) return [`image ${image} cannot be pulled`];
  if (/CreateContainer|RunContainer/.test(reason)) {
    return [`${pod.metadata.name} cannot be started: ${state?.waiting?.message ?? reason}`];
  }
  const ended = state?.terminated ?? lastState?.terminated;
  if (ended === undefined || ended.exitCode === 0) return [];
  const why =
    ended.reason === 'OOMKilled' ? 'needed more memory than its limit' : `ended with exit code ${ended.exitCode}`;
  return [`${pod.metadata.name} ${why}`];
}

/** A quota or an admission refuses pods before there are any to look at. */
function causeOfEvent({ reason, message }: KubernetesEvent): readonly string[] {
  if (reason !== 'FailedCreate') return [];
  if (message.includes('exceeded quota')) return [`the namespace's quota is exceeded: ${afterColon(message)}`];
  if (message.includes('violates PodSecurity')) return [`the namespace refuses the pod: ${afterColon(message)}`];
  return [message.trim()];
}

function afterColon(message: string): string {
  return message
    .slice(message.lastIndexOf('forbidden: ') + 1)
    .replace(/^orbidden: /, '')
    .trim();
}

async function lastLines({ context, namespace }: Cluster, pod: Pod): Promise<readonly string[]> {
  const args = ['--namespace', namespace, 'logs', pod.metadata.name, '--all-containers', `--tail=${shownLines}`];
  const logs = await kubectl(context, args).catch(() => '');
  // A container that restarts has said why in its last life.
  const text = logs.trim() === '' ? await kubectl(context, [...args, '--previous']).catch(() => '') : logs;
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(-shownLines);
}

/** The error of a deployment of which `failures` failed; `others` was said about no resource. */
export async function failureOf(
  cluster: Cluster,
  project: string,
  failures: readonly Failure[],
  others: readonly string[],
): Promise<DspError> {
  const [first] = failures;
  if (first === undefined) {
    const problem =
      others.find((text) => !/^update failed$|preview failed/.test(text)) ?? others[0] ?? 'Pulumi gave no reason';
    return new DspError('kubernetes.pulumi-failed', { problem });
  }
  const { causes, events, pod, lines } = await diagnose(cluster, project, first);
  const said = causes.length > 0 ? causes : [first.message.split('\n').at(-1) ?? 'no reason was given'];
  return new DspError('kubernetes.not-ready', {
    resource: first.resource,
    others: failures.slice(1).map(({ resource }) => resource),
    causes: said,
    events,
    pod,
    lines,
    namespace: cluster.namespace,
  });
}
