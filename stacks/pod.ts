/** The pod of a process: one container that may do nothing but run its program, and its sidecars. */

import { createHash } from 'node:crypto';
import type * as types from '@pulumi/kubernetes/types/index.js';
import { imageOf } from './images.ts';
import { composedName, isPlainSecretFile, isSecretText, secretKeyRef } from './secrets.ts';
import type { Target } from './target.ts';
import type { Job, MountedFile, Port, Probe, ProcessSet, Sidecar, Value, Volume } from './topology.ts';
import {
  containerPort,
  filePath,
  filesPath,
  type Owner,
  podIndex,
  podIp,
  podName,
  referencedSets,
  resolveValue,
  type Scope,
  secretFilePath,
  secretFilesPath,
  usesOrdinal,
  volumePath,
} from './values.ts';

type Container = types.input.core.v1.Container;
type EnvVar = types.input.core.v1.EnvVar;
type PodSpec = types.input.core.v1.PodSpec;

/** A process set, or a job in the same terms. */
export type Process = Pick<ProcessSet, 'id' | 'part' | 'program' | 'args' | 'env' | 'resources'> &
  Partial<
    Pick<ProcessSet, 'ports' | 'volumes' | 'files' | 'secretFiles' | 'sidecars' | 'readiness' | 'liveness' | 'stop'>
  >;

const userId = 1000;
/** Who is told that a pod leaves needs this long to send no more to it. */
const leaveSeconds = 3;

/** Whether replicas need names of their own: engines, state, their number, or somebody who lists their addresses. */
export function hasStableNames(set: ProcessSet, peers: readonly ProcessSet[]): boolean {
  const values = [...set.args, ...Object.values(set.env)];
  const isListed = peers.some((peer) => valuesOf(peer).some((value) => referencedSets(value).includes(set.id)));
  return set.program.kind === 'engine' || set.volumes.length > 0 || isListed || values.some(usesOrdinal);
}

/** Every text of a process and its sidecars that may hold references. */
export function valuesOf(process: Pick<Job, 'args' | 'env'> & Pick<ProcessSet, 'sidecars'>): readonly Value[] {
  const own = [...process.args, ...Object.values(process.env)];
  return [...own, ...(process.sidecars ?? []).flatMap(({ args, env }) => [...args, ...Object.values(env)])];
}

export function partLabels(part: string, target: Pick<Target, 'project'>): Record<string, string> {
  return { 'app.kubernetes.io/component': part, 'app.kubernetes.io/part-of': target.project };
}

export function labelsOf(
  process: Pick<Process, 'id' | 'part'>,
  target: Pick<Target, 'project'>,
): Record<string, string> {
  return { 'app.kubernetes.io/name': process.id, ...partLabels(process.part, target) };
}

/** The first eight hex digits of the content's SHA-256. */
export function contentHash(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 8);
}

/** The account that a part's pods run under: it has no rights, and no token to use them with. */
export const serviceAccountOf = (part: string) => part;

