/** Sharded Redis on Kubernetes: the nodes, the job that forms the cluster, and the service in front where there is one. */

import { ComponentResource, type ComponentResourceOptions } from '@pulumi/pulumi';
import { deployTopology } from '../../stacks/deploy.ts';
import type { Target } from '../../stacks/target.ts';
import type { Topology } from '../../stacks/topology.ts';

export interface ShardedRedisArgs {
  readonly target: Target;
  readonly topology: Topology;
  /** `store`: a Redis Cluster, data survives; `cache`: independent nodes on a ketama ring. */
  readonly mode: 'store' | 'cache';
}

export class ShardedRedis extends ComponentResource {
  /** Inside the cluster, of the HTTP service; undefined when the part is only used by others. */
  readonly url: string | undefined;

  constructor(name: string, args: ShardedRedisArgs, options: ComponentResourceOptions = {}) {
    super('dsp:sharded-redis:ShardedRedis', name, {}, options);
    checkNodes(name, args);
    this.url = deployTopology(args.topology, args.target, this).url;
    this.registerOutputs({ url: this.url });
  }
}

/** A majority of primaries elects a replica in place of a lost one: below three there is none. */
function checkNodes(name: string, { mode, topology }: ShardedRedisArgs): void {
  const engines = topology.processSets.filter((set) => set.program.kind === 'engine');
  const nodes = engines.reduce((sum, set) => sum + set.replicas, 0);
  if (mode === 'store' && nodes < 3) throw new Error(`${name}: a Redis Cluster needs 3 nodes or more, not ${nodes}`);
}
