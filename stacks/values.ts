/** Completes the references of a topology in Kubernetes' terms: DNS names, container ports, mount paths, `$(VAR)`. */

import type { ProcessSet, Value } from './topology.ts';

/** Variables that every container gets, which `$(…)` in its arguments and environment refers to. */
export const podIp = 'DSP_POD_IP';
export const podIndex = 'DSP_POD_INDEX';

export const volumePath = (name: string) => `/var/lib/dsp/${name}`;
export const filesPath = '/etc/dsp';

/** Where a mounted file is; its own name stays the last part, as programs read the format off it. */
export function filePath(file: { readonly name: string; readonly path: string }): string {
  return `${filesPath}/${file.name}/${file.path.split('/').at(-1)}`;
}

/** What a value can refer to: the process that holds it, and every set of the system. */
export interface Scope {
  readonly owner: Pick<ProcessSet, 'id' | 'ports' | 'volumes' | 'files' | 'secretFiles'>;
  readonly peers: readonly ProcessSet[];
  readonly namespace: string;
  /** Whether a set's replicas have names of their own. */
  hasStableNames(set: ProcessSet): boolean;
}

/** Text for `args` or `env[].value`. Throws when a reference names nothing. */
export function resolveValue(value: Value, scope: Scope): string {
  if (typeof value === 'string') return value.replaceAll('$', () => '$$');
  if ('concat' in value) return value.concat.map((part) => resolveValue(part, scope)).join('');
  if ('addressesOf' in value) return addresses(value, scope);
  if ('ownPort' in value) return String(containerPort(scope.owner, value.ownPort));
  if ('reachedPort' in value) return String(reachedPort(scope.owner, value));
  if ('ownHost' in value) return `$(${podIp})`;
  if ('ownOrdinal' in value) return `$(${podIndex})`;
  if ('secret' in value || 'sidecar' in value)
    throw new Error(`${scope.owner.id}: ${JSON.stringify(value)} is no text here`);
  if ('volume' in value) return volumePath(named(scope.owner.volumes, value.volume, scope.owner.id).name);
  const secretFile = scope.owner.secretFiles?.find(({ name }) => name === value.file);
  if (secretFile !== undefined) return `${filesPath}/${secretFile.name}/${secretFile.fileName}`;
  return filePath(named(scope.owner.files, value.file, scope.owner.id));
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

export function containerPort(set: Pick<ProcessSet, 'id' | 'ports'>, name: string): number {
  return named(set.ports, name, set.id).containerPort;
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
