/** What a probe of the servers saw, and what it must be when the store is at rest. Pure. */

import * as z from 'zod';
import { checkOwnership } from '../../src/checkers/ownership.ts';
import { invariantResult, type Violation } from '../../src/checkers/result.ts';
import type { InvariantResult, Json } from '../../src/pattern.ts';

export const slotCount = 16_384;

const clusterServer = z.object({
  instance: z.string(),
  mode: z.literal('cluster'),
  nodeId: z.string(),
  role: z.enum(['primary', 'replica']),
  /** cluster_state of CLUSTER INFO. */
  state: z.string(),
  /** As CLUSTER NODES lists them; the owner is a node id. */
  ranges: z.array(z.object({ from: z.number(), to: z.number(), owner: z.string() })),
  /** Slots under migration, as CLUSTER NODES shows them on the node itself. */
  openSlots: z.array(z.string()),
  /** Keys that a primary holds of slots it does not own. */
  orphanKeys: z.number(),
});

const standaloneServer = z.object({
  instance: z.string(),
  mode: z.literal('standalone'),
  role: z.enum(['primary', 'replica']),
});

const silentServer = z.object({ instance: z.string(), mode: z.literal('silent'), reason: z.string() });

const probeForm = z.object({
  servers: z.array(z.discriminatedUnion('mode', [clusterServer, standaloneServer, silentServer])),
});

export type ClusterServer = z.infer<typeof clusterServer>;
export type ProbedServer = z.infer<typeof probeForm>['servers'][number];

/** One line of CLUSTER NODES: id, address, flags, primary, ping, pong, epoch, link, slots …. */
export function parseClusterNodes(text: string): Pick<ClusterServer, 'nodeId' | 'role' | 'ranges' | 'openSlots'> {
  let nodeId = '';
  let role: ClusterServer['role'] = 'replica';
  const ranges: ClusterServer['ranges'] = [];
  const openSlots: string[] = [];
  for (const line of text.split('\n').filter((row) => row.trim() !== '')) {
    const [id = '', , flags = '', , , , , , ...slots] = line.trim().split(' ');
    if (flags.split(',').includes('myself')) {
      nodeId = id;
      role = flags.split(',').includes('master') ? 'primary' : 'replica';
    }
    for (const slot of slots) {
      const [from = Number.NaN, to = from] = slot.split('-').map(Number);
      if (slot.startsWith('[')) openSlots.push(slot);
      else ranges.push({ from, to, owner: id });
    }
  }
  return { nodeId, role, ranges, openSlots };
}

/** The slots of the shard that the node of this CLUSTER NODES belongs to, as primary or as replica. */
export function shardSlots(text: string): readonly (readonly [from: number, to: number])[] {
  const rows = text.split('\n').map((row) => row.trim().split(' '));
  const myself = rows.find(([, , flags = '']) => flags.split(',').includes('myself'));
  if (myself === undefined) return [];
  const [id = '', , flags = '', primary = ''] = myself;
  const owner = flags.split(',').includes('master') ? id : primary;
  return parseClusterNodes(text)
    .ranges.filter((range) => range.owner === owner)
    .map(({ from, to }) => [from, to] as const);
}

/** `probe` is what {@link ../probe.ts} returned, or null when nobody looked. */
export function judgeProbe(probe: Json): readonly InvariantResult[] {
  const servers = probe === null ? [] : probeForm.parse(probe).servers;
  const cluster = servers.filter((server) => server.mode === 'cluster');
  if (servers.length > 0 && cluster.length === 0) return [everyServerAnswers(servers)];
  return [slotsCovered(servers, cluster), oneOwner(cluster)];
}

/** Whether the servers stand as they must, so that a probe need not look again. */
export function isAtRest(servers: readonly ProbedServer[]): boolean {
  return judgeProbe({ servers } as unknown as Json).every(({ verdict }) => verdict === 'held');
}

function silent(servers: readonly ProbedServer[]): readonly Violation[] {
  return servers
    .filter((server) => server.mode === 'silent')
    .map(({ instance, reason }) => ({ severity: slotCount, sentence: `${instance} does not answer: ${reason}` }));
}

function everyServerAnswers(servers: readonly ProbedServer[]): InvariantResult {
  const note = `${servers.length} servers of the ring asked`;
  const about = { id: 'servers-answer', title: 'every server of the ring answers', note };
  return invariantResult(about, servers.length, silent(servers));
}

function slotsCovered(servers: readonly ProbedServer[], cluster: readonly ClusterServer[]): InvariantResult {
  const names = new Map(cluster.map(({ nodeId, instance }) => [nodeId, instance]));
  const views = cluster.map(({ instance, ranges }) => ({
    viewer: instance,
    ranges: ranges.map((range) => ({ ...range, owner: names.get(range.owner) ?? range.owner })),
  }));
  const { uncovered, ownedTwice, disputed } = checkOwnership(slotCount, views);
  const violations = [...silent(servers)];
  const add = (slots: readonly string[], what: string) => {
    if (slots.length > 0) violations.push({ severity: slots.length, sentence: `slots ${slots.join(', ')} ${what}` });
  };
  if (cluster.length > 0) {
    add(uncovered, 'have no owner');
    add(ownedTwice, 'have two owners');
    add(disputed, 'have different owners for different servers');
  }
  for (const { instance, state } of cluster) {
    if (state !== 'ok') violations.push({ severity: 1, sentence: `${instance} says cluster_state:${state}` });
  }
  const note = `${slotCount} slots as ${cluster.length} servers see them`;
  const about = { id: 'slots-covered', title: 'every slot has one owner, the same for all servers', note };
  return invariantResult(about, cluster.length > 0 ? slotCount : 0, violations);
}

function oneOwner(cluster: readonly ClusterServer[]): InvariantResult {
  const violations = cluster.flatMap(({ instance, orphanKeys, openSlots }) => [
    ...(orphanKeys > 0
      ? [{ severity: orphanKeys, sentence: `${instance} holds ${orphanKeys} keys of slots that it does not own` }]
      : []),
    ...(openSlots.length > 0
      ? [{ severity: 1, sentence: `${instance} has slots that are still being moved: ${openSlots.join(' ')}` }]
      : []),
  ]);
  const primaries = cluster.filter(({ role }) => role === 'primary').length;
  const note = `keys counted by slot on ${primaries} primaries`;
  const about = { id: 'one-owner', title: 'each key is held by the owner of its slot only', note };
  return invariantResult(about, primaries, violations);
}
