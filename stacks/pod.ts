/** The pod of a process: one container that may do nothing but run its program. */

import { createHash } from 'node:crypto';
import type { types } from '@pulumi/kubernetes';
import { imageOf, type Target } from './target.ts';
import type { Job, MountedFile, Probe, ProcessSet, Value, Volume } from './topology.ts';
import {
  containerPort,
  filePath,
  filesPath,
  podIndex,
  podIp,
  referencedSets,
  resolveValue,
  usesOrdinal,
  volumePath,
} from './values.ts';

type Container = types.input.core.v1.Container;
type EnvVar = types.input.core.v1.EnvVar;
type PodSpec = types.input.core.v1.PodSpec;

/** A process set, or a job in the same terms. */
export type Process = Pick<ProcessSet, 'id' | 'part' | 'program' | 'args' | 'env'> &
  Partial<
    Pick<ProcessSet, 'ports' | 'volumes' | 'files' | 'secretFiles' | 'readiness' | 'liveness' | 'resources' | 'stop'>
  >;

const userId = 1000;

/** Whether replicas need names of their own: engines, state, their number, or somebody who lists their addresses. */
export function hasStableNames(set: ProcessSet, peers: readonly ProcessSet[]): boolean {
  const values = [...set.args, ...Object.values(set.env)];
  const isListed = peers.some((peer) => valuesOf(peer).some((value) => referencedSets(value).includes(set.id)));
  return set.program.kind === 'engine' || set.volumes.length > 0 || isListed || values.some(usesOrdinal);
}

/** Every text of a process that may hold references. */
export function valuesOf(process: Pick<Job, 'args' | 'env'>): readonly Value[] {
  return [...process.args, ...Object.values(process.env)];
}

export function labelsOf(
  process: Pick<Process, 'id' | 'part'>,
  target: Pick<Target, 'project'>,
): Record<string, string> {
  return {
    'app.kubernetes.io/name': process.id,
    'app.kubernetes.io/component': process.part,
    'app.kubernetes.io/part-of': target.project,
  };
}

/** The first eight hex digits of the content's SHA-256. */
export function contentHash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 8);
}

/** The pod's specification, without what only a set or only a job has. `configMap` holds the process's files. */
export function podSpec(process: Process, target: Target, configMap: string | undefined): PodSpec {
  const graceMs = process.stop?.graceMs ?? 30_000;
  return {
    automountServiceAccountToken: false,
    // Services as variables (STORE_PORT=tcp://…) would meet the program's own environment.
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId,
      runAsGroup: userId,
      fsGroup: userId,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Above the program's own bound, so that its last words are its own.
    terminationGracePeriodSeconds: Math.ceil(graceMs / 1000) + 5,
    containers: [container(process, target)],
    volumes: [
      { name: 'tmp', emptyDir: {} },
      ...(configMap === undefined ? [] : [{ name: 'files', configMap: { name: configMap, items: items(process) } }]),
    ],
  };
}

function container(process: Process, target: Target): Container {
  const { ports = [], volumes = [], files = [], resources, readiness, liveness } = process;
  const scope = {
    owner: { id: process.id, ports, volumes, files, secretFiles: process.secretFiles ?? [] },
    peers: target.peers,
    namespace: target.namespace,
    hasStableNames: (set: ProcessSet) => hasStableNames(set, target.peers),
  };
  const args = process.args.map((value) => resolveValue(value, scope));
  const ready = readiness && probe(readiness, scope.owner);
  return {
    name: 'main',
    image: imageOf(process.program, target),
    ...(process.program.kind === 'engine' ? { command: [process.program.program] } : {}),
    ...(args.length > 0 ? { args } : {}),
    env: [
      ...podVariables(process),
      ...Object.entries(process.env).map(([name, value]) =>
        typeof value !== 'string' && 'secret' in value
          ? { name, valueFrom: { secretKeyRef: { name: value.secret, key: value.key } } }
          : { name, value: resolveValue(value, scope) },
      ),
    ],
    ports: ports.map((port) => ({ name: port.name, containerPort: port.containerPort })),
    ...(ready
      ? {
          startupProbe: { ...ready, periodSeconds: 2, failureThreshold: 150 },
          readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
        }
      : {}),
    ...(liveness
      ? {
          livenessProbe: { ...probe(liveness, scope.owner), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
        }
      : {}),
    ...(process.stop?.signal === 'SIGINT'
      ? { lifecycle: { preStop: { exec: { command: ['kill', '-INT', '1'] } } } }
      : {}),
    ...(resources ? { resources: quantities(resources) } : {}),
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: mounts(volumes, files),
  };
}

/** First in the list: `$(…)` sees only variables that stand before it. */
function podVariables(process: Process): EnvVar[] {
  const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const index = field(podIndex, "metadata.labels['apps.kubernetes.io/pod-index']");
  return [field(podIp, 'status.podIP'), ...(valuesOf(process).some(usesOrdinal) ? [index] : [])];
}

function quantities({ cpuMillis, memoryMiB }: ProcessSet['resources']): types.input.core.v1.ResourceRequirements {
  // Memory is bounded, as a leak must not take the node along; CPU is not, as throttling would show as latency.
  return { requests: { cpu: `${cpuMillis}m`, memory: `${memoryMiB}Mi` }, limits: { memory: `${memoryMiB}Mi` } };
}

function mounts(volumes: readonly Volume[], files: readonly MountedFile[]): types.input.core.v1.VolumeMount[] {
  return [
    { name: 'tmp', mountPath: '/tmp' },
    ...volumes.map(({ name }) => ({ name, mountPath: volumePath(name) })),
    ...(files.length > 0 ? [{ name: 'files', mountPath: filesPath, readOnly: true }] : []),
  ];
}

function items({ files = [] }: Process): types.input.core.v1.KeyToPath[] {
  return files.map((file) => ({ key: file.name, path: filePath(file).slice(filesPath.length + 1) }));
}

function probe(probe: Probe, owner: Pick<ProcessSet, 'id' | 'ports'>): types.input.core.v1.Probe {
  const port = containerPort(owner, probe.port);
  if (probe.kind === 'http') return { httpGet: { path: probe.path, port } };
  if (probe.kind === 'tcp') return { tcpSocket: { port } };
  const ping = `redis-cli -h "$${podIp}" -p ${port} ping | grep -q PONG`;
  return { exec: { command: ['sh', '-c', ping] } };
}
