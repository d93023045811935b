/** Who answers for which key, as the servers themselves have it. */

import keySlot from 'cluster-key-slot';
import type { Instance, Shards } from '../../src/pattern.ts';
import { buildRing, serverOf } from '../kit/src/ketama.ts';
import { redisInstances, withConnection } from './probe.ts';
import { parseClusterNodes, slotCount } from './slots.ts';

/** A server of a cluster has a view of the slots; one of a ring knows of nobody. */
type View = { readonly id: string; readonly cluster: ReturnType<typeof parseClusterNodes> | null };

export async function shards(instances: readonly Instance[]): Promise<Shards> {
  const views = await Promise.all(redisInstances(instances).map(viewOf));
  return views.some(({ cluster }) => cluster !== null) ? ofCluster(views) : ofRing(views.map(({ id }) => id));
}

function viewOf(instance: Instance): Promise<View> {
  return withConnection(instance, async (redis) => {
    const isCluster = /^redis_mode:cluster\r?$/m.test(await redis.info('server'));
    return {
      id: instance.id,
      cluster: isCluster ? parseClusterNodes(String(await redis.cluster('NODES'))) : null,
    };
  });
}

export function ofCluster(views: readonly View[]): Shards {
  const names = new Map(views.flatMap(({ id, cluster }) => (cluster === null ? [] : [[cluster.nodeId, id] as const])));
  const owners = new Array<string | null>(slotCount).fill(null);
  for (const { from, to, owner } of views.find(({ cluster }) => cluster !== null)?.cluster?.ranges ?? []) {
    owners.fill(names.get(owner) ?? null, from, to + 1);
  }
  const instances = [...new Set(owners)].filter((owner) => owner !== null).sort();
  return { instances, ownerOf: (key) => owners[keySlot(key)] ?? null };
}

/** On the ring a server's name is its instance's, whatever its address. */
export function ofRing(names: readonly string[]): Shards {
  const ring = buildRing(names.map((name) => ({ name, weight: 1 })));
  return { instances: names, ownerOf: (key) => names[serverOf(ring, key)] ?? null };
}
