/** Completes the references of a topology in Kubernetes' terms: DNS names, container ports, mount paths, `$(VAR)`. */

import type { ProcessSet, Value } from './topology.ts';

/** Variables that every container gets, which `$(…)` in its arguments and environment refers to. */
export const podIp = 'DSP_POD_IP';
export const podIndex = 'DSP_POD_INDEX';
export const podName = 'DSP_POD_NAME';

export const volumePath = (name: string) => `/var/lib/dsp/${name}`;
export const filesPath = '/etc/dsp';

/** Where a mounted file is; its own name stays the last part, as programs read the format off it. */
export function filePath(file: { readonly name: string; readonly path: string }): string {
  return `${filesPath}/${file.name}/${file.path.split('/').at(-1)}`;
}

export const secretFilesPath = '/etc/dsp-secret';

export function secretFilePath(file: { readonly name: string; readonly fileName: string }): string {
  return `${secretFilesPath}/${file.name}/${file.fileName}`;
}

/** The process whose value it is. A sidecar's is itself, with the volumes and files of its set. */
export type Owner = Pick<ProcessSet, 'id' | 'ports' | 'volumes' | 'files'> &
  Pick<Partial<ProcessSet>, 'secretFiles' | 'sidecars'> & {
    /** Whether each replica has a DNS name of its own. */
    readonly stable: boolean;
  };

/** What a value can refer to: the process that holds it, and every set of the system. */
export interface Scope {
  readonly owner: Owner;
  readonly peers: readonly ProcessSet[];
  readonly namespace: string;
  /** Whether a set's replicas have names of their own. */
  hasStableNames(set: ProcessSet): boolean;
}

/** Text for `args` or `env[].value`. Throws when a reference names nothing, and at a secret: that is no text. */
export function resolveValue(value: Value, scope: Scope): string {
  const { owner } = scope;
  if (typeof value === 'string') return value.replaceAll('$', () => '$$');
  if ('concat' in value) return value.concat.map((part) => resolveValue(part, scope)).join('');
  if ('addressesOf' in value) return addresses(value, scope);
  if ('ownPort' in value) return String(containerPort(owner, value.ownPort));
  if ('reachedPort' in value) return String(reachedPort(owner, value));
  if ('ownHost' in value) return `$(${podIp})`;
  if ('ownName' in value) return owner.stable ? `$(${podName}).${owner.id}.${scope.namespace}.svc` : `$(${podIp})`;
  // Also loopback, which `kubectl port-forward` comes by.
  if ('listenHost' in value) return '0.0.0.0';
  if ('ownOrdinal' in value) return `$(${podIndex})`;
  if ('sidecar' in value) {
    return `127.0.0.1:${containerPort(named(owner.sidecars ?? [], value.sidecar, owner.id), value.port)}`;
  }
  if ('secret' in value) throw new Error(`${owner.id}: ${JSON.stringify(value)} is no text here`);
  if ('volume' in value) return volumePath(named(owner.volumes, value.volume, owner.id).name);
  const secretFile = owner.secretFiles?.find(({ name }) => name === value.file);
  return secretFile === undefined ? filePath(named(owner.files, value.file, owner.id)) : secretFilePath(secretFile);
}

/** Whether the text needs the replica's number, which only a stateful set gives. */
export function usesOrdinal(value: Value): boolean {
  if (typeof value === 'string') return false;
  return 'ownOrdinal' in value || ('concat' in value && value.concat.some(usesOrdinal));
}

/** Ids of the process sets whose addresses the value holds. */
export function referencedSets(value: Value): readonly string[] {
  if (typeof value === 'string') return [];
  if ('concat' in value) return value.concat.flatMap(referencedSets);
  return 'addressesOf' in value ? [value.addressesOf] : [];
}

/** Names of the secrets whose texts the value holds. */
export function referencedSecrets(value: Value): readonly string[] {
  if (typeof value === 'string') return [];
  if ('concat' in value) return value.concat.flatMap(referencedSecrets);
  return 'secret' in value ? [value.secret] : [];
}

export function containerPort(
  set: Pick<ProcessSet, 'ports'> & { readonly id?: string; readonly name?: string },
  name: string,
): number {
  return named(set.ports, name, set.id ?? set.name ?? '').containerPort;
}

/** Nothing stands before a container's port. */
function reachedPort(
  set: Scope['owner'],
  { reachedPort: name, beside }: Extract<Value, { reachedPort: string }>,
): number {
  const { containerPort, alsoReserveOffset } = named(set.ports, name, set.id);
  return containerPort + (beside ? (alsoReserveOffset ?? 0) : 0);
}

/** The replicas' DNS names in order; a set without names of its own has one address, its service's. */
function addresses(value: Extract<Value, { addressesOf: string }>, scope: Scope): string {
  const set = scope.peers.find((peer) => peer.id === value.addressesOf);
  if (set === undefined)
    throw new Error(`${scope.owner.id} refers to ${value.addressesOf}, which is not in the system`);
  const port = containerPort(set, value.port);
  const service = `${set.id}.${scope.namespace}.svc`;
  const hosts = scope.hasStableNames(set)
    ? Array.from({ length: set.replicas }, (_, ordinal) => `${set.id}-${ordinal}.${service}`)
    : [service];
  return hosts.map((host) => `${host}:${port}`).join(value.separator ?? ',');
}

function named<T extends { readonly name: string }>(items: readonly T[], name: string, owner: string): T {
  const found = items.find((item) => item.name === name);
  if (found === undefined) throw new Error(`${owner} has no ${name}`);
  return found;
}
