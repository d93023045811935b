/** Which of the store's processes work for a load, and how often. */

import type { Demand, PartContext, Work, WorkLoad } from '../../src/pattern.ts';
import { keySkewOf, shareOfBusiest, usPerByte } from './capacity.ts';
import type { StoreSizing } from './sizing.ts';

export function work({ name, sizing, requirements }: PartContext<StoreSizing>, load: WorkLoad): readonly Work[] {
  const set = `${name}-redis`;
  const keySkew = keySkewOf(requirements);
  const { read = 0, write = 0 } = load.offered;
  const asked = [own(sizing, read, write), ...load.demands];
  const sum = (of: (demand: Demand) => number) => asked.reduce((total, demand) => total + of(demand), 0);
  const cost = ({ writePerSecond, writeCost = 1 }: Demand) => writePerSecond * writeCost;
  const primaries = {
    set,
    ...(sizing.mode === 'store' ? { role: 'primary' } : {}),
    instances: sizing.shards,
  };
  /** Of all that is asked, on the shard that is the busiest for each demand. */
  const busiestShare = (of: (demand: Demand) => number) => {
    const onBusiest = sum((demand) => of(demand) * shareOfBusiest(demand, sizing.shards, keySkew));
    return sum(of) > 0 ? onBusiest / sum(of) : 1 / sizing.shards;
  };
  const reads = ({ readPerSecond }: Demand) => readPerSecond;
  const replicas = sizing.shards * sizing.replicasPerShard;
  return [
    ...serviceWork(name, sizing, read + write),
    {
      ...primaries,
      time: 'redis.read',
      visitsPerSecond: sum(reads),
      extraUsPerSecond: sum(
        ({ readPerSecond, payloadBytes }) => readPerSecond * payloadBytes * usPerByte['redis.read'],
      ),
      busiestShare: busiestShare(reads),
    },
    {
      ...primaries,
      time: 'redis.write',
      visitsPerSecond: sum(cost),
      extraUsPerSecond: sum(
        ({ writePerSecond, payloadBytes }) => writePerSecond * payloadBytes * usPerByte['redis.write'],
      ),
      busiestShare: busiestShare(cost),
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
            busiestShare: busiestShare(cost) / sizing.replicasPerShard,
          },
        ]
      : []),
  ].filter(({ visitsPerSecond }) => visitsPerSecond > 0);
}

function serviceWork(name: string, sizing: StoreSizing, perSecond: number): readonly Work[] {
  if (sizing.apiInstances === 0) return [];
  return [
    {
      time: 'kv.api',
      set: `${name}-api`,
      instances: sizing.apiInstances,
      visitsPerSecond: perSecond,
      extraUsPerSecond: perSecond * sizing.payloadBytes * usPerByte['kv.api'],
      busiestShare: 1 / sizing.apiInstances,
    },
  ];
}

/** What comes over the part's own HTTP service. */
function own({ payloadBytes, totalMiB }: StoreSizing, readPerSecond: number, writePerSecond: number): Demand {
  const rates = { readPerSecond, writePerSecond, payloadBytes, totalMiB };
  return { ...rates, capability: 'kv', from: 'user', p99Ms: 0, guarantees: {} };
}
