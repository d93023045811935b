/** Who keeps which keys, asked before the load, and what the load then did to them. */

import type { Shards } from '../checkers/invariant.ts';
import { measuredHotKey } from '../plan/hot-key.ts';
import { worksAt } from './capacity/machine-model.ts';
import type { BenchInput } from './input.ts';
import type { LoadResult } from './load.ts';
import type { ShardReport } from './report.ts';
import type { BenchedPart } from './system.ts';
import { judgeShards, type KeyCount } from './verdict/shard-loads.ts';

/** By part, of those that keep keys. A fault may move keys, so that this is asked while nothing happens. */
export async function shardsOf(parts: readonly BenchedPart[]): Promise<ReadonlyMap<string, Shards>> {
  const found = await Promise.all(
    parts.map(async ({ part, invariants, instances }) => {
      const shards = (await invariants.shards?.(instances).catch(() => null)) ?? null;
      return shards === null ? [] : [[part.name, shards] as const];
    }),
  );
  return new Map(found.flat());
}

export interface ShardsInput extends Pick<BenchInput, 'plan' | 'patternOf'> {
  readonly parts: readonly BenchedPart[];
  /** Those that took load, in the order of the generators' parts. */
  readonly loaded: readonly BenchedPart[];
  readonly shards?: ReadonlyMap<string, Shards>;
  readonly result: Pick<LoadResult, 'history' | 'cpu'>;
}

/** Of every part that keeps keys on several shards, with remedies where one is hot through a key. */
export function reportShards(input: ShardsInput): readonly ShardReport[] {
  return input.parts.flatMap((benched) => {
    const shards = input.shards?.get(benched.part.name);
    const loads = shards === undefined ? null : judgedLoads(input, benched, shards);
    return loads === null
      ? []
      : [{ ...loads, hotKey: loads.verdict === 'hot' ? remedies(input, benched, loads) : null }];
  });
}

function judgedLoads(input: ShardsInput, benched: BenchedPart, shards: Shards) {
  return judgeShards({
    part: benched.part.name,
    shards: shards.instances,
    keys: countKeys(input, benched, shards),
    cpuUs: input.result.cpu?.instanceUs ?? null,
    plannedShare: plannedShare(input, benched, shards),
  });
}

/** Of the part's own load, and of those that keep their keys there. */
function countKeys(
  { loaded, result }: ShardsInput,
  { part: keeper }: BenchedPart,
  shards: Shards,
): readonly KeyCount[] {
  return loaded.flatMap(({ part, invariants }, index) => {
    const keeps = part.name === keeper.name || Object.values(part.bindings).some((bound) => bound.part === keeper.name);
    if (!keeps || invariants.storedKey === undefined) return [];
    return [...result.history.countKeys(index, 'steady')].flatMap(([key, requests]) => {
      const stored = invariants.storedKey?.(key, part.localSizing) ?? null;
      const shard = stored === null ? null : shards.ownerOf(stored);
      return shard === null ? [] : [{ part: part.name, key, shard, requests }];
    });
  });
}

/** As the plan's own model has it for what is deployed: of the busiest of so many. */
function plannedShare({ parts, loaded, plan, patternOf }: ShardsInput, benched: BenchedPart, shards: Shards): number {
  const sets = new Set(benched.instances.filter(({ id }) => shards.instances.includes(id)).map(({ set }) => set));
  const rates = Object.fromEntries(loaded.map(({ part, offeredLoad }) => [part.name, offeredLoad]));
  const modelled = parts.map(({ part }) => ({ part, pattern: patternOf(part.pattern) }));
  const works = worksAt({ parts: modelled, plan, rates, workers: 1 });
  const ofShards = works.filter(({ set, instances }) => sets.has(set) && instances === shards.instances.length);
  const own = ofShards.filter(({ role }) => role === ofShards[0]?.role);
  const visits = own.reduce((sum, { visitsPerSecond }) => sum + visitsPerSecond, 0);
  const onBusiest = own.reduce((sum, { visitsPerSecond, busiestShare }) => sum + visitsPerSecond * busiestShare, 0);
  return visits > 0 ? onBusiest / visits : 0;
}

function remedies(
  { plan, patternOf }: ShardsInput,
  { part }: BenchedPart,
  { hottestKeys }: Omit<ShardReport, 'hotKey'>,
) {
  const own = hottestKeys.find((key) => key.part === part.name);
  return own === undefined ? null : measuredHotKey(plan, part, patternOf(part.pattern), own.share);
}
