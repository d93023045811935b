import { describe, expect, it } from 'vitest';
import { HistoryLog } from '../../../../src/bench/generator/history-log.ts';
import {
  hotFactor,
  judgeShards,
  type ShardLoadsInput,
  surelyAbove,
} from '../../../../src/bench/verdict/shard-loads.ts';
import { keyDraw } from '../../../../src/key-skew.ts';
import { seededRandom } from '../../../../src/random.ts';

const shards = ['r-0', 'r-1', 'r-2'];

/** Requests to keys that are dealt out to the shards in turn. */
function keysOf(counts: readonly number[]): ShardLoadsInput['keys'] {
  return counts.map((requests, i) => ({ part: 'store', key: `k${i}`, shard: shards[i % 3] as string, requests }));
}

function judge(counts: readonly number[], changes: Partial<ShardLoadsInput> = {}) {
  const loads = judgeShards({
    part: 'store',
    shards,
    keys: keysOf(counts),
    cpuUs: null,
    plannedShare: 0.35,
    ...changes,
  });
  if (loads === null) throw new Error('there are three shards');
  return loads;
}

describe('shards of a steady load', () => {
  it('are even when no share passes the plan’s', () => {
    const loads = judge([1000, 1010, 990]);
    expect(loads).toMatchObject({ verdict: 'even', requests: 3000, evenShare: 1 / 3 });
    expect(loads.shards.map(({ share }) => share)).toEqual([1000 / 3000, 1010 / 3000, 990 / 3000]);
  });

  it('are hot a quarter above the plan’s busiest, and uneven in between', () => {
    expect(judge([9000, 5000, 5000]).shards.map(({ verdict }) => verdict)).toEqual(['hot', 'even', 'even']);
    expect(judge([8000, 6000, 6000]).verdict).toBe('uneven');
    expect(judge([9000, 5000, 5000]).because).toMatch(/^r-0: .*47.4 %.*planned for 35 %, hot from 43.8 %/);
    // What the plan foresaw is no surprise.
    expect(judge([9000, 5000, 5000], { plannedShare: 0.5 }).verdict).toBe('even');
    expect(judge([0, 0, 0], { plannedShare: 0 }).hotShare).toBeCloseTo(hotFactor / 3, 9);
  });

  it('are not hot by chance: a few requests prove nothing', () => {
    expect(judge([9, 5, 5]).verdict).toBe('even');
    expect(judge([]).verdict).toBe('even');
  });

  it('are rarely found above a share that they have, whatever the number of requests', () => {
    const random = seededRandom(4);
    const runs = 2000;
    let above = 0;
    for (let run = 0; run < runs; run++) {
      const counts = [0, 0, 0];
      for (let i = 0; i < 300; i++) counts[random.integer(3)]! += 1;
      if (Math.max(...counts) / 300 > surelyAbove(1 / 3, 300, 3)) above += 1;
    }
    expect(above / runs).toBeLessThan(0.03);
    expect(above).toBeGreaterThan(0);
  });

  it('are hot by their CPU time too, once there is enough of it to see', () => {
    const cpu = (...us: readonly number[]) => new Map(us.map((each, i) => [shards[i] as string, each] as const));
    const hot = judge([100, 100, 100], { cpuUs: cpu(2e6, 1e6, 1e6) });
    expect(hot.shards.map(({ verdict, cpuShare }) => [verdict, cpuShare])).toEqual([
      ['hot', 0.5],
      ['even', 0.25],
      ['even', 0.25],
    ]);
    expect(judge([100, 100, 100], { cpuUs: cpu(2e5, 1e5, 1e5) })).toMatchObject({ verdict: 'even' });
  });

  it('name the hottest keys, with their share of their own part', () => {
    const other = { part: 'limiter', key: 'caller', shard: 'r-1', requests: 50 };
    const { hottestKeys } = judge([], { keys: [...keysOf([10, 80, 10]), other] });
    expect(hottestKeys[0]).toMatchObject({ key: 'k1', shard: 'r-1', share: 0.8 });
    expect(hottestKeys[1]).toMatchObject({ key: 'caller', share: 1 });
    expect(judge(Array.from({ length: 50 }, () => 1)).hottestKeys).toHaveLength(10);
  });

  it('find the shard of a key that takes a third of all', () => {
    const random = seededRandom(9);
    const draw = keyDraw({ kind: 'hot', share: 0.33, keys: 1 }, 999);
    const counts = new Array<number>(999).fill(0);
    for (let i = 0; i < 6000; i++) counts[draw(random)]! += 1;
    const loads = judge(counts);
    expect(loads.shards[0]).toMatchObject({ instance: 'r-0', verdict: 'hot' });
    expect(loads.hottestKeys[0]).toMatchObject({ key: 'k0' });
  });

  it('are not judged where there is one', () => {
    expect(judgeShards({ part: 'store', shards: ['r-0'], keys: [], cpuUs: null, plannedShare: 1 })).toBeNull();
  });
});

describe('keys of a history', () => {
  it('are counted by phase and part, over all workers', () => {
    const log = new HistoryLog();
    const batch = (part: number, keys: readonly number[], phase: number, newKeys: readonly string[]) => ({
      part,
      newKeys,
      rows: keys.length,
      keys: Uint32Array.from(keys),
      operations: Uint32Array.from(keys, () => 0),
      values: Float64Array.from(keys, () => 0),
      results: Float64Array.from(keys, () => 0),
      sentMs: Float64Array.from(keys, () => 0),
      answeredMs: Float64Array.from(keys, () => 0),
      outcomes: Uint8Array.from(keys, () => 0),
      phases: Uint8Array.from(keys, () => phase),
    });
    log.add(0, batch(0, [1, 2, 1], 2, ['read', 'a', 'b']));
    log.add(1, batch(0, [1, 1], 2, ['read', 'b']));
    log.add(0, batch(0, [1], 1, []));
    log.add(0, batch(1, [3], 2, ['c']));
    expect([...log.countKeys(0, 'steady')]).toEqual([
      ['a', 2],
      ['b', 3],
    ]);
    expect([...log.countKeys(1, 'steady')]).toEqual([['c', 1]]);
    expect([...log.countKeys(0, 'warmup')]).toEqual([['a', 1]]);
  });
});
