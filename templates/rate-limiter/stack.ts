/** The rate limiter on Kubernetes: its stateless instances behind one service; the counters are in the store it is given. */

import { ComponentResource, type ComponentResourceOptions } from '@pulumi/pulumi';
import { deployTopology } from '../../stacks/deploy.ts';
import type { Target } from '../../stacks/target.ts';
import type { Topology } from '../../stacks/topology.ts';

export interface RateLimiterArgs {
  readonly target: Target;
  readonly topology: Topology;
}

export class RateLimiter extends ComponentResource {
  /** Inside the cluster: `POST <url>/v1/check`. */
  readonly url: string | undefined;

  constructor(name: string, args: RateLimiterArgs, options: ComponentResourceOptions = {}) {
    super('dsp:rate-limiter:RateLimiter', name, {}, options);
    this.url = deployTopology(args.topology, args.target, this).url;
    this.registerOutputs({ url: this.url });
  }
}
