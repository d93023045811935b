/** Looks at the store's servers themselves: roles for faults, and slots for the invariants. */

import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { FaultTarget, Instance, Json } from '../../src/pattern.ts';
import { isAtRest, type ProbedServer, parseClusterNodes, shardSlots } from './slots.ts';

const answerMs = 3000;
const betweenLooksMs = 500;

/**
 * Looks until every server answers and agrees with the others, then says what it saw last. A cluster that has just failed
 * over agrees on its slots within seconds; one that does not in ten is reported as it is.
 */
export async function probe(instances: readonly Instance[], maxLooks = 20): Promise<Json> {
  let servers: readonly ProbedServer[] = [];
  for (let look = 1; look <= maxLooks; look++) {
    servers = await Promise.all(redisInstances(instances).map(probeServer));
    if (isAtRest(servers)) break;
    if (look < maxLooks) await delay(betweenLooksMs);
  }
  return { servers } as unknown as Json;
}

export function redisInstances(instances: readonly Instance[]): readonly Instance[] {
  return instances.filter((instance) => instance.kind === 'engine' && instance.ports.redis !== undefined);
}

async function probeServer(instance: Instance): Promise<ProbedServer> {
  try {
    return await withConnection(instance, (redis) => look(instance.id, redis));
  } catch (error) {
    return { instance: instance.id, mode: 'silent', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function look(instance: string, redis: Redis): Promise<ProbedServer> {
  const [role] = (await redis.role()) as unknown as [string];
  if (!/^redis_mode:cluster\r?$/m.test(await redis.info('server'))) {
    await redis.ping();
    return { instance, mode: 'standalone', role: role === 'master' ? 'primary' : 'replica' };
  }
  const view = parseClusterNodes(String(await redis.cluster('NODES')));
  const state = /^cluster_state:(?<state>\w+)/m.exec(String(await redis.cluster('INFO')))?.groups?.state ?? 'unknown';
  const orphanKeys = view.role === 'primary' ? await countOrphans(redis, view.ranges, view.nodeId) : 0;
  return { instance, mode: 'cluster', ...view, state, orphanKeys };
}

/** Keys outside the owned slots: all keys less those of each owned slot, counted at one moment. */
async function countOrphans(
  redis: Redis,
  ranges: readonly { readonly from: number; readonly to: number; readonly owner: string }[],
  nodeId: string,
): Promise<number> {
  const counting = redis.multi().dbsize();
  for (const { from, to, owner } of ranges) {
    for (let slot = from; owner === nodeId && slot <= to; slot++) counting.cluster('COUNTKEYSINSLOT', slot);
  }
  const answers = (await counting.exec()) ?? [];
  const [all = 0, ...owned] = answers.map(([error, count]) => {
    if (error) throw error;
    return Number(count);
  });
  return all - owned.reduce((sum, count) => sum + count, 0);
}

/** A connection of its own that gives up rather than wait or try again. */
export async function withConnection<T>(instance: Instance, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    host: instance.host,
    port: instance.ports.redis!,
    ...credentials(instance.access),
    lazyConnect: true,
    disableClientInfo: true,
    enableReadyCheck: false,
    connectTimeout: answerMs,
    commandTimeout: answerMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // What goes wrong also rejects the call under way.
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

function credentials({ user, password, ca, serverName }: NonNullable<Instance['access']> = {}) {
  return {
    ...(user === undefined || password === undefined ? {} : { username: user, password }),
    ...(ca === undefined || serverName === undefined ? {} : { tls: { ca, servername: serverName } }),
  };
}

/** Servers with a role; a primary without slots holds no data and is left out. */
async function withRole(instances: readonly Instance[], role: 'primary' | 'replica'): Promise<readonly string[]> {
  const servers = await Promise.all(redisInstances(instances).map(probeServer));
  return servers
    .filter((server) => server.mode !== 'silent' && server.role === role)
    .filter((server) => server.mode !== 'cluster' || role === 'replica' || ownsSlots(server))
    .map(({ instance }) => instance);
}

function ownsSlots(server: ProbedServer): boolean {
  return server.mode === 'cluster' && server.ranges.some(({ owner }) => owner === server.nodeId);
}

export const faultTargets: readonly FaultTarget[] = (['primary', 'replica'] as const).map((role) => ({
  role,
  find: (instances) => withRole(instances, role),
  scope: shardOf,
  readClockMs: (instance) =>
    withConnection(instance, async (redis) => {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1000 + Number(micros) / 1000;
    }),
}));

/** The slots whose keys a fault of this server may harm; a ring's servers have none. */
async function shardOf(instances: readonly Instance[], id: string): Promise<Json> {
  const instance = instances.find((one) => one.id === id);
  if (instance === undefined) return null;
  return withConnection(instance, async (redis) => {
    if (!/^redis_mode:cluster\r?$/m.test(await redis.info('server'))) return null;
    return { slots: shardSlots(String(await redis.cluster('NODES'))) } as unknown as Json;
  });
}
