/**
 * Who may call whom. By default nobody: each process set and job is allowed to call the sets whose addresses it holds,
 * those of its own part, and the cluster's name service; an exposed port takes calls from anywhere.
 */

import { NetworkPolicy } from '@pulumi/kubernetes/networking/v1/networkPolicy.js';
import type * as types from '@pulumi/kubernetes/types/index.js';
import type { CustomResourceOptions } from '@pulumi/pulumi';
import { labelsOf, type Process, partLabels, valuesOf } from './pod.ts';
import type { Target } from './target.ts';
import type { Port, ProcessSet } from './topology.ts';
import { referencedSets } from './values.ts';

type Ingress = types.input.networking.v1.NetworkPolicyIngressRule;
type Egress = types.input.networking.v1.NetworkPolicyEgressRule;
type Peer = types.input.networking.v1.NetworkPolicyPeer;
type PolicyPort = types.input.networking.v1.NetworkPolicyPort;

/** What the project's pods may do before any part allows more: ask for names. */
export function defaultPolicies(target: Pick<Target, 'project' | 'namespace' | 'ground'>): void {
  const { project, namespace, ground } = target;
  const labels = { 'app.kubernetes.io/part-of': project };
  const declare = (name: string, spec: types.input.networking.v1.NetworkPolicySpec) =>
    new NetworkPolicy(name, { metadata: { name, namespace, labels }, spec }, { dependsOn: [...ground] });
  const podSelector = { matchLabels: labels };
  declare(`${project}-default-deny`, { podSelector, policyTypes: ['Ingress', 'Egress'] });
  const ports = [
    { port: 53, protocol: 'UDP' },
    { port: 53, protocol: 'TCP' },
  ];
  declare(`${project}-allow-names`, { podSelector, policyTypes: ['Egress'], egress: [{ ports }] });
}

/** What one process set or job is allowed: `set` is given where it takes calls. */
export function allow(process: Process, set: ProcessSet | null, target: Target, options: CustomResourceOptions): void {
  const ingress = set === null ? [] : ingressOf(set, target);
  const egress = egressOf(process, target);
  const policyTypes = [...(ingress.length > 0 ? ['Ingress'] : []), ...(egress.length > 0 ? ['Egress'] : [])];
  if (policyTypes.length === 0) return;
  const metadata = { name: process.id, namespace: target.namespace, labels: labelsOf(process, target) };
  const podSelector = { matchLabels: labelsOf(process, target) };
  const spec = {
    podSelector,
    policyTypes,
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
  new NetworkPolicy(process.id, { metadata, spec }, options);
}

function ingressOf(set: ProcessSet, target: Target): Ingress[] {
  if (set.ports.length === 0) return [];
  const exposed = set.ports.filter((port) => port.exposed);
  return [
    { from: callers(set, target), ports: set.ports.flatMap(numbers) },
    ...(exposed.length > 0 ? [{ ports: exposed.flatMap(numbers) }] : []),
  ];
}

/** The part's own processes and jobs, and the sets of other parts that hold this set's addresses. */
function callers(set: ProcessSet, target: Target): Peer[] {
  const others = target.peers.filter(
    (peer) => peer.part !== set.part && valuesOf(peer).some((value) => referencedSets(value).includes(set.id)),
  );
  const labels = [partLabels(set.part, target), ...others.map((peer) => labelsOf(peer, target))];
  return labels.map((matchLabels) => ({ podSelector: { matchLabels } }));
}

/** The sets whose addresses it holds, and those of its own part, which engines find without being told. */
function egressOf(process: Process, target: Target): Egress[] {
  const held = new Set(valuesOf(process).flatMap(referencedSets));
  return target.peers
    .filter((peer) => peer.ports.length > 0 && (held.has(peer.id) || peer.part === process.part))
    .map((peer) => ({
      to: [{ podSelector: { matchLabels: labelsOf(peer, target) } }],
      ports: peer.ports.flatMap(numbers),
    }));
}

function numbers(port: Port): PolicyPort[] {
  const also = port.alsoReserveOffset === undefined ? [] : [{ port: port.containerPort + port.alsoReserveOffset }];
  return [{ port: port.containerPort }, ...also];
}
