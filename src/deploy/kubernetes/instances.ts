/** A deployment on Kubernetes in the terms that a bench knows: instances with hosts and ports, as pods reach them. */

import type { ProcessSet, Topology, Value } from '../../pattern.ts';
import type { Deployment, Instance } from '../deployment.ts';
import { instanceId } from '../local/ports.ts';
import { type SecretValues, secretText } from '../secrets.ts';
import { type Cluster, kubectl, list, type Meta, ownedBy } from './cluster.ts';
import type { DeploymentRecord } from './home.ts';

/** As the cluster has it now; the secrets that looking into instances takes are read from the cluster's own. */
export async function kubernetesDeployment(
  root: string,
  record: DeploymentRecord,
  topology: Topology,
): Promise<Deployment> {
  const { name, requirementsDigest } = record;
  const stateful = await list<{ readonly metadata: Meta }>(record, ['statefulsets', ...ownedBy(name)]);
  const stable = new Set(stateful.map(({ metadata }) => metadata.name));
  const secrets = topology.processSets.some(({ access }) => access !== undefined) ? await readSecrets(record) : {};
  const instances = topology.processSets.flatMap((set) => instancesOf(set, stable.has(set.id), record, secrets));
  return {
    schemaVersion: 1,
    target: 'kubernetes',
    root,
    name,
    // It is the plan's own topology that runs.
    scale: 1,
    requirementsDigest,
    endpoints: {},
    instances,
    instrumented: 'none',
  };
}

/** Replicas without names of their own are reached by their service, each connection by another. */
export function instancesOf(
  set: ProcessSet,
  stable: boolean,
  { namespace }: Pick<Cluster, 'namespace'>,
  secrets: SecretValues,
): readonly Instance[] {
  const service = `${set.id}.${namespace}.svc`;
  return Array.from({ length: set.replicas }, (_, ordinal) => ({
    id: instanceId(set.id, ordinal),
    set: set.id,
    part: set.part,
    ordinal,
    kind: set.program.kind,
    host: stable ? `${instanceId(set.id, ordinal)}.${service}` : service,
    ports: Object.fromEntries(set.ports.map(({ name, containerPort }) => [name, containerPort])),
    logPath: '',
    ...(set.access === undefined ? {} : { access: complete(set.access, secrets) }),
  }));
}

function complete(access: Readonly<Record<string, Value>>, secrets: SecretValues): Readonly<Record<string, string>> {
  const text = (value: Value): string => {
    if (typeof value === 'string') return value;
    if ('concat' in value) return value.concat.map(text).join('');
    if ('secret' in value) return secretText(secrets, value);
    throw new Error(`topology: ${JSON.stringify(value)} is no text for somebody outside`);
  };
  return Object.fromEntries(Object.entries(access).map(([name, value]) => [name, text(value)]));
}

async function readSecrets(record: DeploymentRecord): Promise<SecretValues> {
  const args = ['--namespace', record.namespace, 'get', 'secrets', ...ownedBy(record.name), '--output', 'json'];
  const { items } = JSON.parse(await kubectl(record.context, args)) as {
    items: readonly { readonly metadata: Meta; readonly data?: Readonly<Record<string, string>> }[];
  };
  const decode = (data: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  return Object.fromEntries(items.map(({ metadata, data = {} }) => [metadata.name, decode(data)]));
}
