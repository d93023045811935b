/** Sharded Redis: a Redis Cluster that keeps what it acknowledged, or a ring of caches that may forget. */

import { definePattern, type PartContext, type Requirements } from '../../src/pattern.ts';
import { itemUse } from './access.ts';
import { serviceTimePriors, serviceUs } from './capacity.ts';
import { hotKey } from './hot-key.ts';
import { size } from './size.ts';
import type { StoreSizing } from './sizing.ts';
import { connect, topology } from './topology.ts';
import { work } from './work.ts';

export default definePattern<StoreSizing>({
  id: 'sharded-redis',
  title: 'Sharded Redis',
  need: { id: 'keep-hot-data', words: 'keep hot data in memory' },
  partName: 'store',
  provides: ['kv'],
  reads: ['rate', 'data', 'latency', 'consistency', 'availability', 'loss', 'cost', 'operations'],
  questions: [
    {
      key: 'minShards',
      ask: 'At least how many shards?',
      feeds: 'a floor under the number of shards, to grow ahead of the load',
      type: { kind: 'number', min: 1, max: 200, integer: true, unit: 'shards' },
      prior: 1,
      priorSource: 'the planner’s own number is enough',
      unasked: true,
    },
    {
      key: 'fsync',
      ask: 'When is what a server wrote on its disk for certain?',
      feeds: 'what a server forgets that loses its power and is back before a replica has replaced it',
      type: {
        kind: 'choice',
        choices: [
          { value: 'everysec', words: 'once a second: it may forget that second' },
          {
            value: 'always',
            words: 'before every answer: it forgets nothing, and each batch of writes waits for the disk',
          },
        ],
      },
      prior: 'everysec',
      priorSource: 'a machine takes longer to start than its replica to replace it',
      unasked: true,
    },
    {
      key: 'tls',
      ask: 'Is everything on its way to and between the servers to be encrypted?',
      feeds: 'whether the servers speak TLS, and nothing else',
      type: { kind: 'confirm' },
      prior: false,
      priorSource: 'the network between the machines is trusted with what they say',
      unasked: true,
    },
    {
      key: 'ambassador',
      ask: 'Is a ring to be reached through an ambassador, at one localhost address?',
      feeds: 'whether applications that know nothing of a ring can use it; it costs a hop',
      type: { kind: 'confirm' },
      prior: false,
      priorSource: 'a client that knows the ring needs no hop',
      unasked: true,
    },
  ],
  userDemand: (requirements) => ({ ...userLoad(requirements), capability: 'kv', guarantees: {} }),
  size,
  local,
  footprint,
  scales: { shards: (sizing, by) => ({ ...sizing, shards: sizing.shards + Math.max(1, by) }) },
  hotKey,
  topology,
  connect,
  files: (part) => [
    {
      path: 'redis.conf',
      template: 'redis.conf.hbs',
      values: {
        cluster: part.sizing.mode === 'store',
        appendonly: part.sizing.mode === 'store',
        appendFsync: part.sizing.appendFsync,
        tls: part.sizing.tls,
        maxmemoryPolicy: part.sizing.mode === 'store' ? 'noeviction' : 'allkeys-lru',
      },
      ownership: 'generated',
    },
  ],
  stack: (part) => ({ module: 'stack.ts', construct: 'ShardedRedis', args: stackArgs(part) }),
  serviceTimes: serviceTimePriors,
  work,
  offeredLoad: ({ sizing: { readPerSecond: read, writePerSecond: write } }) => ({
    ...(read > 0 ? { read } : {}),
    ...(write > 0 ? { write } : {}),
  }),
  workloadModule: 'workload',
  invariantsModule: 'invariants',
  loadVia: { redis: { workloadModule: 'workload-redis', set: 'redis', port: 'redis' } },
});

function userLoad({ rate, data, latency }: Requirements) {
  return {
    readPerSecond: rate.readPerSecond.high * rate.peakFactor.high,
    writePerSecond: rate.writePerSecond.high * rate.peakFactor.high,
    payloadBytes: data.payloadBytes.high,
    totalMiB: data.totalMiB.high,
    // The smallest values make the most keys, each with its overhead.
    keys: Math.max(1, Math.ceil((data.totalMiB.high * 2 ** 20) / data.payloadBytes.low)),
    p99Ms: latency.p99Ms,
    uses: itemUse,
  };
}

/** Replicas, the majority and the second instance are the structure; shards and memory shrink with the scale. */
function local(sizing: StoreSizing, scale: number): StoreSizing {
  if (scale >= 1) return sizing;
  const least = sizing.mode === 'store' ? 3 : 2;
  const shards = Math.max(Math.min(least, sizing.shards), Math.round(sizing.shards * scale));
  const memory = (whole: number) => Math.max(32, Math.ceil((whole * sizing.shards * scale) / shards));
  return {
    ...sizing,
    readPerSecond: sizing.readPerSecond * scale,
    writePerSecond: sizing.writePerSecond * scale,
    busyCpus: sizing.busyCpus * scale,
    totalMiB: Math.max(1, Math.ceil(sizing.totalMiB * scale)),
    shards,
    maxmemoryMiB: memory(sizing.maxmemoryMiB),
    memoryMiBPerProcess: memory(sizing.memoryMiBPerProcess),
    apiInstances: Math.min(sizing.apiInstances, Math.max(2, Math.round(sizing.apiInstances * scale))),
  };
}

/** Idle redis-servers and Node processes cost little; the load costs its service time, a write once a copy. */
function footprint(sizing: StoreSizing): { cpus: number; memoryMiB: number } {
  const nodes = sizing.shards * (1 + sizing.replicasPerShard);
  const requests = sizing.readPerSecond + sizing.writePerSecond;
  const apiCpus = (requests * serviceUs(serviceTimePriors, 'kv.api', sizing.payloadBytes)) / 1e6;
  const data = sizing.totalMiB * (1 + sizing.replicasPerShard) * 1.5;
  return {
    cpus: sizing.busyCpus + apiCpus + nodes * 0.01,
    memoryMiB: data + nodes * 12 + sizing.apiInstances * 90,
  };
}

function stackArgs(part: PartContext<StoreSizing>) {
  return { mode: part.sizing.mode };
}