/** The pod's specification, without what only a set or only a job has. `configMap` holds the process's files. */
export function podSpec(process: Process, target: Target, configMap: string | undefined): PodSpec {
  const graceMs = process.stop?.graceMs ?? 30_000;
  const sidecars = (process.sidecars ?? []).map((sidecar) => sidecarContainer(sidecar, process, target));
  return {
    serviceAccountName: serviceAccountOf(process.part),
    automountServiceAccountToken: false,
    // Services as variables (STORE_PORT=tcp://…) would meet the program's own environment.
    enableServiceLinks: false,
    // A process that is nobody's first can be paused by another of its user: a bench does so.
    shareProcessNamespace: true,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId,
      runAsGroup: userId,
      fsGroup: userId,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Above the program's own bound, so that its last words are its own.
    terminationGracePeriodSeconds: Math.ceil(graceMs / 1000) + leaveSeconds + 5,
    ...(sidecars.length > 0 ? { initContainers: sidecars } : {}),
    containers: [mainContainer(process, target)],
    volumes: [
      { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
      ...(configMap === undefined ? [] : [{ name: 'files', configMap: { name: configMap, items: items(process) } }]),
      ...secretVolume(process),
    ],
  };
}

/** What every container may do: run. */
export const confined: types.input.core.v1.SecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

function mainContainer(process: Process, target: Target): Container {
  const { ports = [], volumes = [], files = [], secretFiles = [], readiness, liveness } = process;
  const owner = ownerOf(process, target);
  const ready = readiness && probe(readiness, owner);
  return {
    ...programContainer('main', process, owner, target),
    ports: containerPorts(ports),
    ...(ready
      ? {
          startupProbe: { ...ready, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 150 },
          readinessProbe: { ...ready, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
        }
      : {}),
    ...(liveness
      ? { livenessProbe: { ...probe(liveness, owner), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 } }
      : {}),
    ...preStop(process),
    volumeMounts: mounts(volumes, files, secretFiles.length > 0),
  };
}

/** Starts before the main container and ends after it, as Kubernetes' own sidecars do. */
function sidecarContainer(sidecar: Sidecar, process: Process, target: Target): Container {
  const { ports, readiness, name } = sidecar;
  const owner = { ...ownerOf(process, target), ports };
  const ready = probe(readiness, owner);
  return {
    ...programContainer(name, sidecar, owner, target),
    restartPolicy: 'Always',
    // Its listening on loopback alone keeps other pods out.
    ports: containerPorts(ports),
    startupProbe: { ...ready, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 150 },
    volumeMounts: mounts(process.volumes ?? [], process.files ?? [], (process.secretFiles ?? []).length > 0),
  };
}

/** What main container and sidecar share. */
function programContainer(
  name: string,
  { program, args, env, resources }: Pick<Process, 'program' | 'args' | 'env' | 'resources'>,
  owner: Owner,
  target: Target,
): Container {
  const scope = scopeOf(owner, target);
  const texts = args.map((value) => resolveValue(value, scope));
  return {
    name,
    image: imageOf(program, target),
    ...(program.kind === 'engine' ? { command: [program.program] } : {}),
    ...(texts.length > 0 ? { args: texts } : {}),
    env: [...podVariables([...args, ...Object.values(env)]), ...Object.entries(env).map(environment(scope))],
    resources: quantities(resources, target),
    securityContext: confined,
  };
}

function environment(scope: Scope): (entry: [string, Value]) => EnvVar {
  return ([name, value]) =>
    isSecretText(value) ? { name, valueFrom: secretKeyRef(value) } : { name, value: resolveValue(value, scope) };
}

function ownerOf(process: Process, target: Target): Owner {
  const { id, ports = [], volumes = [], files = [], secretFiles = [], sidecars = [] } = process;
  const set = target.peers.find((peer) => peer.id === id);
  const stable = set !== undefined && hasStableNames(set, target.peers);
  return { id, ports, volumes, files, secretFiles, sidecars, stable };
}

function scopeOf(owner: Owner, target: Target): Scope {
  const { peers, namespace } = target;
  return { owner, peers, namespace, hasStableNames: (set) => hasStableNames(set, peers) };
}

function containerPorts(ports: readonly Port[]): types.input.core.v1.ContainerPort[] {
  return ports.map((port) => ({ name: port.name, containerPort: port.containerPort }));
}

/** First in the list: `$(…)` sees only variables that stand before it. */
function podVariables(values: readonly Value[]): EnvVar[] {
  const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const index = field(podIndex, "metadata.labels['apps.kubernetes.io/pod-index']");
  const own = [field(podIp, 'status.podIP'), field(podName, 'metadata.name')];
  return values.some(usesOrdinal) ? [...own, index] : own;
}

/**
 * Engines that stop at SIGINT are sent it: Kubernetes sends SIGTERM. What callers reach through a service goes on for a
 * moment, so that no call is sent to a socket that is closed already.
 */
function preStop({ stop, program, ports = [] }: Process): Pick<Container, 'lifecycle'> {
  if (stop?.signal === 'SIGINT') {
    const name = program.kind === 'engine' ? program.program : 'node';
    const isIt = `read -r name <"$p/comm" && [ "$name" = ${name.slice(0, 15)} ]`;
    const find = `for p in /proc/[0-9]*; do ${isIt} && kill -INT "\${p#/proc/}" && exit; done`;
    return { lifecycle: { preStop: { exec: { command: ['sh', '-c', find] } } } };
  }
  return ports.some((port) => port.exposed) ? { lifecycle: { preStop: { sleep: { seconds: leaveSeconds } } } } : {};
}

/** Memory is bounded, as a leak must not take the node along; CPU is not, as throttling would show as latency. */
function quantities(
  { cpuMillis, memoryMiB }: ProcessSet['resources'],
  { overcommit }: Pick<Target, 'overcommit'>,
): types.input.core.v1.ResourceRequirements {
  const requested = (planned: number) => Math.max(1, Math.round(planned / overcommit));
  const requests = { cpu: `${requested(cpuMillis)}m`, memory: `${requested(memoryMiB)}Mi` };
  const disk = { 'ephemeral-storage': '128Mi' };
  return { requests: { ...requests, ...disk }, limits: { memory: `${memoryMiB}Mi`, ...disk } };
}

function mounts(
  volumes: readonly Volume[],
  files: readonly MountedFile[],
  secret: boolean,
): types.input.core.v1.VolumeMount[] {
  return [
    { name: 'tmp', mountPath: '/tmp' },
    ...volumes.map(({ name }) => ({ name, mountPath: volumePath(name) })),
    ...(files.length > 0 ? [{ name: 'files', mountPath: filesPath, readOnly: true }] : []),
    ...(secret ? [{ name: 'secret-files', mountPath: secretFilesPath, readOnly: true }] : []),
  ];
}

/** One volume of all secret files, each from the Secret that has it. */
function secretVolume({ id, secretFiles = [] }: Process): types.input.core.v1.Volume[] {
  if (secretFiles.length === 0) return [];
  const sources = secretFiles.map((file) => {
    const path = secretFilePath(file).slice(secretFilesPath.length + 1);
    return isPlainSecretFile(file)
      ? { secret: { name: file.text.secret, items: [{ key: file.text.key, path }] } }
      : { secret: { name: composedName({ id }), items: [{ key: file.name, path }] } };
  });
  // Readable by the group of the pod's volumes, which is the program's own.
  return [{ name: 'secret-files', projected: { defaultMode: 0o440, sources } }];
}

function items({ files = [] }: Process): types.input.core.v1.KeyToPath[] {
  return files.map((file) => ({ key: file.name, path: filePath(file).slice(filesPath.length + 1) }));
}

function probe(probe: Probe, owner: Owner): types.input.core.v1.Probe {
  const port = containerPort(owner, probe.port);
  if (probe.kind === 'http') return { httpGet: { path: probe.path, port } };
  if (probe.kind === 'tcp') return { tcpSocket: { port } };
  const tls = tlsArguments({ readiness: probe, ...owner });
  const ping = `redis-cli -h "$${podIp}" -p ${port}${tls && ` ${tls}`} ping | grep -q PONG`;
  return { exec: { command: ['sh', '-c', ping] } };
}

/** By which redis-cli reaches a server that speaks TLS; else nothing. */
export function tlsArguments(set: Pick<ProcessSet, 'id' | 'readiness' | 'secretFiles'>): string {
  const tls = set.readiness.kind === 'redis' ? set.readiness.tls : undefined;
  if (tls === undefined) return '';
  const ca = set.secretFiles?.find(({ name }) => name === tls.ca);
  if (ca === undefined) throw new Error(`${set.id} has no secret file ${tls.ca}`);
  return `--tls --sni ${tls.serverName} --cacert ${secretFilePath(ca)}`;
}
