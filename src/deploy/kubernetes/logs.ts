/** What the pods of a deployment say. */

import { execa } from 'execa';
import { DspError } from '../../errors.ts';
import type { LogLine } from '../local/logs.ts';
import { isForbidden, kubectl, type Pod } from './cluster.ts';
import { type DeploymentRecord, homeOf, readRecord } from './home.ts';
import { podsOf } from './status.ts';

export interface KubernetesLogs {
  readonly record: DeploymentRecord;
  readonly pods: readonly Pod[];
}

/** Of pods that `name` names: a part, a process set, a job or a pod; all when undefined. Throws `deploy.none`. */
export async function findLogs(root: string, name: string | undefined): Promise<KubernetesLogs> {
  const record = readRecord(homeOf(root));
  if (record === null) throw new DspError('deploy.none', {});
  const all = await podsOf(record, record.name);
  const pods = name === undefined ? all : all.filter((pod) => namesOf(pod).includes(name));
  if (pods.length > 0 || name === undefined) return { record, pods };
  throw new DspError('input.choice', { key: 'part', given: name, choices: [...new Set(all.flatMap(namesOf))].sort() });
}

function namesOf({ metadata: { name, labels = {} } }: Pod): readonly string[] {
  const named = [name, labels['app.kubernetes.io/name'], labels['app.kubernetes.io/component']];
  return named.filter((found) => found !== undefined);
}

/** The last `lines` of each pod's program. */
export async function readPodLogs({ record, pods }: KubernetesLogs, lines: number): Promise<readonly LogLine[]> {
  const logs = await Promise.all(pods.map((pod) => lastLines(record, pod, lines)));
  return logs.flat();
}

async function lastLines(record: DeploymentRecord, pod: Pod, lines: number): Promise<readonly LogLine[]> {
  const source = pod.metadata.name;
  const args = ['--namespace', record.namespace, 'logs', source, '--container', 'main', `--tail=${lines}`];
  const text = await kubectl(record.context, args).catch((error: unknown) => {
    if (isForbidden(error)) throw error;
    // A pod whose container has not started yet has no log.
    return '';
  });
  return text === '' ? [] : text.split('\n').map((line) => ({ source, text: line }));
}

/** Goes on until `signal` aborts or every pod is gone. */
export async function followPodLogs(
  { record, pods }: KubernetesLogs,
  signal: AbortSignal,
  print: (line: LogLine) => void,
): Promise<void> {
  const { context, namespace } = record;
  await Promise.all(
    pods.map(async ({ metadata: { name: source } }) => {
      const args = ['--context', context, '--namespace', namespace, 'logs', source, '--container', 'main'];
      const options = { cancelSignal: signal, reject: false, stdin: 'ignore' } as const;
      const following = execa('kubectl', [...args, '--follow', '--tail=0'], options);
      for await (const text of following.iterable()) print({ source, text: String(text) });
    }),
  );
}
