/** Sharded Redis on Kubernetes: the nodes, the job that forms the cluster, and the service in front where there is one. */

import type * as types from '@pulumi/kubernetes/types/index.js';
import { ComponentResource, type ComponentResourceOptions } from '@pulumi/pulumi';
import { deployTopology } from '../../stacks/deploy.ts';
import { imageOf } from '../../stacks/images.ts';
import { confined, tlsArguments } from '../../stacks/pod.ts';
import { secretKeyRef } from '../../stacks/secrets.ts';
import type { Target } from '../../stacks/target.ts';
import type { ProcessSet, Topology } from '../../stacks/topology.ts';
import { secretFilesPath } from '../../stacks/values.ts';

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
    const { topology, target, mode } = args;
    const engines = topology.processSets.filter(({ program }) => program.kind === 'engine');
    const companions = Object.fromEntries(mode === 'store' ? engines.map(({ id }) => [id, addressKeeper]) : []);
    this.url = deployTopology(topology, target, this, { companions }).url;
    this.registerOutputs({ url: this.url });
  }
}

/** A majority of primaries elects a replica in place of a lost one: below three there is none. */
function checkNodes(name: string, { mode, topology }: ShardedRedisArgs): void {
  const engines = topology.processSets.filter((set) => set.program.kind === 'engine');
  const nodes = engines.reduce((sum, set) => sum + set.replicas, 0);
  if (mode === 'store' && nodes < 3) throw new Error(`${name}: a Redis Cluster needs 3 nodes or more, not ${nodes}`);
}

/**
 * Nodes know each other by address, and a pod that starts anew has another one. One that is back finds the others and
 * tells them; where all of them started anew, nobody finds anybody. So every node has somebody beside it who looks up
 * the names of those it has lost, and introduces it to them again: by their ids, since an address may be another's now.
 */
const keepAddresses = `
node() { timeout 3 redis-cli --no-auth-warning --user addresses $TLS -p "$PORT" -h "$@" 2>/dev/null; }
while sleep 2; do
  node "$DSP_POD_IP" cluster nodes | while read -r id endpoint flags primary ping pong epoch link slots; do
    [ "$link" = disconnected ] || continue
    host=\${endpoint#*,}; host=\${host%%,*}; known=\${endpoint%%:*}
    case $host in "$endpoint"|'') continue ;; esac
    now=$(getent hosts "$host" | while read -r address rest; do echo "$address"; break; done)
    case $now in "$known"|'') continue ;; esac
    [ "$(node "$now" cluster myid)" = "$id" ] || continue
    echo "$host was at $known and is at $now"
    node "$DSP_POD_IP" cluster meet "$now" "$PORT" >/dev/null
  done
done
`;

function addressKeeper(set: ProcessSet, target: Target): types.input.core.v1.Container {
  const port = set.ports[0]?.containerPort ?? 6379;
  const memory = '32Mi';
  const disk = { 'ephemeral-storage': '16Mi' };
  return {
    name: 'addresses',
    image: imageOf(set.program, target),
    // A shell that waits for sleep hears no signal; it has nothing to lose.
    command: ['sh', '-c', `trap 'exit 0' TERM; (${keepAddresses}) & wait`],
    env: [
      { name: 'DSP_POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'PORT', value: `${port}` },
      { name: 'TLS', value: tlsArguments(set) },
      { name: 'REDISCLI_AUTH', valueFrom: secretKeyRef({ secret: `${set.part}-addresses`, key: 'password' }) },
    ],
    volumeMounts: [{ name: 'secret-files', mountPath: secretFilesPath, readOnly: true }],
    resources: { requests: { cpu: '5m', memory, ...disk }, limits: { memory, ...disk } },
    securityContext: confined,
  };
}
