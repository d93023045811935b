/** Who may call a process set: its own part, whoever refers to its addresses, and anybody at an exposed port. */

import type { types } from '@pulumi/kubernetes';
import { NetworkPolicy } from '@pulumi/kubernetes/networking/v1/networkPolicy.js';
import type { CustomResourceOptions } from '@pulumi/pulumi';
import { labelsOf, valuesOf } from './pod.ts';
import type { Target } from './target.ts';
import type { Port, ProcessSet } from './topology.ts';
import { referencedSets } from './values.ts';

type Rule = types.input.networking.v1.NetworkPolicyIngressRule;

export function ingressPolicy(set: ProcessSet, target: Target, options: CustomResourceOptions): void {
  if (set.ports.length === 0) return;
  const exposed = set.ports.filter((port) => port.exposed);
  const ingress: Rule[] = [
    { from: callers(set, target), ports: set.ports.flatMap(numbers) },
    ...(exposed.length > 0 ? [{ ports: exposed.flatMap(numbers) }] : []),
  ];
  const metadata = { name: set.id, namespace: target.namespace, labels: labelsOf(set, target) };
  const podSelector = { matchLabels: labelsOf(set, target) };
  new NetworkPolicy(set.id, { metadata, spec: { podSelector, policyTypes: ['Ingress'], ingress } }, options);
}

/** The part's own processes and jobs, and the sets of other parts that hold this set's addresses. */
function callers(set: ProcessSet, target: Target): types.input.networking.v1.NetworkPolicyPeer[] {
  const own = { 'app.kubernetes.io/component': set.part, 'app.kubernetes.io/part-of': target.project };
  const others = target.peers.filter(
    (peer) => peer.part !== set.part && valuesOf(peer).some((value) => referencedSets(value).includes(set.id)),
  );
  return [own, ...others.map((peer) => labelsOf(peer, target))].map((matchLabels) => ({
    podSelector: { matchLabels },
  }));
}

function numbers(port: Port): types.input.networking.v1.NetworkPolicyPort[] {
  const also = port.alsoReserveOffset === undefined ? [] : [{ port: port.containerPort + port.alsoReserveOffset }];
  return [{ port: port.containerPort }, ...also];
}
