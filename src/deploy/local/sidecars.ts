/** A topology as this target runs it: each sidecar is a process set of its own, replica by replica beside its owner. */

import type { ProcessSet, Sidecar, Topology } from '../../pattern.ts';

export function sidecarSet(owner: string, sidecar: string): string {
  return `${owner}-${sidecar}`;
}

/** The same topology when it has no sidecars. */
export function withSidecarSets(topology: Topology): Topology {
  if (!topology.processSets.some(({ sidecars = [] }) => sidecars.length > 0)) return topology;
  const processSets = topology.processSets.flatMap((set) => {
    const beside = (set.sidecars ?? []).map((sidecar) => asSet(sidecar, set));
    return [...beside, { ...set, dependsOn: [...set.dependsOn, ...beside.map(({ id }) => id)] }];
  });
  return { ...topology, processSets };
}

function asSet(sidecar: Sidecar, { id, part, replicas, dependsOn }: ProcessSet): ProcessSet {
  const { name, ...process } = sidecar;
  const nothing = { volumes: [], files: [], spread: false };
  return { ...process, ...nothing, id: sidecarSet(id, name), part, replicas, dependsOn };
}
