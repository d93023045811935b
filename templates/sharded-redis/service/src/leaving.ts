/** Who is a member of the running cluster and no longer wanted, where nobody but the cluster itself knows who was. */

import { lookup } from 'node:dns/promises';
import type { Clock } from '@dsp/kit/clock';
import type { RedisAccess } from '@dsp/kit/redis-access';
import { splitAddress } from '@dsp/kit/redis-connection';
import { ClusterAdmin } from './cluster-admin.ts';
import type { Member, NodeState } from './cluster-view.ts';
import { ConvergenceError } from './convergence.ts';

export interface LeavingOptions {
  /** `host:port` of the nodes that are wanted; the hosts are the names that they announce. */
  readonly nodes: readonly string[];
  readonly nodeTimeoutMs: number;
  readonly timeoutMs: number;
  readonly access: RedisAccess;
  readonly clock: Clock;
}

const lookAgainAfterMs = 500;

/**
 * `host:port` of the members that are to leave. None where no wanted node has an address yet: then nothing runs.
 * Rejects with {@link ConvergenceError} when there are nodes and none of them answers in time.
 */
export async function findLeaving(options: LeavingOptions): Promise<readonly string[]> {
  const { access, clock, nodes, timeoutMs } = options;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  const commandTimeoutMs = Math.max(500, Math.floor(options.nodeTimeoutMs / 2));
  const admin = new ClusterAdmin({ access, clock, commandTimeoutMs, replicas: 0, deadlineMs });
  try {
    for (;;) {
      const known = await Promise.all(nodes.map(async (address) => ((await hasAddress(address)) ? [address] : [])));
      if (known.flat().length === 0) return [];
      const looks = await Promise.allSettled(known.flat().map((address) => admin.observe(address, false)));
      const seen = looks.flatMap((look) => (look.status === 'fulfilled' ? [look.value] : []));
      if (seen.length > 0) return leaversOf(seen, nodes).map(({ address }) => address);
      if (clock.monotonicMs() > deadlineMs) {
        throw new ConvergenceError(`none of ${known.flat().join(', ')} answers, so nobody knows who has to leave`);
      }
      await clock.sleep(lookAgainAfterMs);
    }
  } finally {
    admin.close();
  }
}

/** Members by whatever `seen` says, without those whose name is wanted. Throws where a member cannot be told by a name. */
export function leaversOf(seen: readonly NodeState[], wanted: readonly string[]): readonly Member[] {
  const names = new Set(wanted.map((address) => splitAddress(address).host));
  const members = new Map<string, Member>();
  for (const node of seen) for (const member of node.others.values()) members.set(member.id, member);
  // A wanted node is known by the address that it was reached by, whatever it calls itself.
  for (const { id } of seen) members.delete(id);
  const others = [...members.values()].filter(({ hostName, inHandshake }) => !inHandshake && !names.has(hostName));
  const nameless = others.find(({ hostName }) => hostName === '');
  if (nameless !== undefined) {
    const who = nameless.address || nameless.id;
    throw new ConvergenceError(`${who} announces no name, so nobody knows whether it has to leave`);
  }
  return others;
}

async function hasAddress(node: string): Promise<boolean> {
  return lookup(splitAddress(node).host).then(
    () => true,
    () => false,
  );
}
