/** What the search for shards and machines is given, and what it finds. */

import { transferMs } from '../../src/capacity/hardware.ts';
import type { Demand, Machine } from '../../src/pattern.ts';
import type { Tolerance } from './availability.ts';
import type { ShardLoad, Shares } from './capacity.ts';

export interface Shape extends Tolerance {
  readonly mode: 'store' | 'cache';
  readonly option: string;
  readonly minShards: number;
  readonly sharesOf: Shares;
}

/** What one demand sees of the p99, and may see. */
export interface Latency {
  readonly demand: Demand;
  /** HTTP service, network, the disk's syncs and the replica's acknowledgement: what no number of shards changes. */
  readonly aroundMs: number;
}

export interface Fitted {
  readonly shards: number;
  readonly busiest: ShardLoad;
  readonly maxmemoryMiB: number;
  readonly processMiB: number;
  readonly machine: Machine;
  readonly latencies: readonly Latency[];
  /** Of each server. */
  readonly connections: number;
  /** What one shard less would break; null: nothing but the least number that the mode or the user asks for. */
  readonly binding: Limit | null;
}

export type Limit = 'load' | 'p99' | 'memory' | 'network';

/** The p99 that a demand sees: the sum of its parts' p99s, which bounds the whole's. */
export function p99At({ demand, aroundMs }: Latency, busiest: ShardLoad, machine: Machine): number {
  return aroundMs + busiest.p99Ms + transferMs(demand.payloadBytes, machine);
}
