/** Which of the store's processes work for a load, and how often. */

import type { Demand, PartContext, Work, WorkLoad } from '../../src/pattern.ts';
import { shareOfBusiest, usPerByte } from './capacity.ts';
import type { StoreSizing } from './size.ts';

export function work({ name, sizing }: PartContext<StoreSizing>, load: WorkLoad): readonly Work[] {
  const set = `${name}-redis`;
  const { read = 0, write = 0 } = load.offered;
  const asked = [own(sizing, read, write), ...load.demands];
  const sum = (of: (demand: Demand) => number) => asked.reduce((total, demand) => total + of(demand), 0);
  const cost = ({ writePerSecond, writeCost = 1 }: Demand) => writePerSecond * writeCost;
  const primaries = {
    set,
    ...(sizing.mode === 'store' ? { role: 'primary' } : {}),
    instances: sizing.shards,
    busiestShare: Math.max(...asked.map((demand) => shareOfBusiest(demand, sizing.shards))),
  };
  const replicas = sizing.shards * sizing.replicasPerShard;
  return [
    ...(sizing.apiInstances > 0
      ? [
          {
            time: 'kv.api',
            set: `${name}-api`,
            instances: sizing.apiInstances,
            visitsPerSecond: read + write,
            extraUsPerSecond: (read + write) * sizing.payloadBytes * usPerByte['kv.api'],
            busiestShare: 1 / sizing.apiInstances,
          },
        ]
      : []),
    {
      ...primaries,
      time: 'redis.read',
      visitsPerSecond: sum(({ readPerSecond }) => readPerSecond),
      extraUsPerSecond: sum(
        ({ readPerSecond, payloadBytes }) => readPerSecond * payloadBytes * usPerByte['redis.read'],
      ),
    },
    {
      ...primaries,
      time: 'redis.write',
      visitsPerSecond: sum(cost),
      extraUsPerSecond: sum(
        ({ writePerSecond, payloadBytes }) => writePerSecond * payloadBytes * usPerByte['redis.write'],
      ),
    },
    ...(replicas > 0
      ? [
          {
            time: 'redis.replica',
            set,
            role: 'replica',
            instances: replicas,
            visitsPerSecond: sum(cost) * sizing.replicasPerShard,
            extraUsPerSecond: 0,
            busiestShare: primaries.busiestShare / sizing.replicasPerShard,
          },
        ]
      : []),
  ].filter(({ visitsPerSecond }) => visitsPerSecond > 0);
}

/** What comes over the part's own HTTP service. */
function own({ payloadBytes, totalMiB }: StoreSizing, readPerSecond: number, writePerSecond: number): Demand {
  const rates = { readPerSecond, writePerSecond, payloadBytes, totalMiB };
  return { ...rates, capability: 'kv', from: 'user', p99Ms: 0, guarantees: {} };
}
