import { describe, expect, it } from 'vitest';
import { type SweeperOptions, sweepBucket, sweepForever } from './sweeper.ts';

function harness(pages: readonly { cursor: string; seen: number; removed: number }[]) {
  const asked: string[] = [];
  const pauses: number[] = [];
  const removed: number[] = [];
  let page = 0;
  const options: SweeperOptions = {
    buckets: {
      count: 2,
      sweep: async (index, cursor, fields, ttlMs) => {
        asked.push(`${index} ${cursor} ${fields} ${ttlMs}`);
        const next = pages[page++ % pages.length];
        if (next === undefined) throw new Error('no page');
        return next;
      },
    },
    clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: async (ms) => void pauses.push(ms) },
    pageFields: 10,
    pauseMs: 100,
    ttlMs: () => 5000,
    onRemoved: (count) => removed.push(count),
  };
  return { options, asked, pauses, removed };
}

describe('the sweeper', () => {
  it('follows the cursor, at once where it finds much and slowly where it finds little', async () => {
    const { options, asked, pauses, removed } = harness([
      { cursor: '8', seen: 10, removed: 9 },
      { cursor: '4', seen: 10, removed: 1 },
      { cursor: '0', seen: 10, removed: 0 },
    ]);
    await sweepBucket(options, 1, new AbortController().signal);
    expect(asked).toEqual(['1 0 10 5000', '1 8 10 5000', '1 4 10 5000']);
    expect(pauses).toEqual([100]);
    expect(removed).toEqual([9, 1]);
  });

  it('goes from bucket to bucket until it is stopped, also past one that does not answer', async () => {
    const stop = new AbortController();
    const { options, asked } = harness([]);
    let left = 5;
    const sleep = async () => {
      if (--left === 0) stop.abort();
    };
    await sweepForever({ ...options, clock: { ...options.clock, sleep } }, stop.signal);
    expect(asked.map((line) => line[0])).toEqual(['0', '1', '0', '1', '0']);
  });
});
