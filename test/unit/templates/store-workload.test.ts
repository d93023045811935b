import { describe, expect, it } from 'vitest';
import type { WorkloadContext, WorkloadRequest, WorkloadResponse } from '../../../src/bench/generator/workload.ts';
import { seededRandom } from '../../../src/random.ts';
import { exactly } from '../../../src/requirements/requirements.ts';
import { itemCount, itemText, maxItemKeys, parseItem } from '../../../templates/sharded-redis/items.ts';
import workload from '../../../templates/sharded-redis/workload.ts';
import { WriteKeys } from '../../../templates/sharded-redis/write-keys.ts';
import { requirementsOf } from './requirements.ts';

function contextOf(over: Partial<WorkloadContext> = {}): WorkloadContext {
  return {
    part: 'store',
    sizing: { mode: 'store', totalMiB: 64 },
    options: {},
    requirements: requirementsOf({ data: { payloadBytes: exactly(200), totalMiB: exactly(64) } }),
    offeredLoad: { read: 800, write: 200 },
    seed: 7,
    workerIndex: 0,
    workerCount: 1,
    ...over,
  };
}

const answer = (status: number, body = ''): WorkloadResponse => ({ status, headers: {}, body });
const stored = (request: WorkloadRequest) => answer(200, request.body);

describe('items', () => {
  const item = { key: 'bench-12', version: 34, writer: 1, run: 7 };

  it('are as long as the payload and read back', () => {
    expect(itemText(item, 300)).toHaveLength(300);
    expect(parseItem(itemText(item, 300), 300)).toEqual(item);
    expect(parseItem(itemText(item, 1), 1)).toEqual(item);
  });

  it('show that any one character was changed, added or lost', () => {
    const text = itemText(item, 80);
    for (let at = 0; at < text.length; at++) {
      const changed = text[at] === 'x' ? 'y' : 'x';
      expect(parseItem(text.slice(0, at) + changed + text.slice(at + 1), 80), `changed at ${at}`).toBeNull();
      expect(parseItem(text.slice(0, at), 80), `cut at ${at}`).toBeNull();
    }
    expect(parseItem(`${text}.`, 80)).toBeNull();
  });

  it('are as many as the data is, within bounds', () => {
    const requirements = requirementsOf({ data: { payloadBytes: exactly(924), totalMiB: exactly(1e6) } });
    const count = (totalMiB: number, workerCount: number) =>
      itemCount(contextOf({ requirements, sizing: { mode: 'store', totalMiB }, workerCount }));
    expect(count(1, 1)).toBe(1024);
    expect(count(1e6, 1)).toBe(maxItemKeys);
    expect(count(0.0001, 4)).toBe(4);
    const large = requirementsOf({ data: { payloadBytes: exactly(2 ** 20), totalMiB: exactly(1e6) } });
    expect(itemCount(contextOf({ requirements: large, sizing: { mode: 'store', totalMiB: 1e6 } }))).toBe(255);
  });
});

describe('WriteKeys', () => {
  const own = [0, 2, 4, 6, 8, 10, 12, 14];
  const draws = (keys: WriteKeys, count: number) => {
    const random = seededRandom(5);
    return Array.from({ length: count }, () => {
      const index = keys.next(random);
      keys.ended(index, true);
      return index;
    });
  };

  it('gives no key out twice while a write is under way', () => {
    const keys = new WriteKeys(own, { kind: 'zipf', exponent: 0.99 }, 100);
    const random = seededRandom(1);
    const given = own.map(() => keys.next(random));
    expect([...given].sort((a, b) => a - b)).toEqual(own);
    keys.ended(6, true);
    expect(keys.next(random)).toBe(6);
  });

  it('leaves half of the keys alone that a failure may have hurt, and goes on with the others', () => {
    const keys = new WriteKeys(own, { kind: 'zipf', exponent: 0.99 }, 100);
    expect(new Set(draws(keys, 200))).toEqual(new Set(own));
    keys.ended(2, false);
    expect(new Set(draws(keys, 500))).toEqual(new Set([0, 4, 8, 12]));
  });

  it('leaves the key alone whose write failed, too', () => {
    const keys = new WriteKeys(own, { kind: 'zipf', exponent: 0.99 }, 0.1);
    keys.ended(14, true);
    keys.ended(6, false);
    expect(new Set(draws(keys, 500))).toEqual(new Set([0, 2, 4, 8, 10, 12]));
  });

  it('leaves only those alone that were written lately', () => {
    const keys = new WriteKeys(own, { kind: 'zipf', exponent: 0.99 }, 1);
    // The ring holds two writes: 2 and 6 at places 1 and 3.
    for (const index of [10, 14, 2, 6]) keys.ended(index, true);
    keys.ended(0, false);
    expect(new Set(draws(keys, 500))).toEqual(new Set([0, 4, 8, 10, 12, 14]));
  });
});

describe('requests', () => {
  it('fill every key of the worker once, each worker its own', () => {
    const filled = [0, 1, 2].flatMap(
      (workerIndex) => workload.prepare?.(contextOf({ workerIndex, workerCount: 3 })) ?? [],
    );
    expect(new Set(filled.map(({ key }) => key)).size).toBe(maxItemKeys);
    expect(filled).toHaveLength(maxItemKeys);
    expect(filled.every(({ operation, value }) => operation === 'write' && value === 1)).toBe(true);
  });

  it('write rising versions of own keys, and read all keys', () => {
    const filled = (workerIndex: number) =>
      new Set((workload.prepare?.(contextOf({ workerIndex, workerCount: 3 })) ?? []).map(({ key }) => key));
    const run = workload.create(contextOf({ workerIndex: 1, workerCount: 3 }));
    const random = seededRandom(9);
    const versions = new Map<string, number>();
    const read = new Set<string>();
    for (let i = 0; i < 20_000; i++) {
      const request = run.next(i % 4 === 0 ? 'write' : 'read', random);
      if (request.operation === 'read') {
        expect(request).toMatchObject({ method: 'GET', path: `/v1/items/${request.key}`, value: 0 });
        read.add(request.key);
        continue;
      }
      expect(request).toMatchObject({ method: 'PUT', path: `/v1/items/${request.key}` });
      expect(request.body).toHaveLength(200);
      expect(request.value).toBe((versions.get(request.key) ?? 1) + 1);
      versions.set(request.key, request.value);
      run.judge(request, answer(204));
    }
    expect([...versions.keys()].every((key) => filled(1).has(key))).toBe(true);
    expect([...filled(0)].some((key) => read.has(key))).toBe(true);
    expect(versions.size).toBeGreaterThan(500);
  });

  it('read back every key that they are given', () => {
    const reads = workload.finalReads(contextOf(), ['bench-1', 'bench-9']);
    expect(reads.map(({ operation, key }) => [operation, key])).toEqual([
      ['read', 'bench-1'],
      ['read', 'bench-9'],
    ]);
  });
});

describe('answers', () => {
  const context = contextOf();
  const random = seededRandom(1);
  const start = (over: Partial<WorkloadContext> = {}) => {
    const run = workload.create({ ...context, ...over });
    const write = run.next('write', random);
    const read = { ...run.next('read', random), key: write.key };
    return { run, write, read };
  };

  it('to writes: done, not run, or nobody knows', () => {
    const { run, write } = start();
    const judge = (response: WorkloadResponse | null) => run.judge(write, response);
    expect(judge(answer(204))).toEqual({ outcome: 'ok', correct: true, result: write.value });
    expect(judge(answer(413))).toMatchObject({ outcome: 'fail', correct: false });
    expect(judge(answer(503, '{"error":"down","outcome":"not done"}'))).toMatchObject({ outcome: 'fail' });
    expect(judge(answer(504, '{"error":"silent","outcome":"unknown"}'))).toMatchObject({ outcome: 'unknown' });
    expect(judge(answer(503))).toMatchObject({ outcome: 'unknown', correct: false });
    expect(judge(null)).toMatchObject({ outcome: 'unknown', correct: false });
  });

  it('to reads: the version, or what is wrong with it', () => {
    const { run, write, read } = start();
    const judge = (response: WorkloadResponse | null) => run.judge(read, response);
    expect(judge(stored(write))).toEqual({ outcome: 'ok', correct: true, result: write.value });
    expect(judge(answer(200, write.body?.slice(1)))).toEqual({ outcome: 'ok', correct: false, result: -1 });
    expect(judge(answer(200, 'hello'))).toEqual({ outcome: 'ok', correct: false, result: -1 });
    const other = run.next('write', random);
    expect(judge(stored(other))).toEqual({ outcome: 'ok', correct: false, result: -1 });
    expect(judge(answer(503))).toEqual({ outcome: 'fail', correct: false, result: 0 });
    expect(judge(null)).toEqual({ outcome: 'fail', correct: false, result: 0 });
  });

  it('absence is right until the key is known to be there, and always in a cache', () => {
    const { run, write, read } = start();
    expect(run.judge(read, answer(404))).toEqual({ outcome: 'ok', correct: true, result: 0 });
    run.judge(write, answer(204));
    expect(run.judge(read, answer(404))).toEqual({ outcome: 'ok', correct: false, result: 0 });
    const cache = start({ sizing: { mode: 'cache', totalMiB: 64 } });
    cache.run.judge(cache.write, answer(204));
    expect(cache.run.judge(cache.read, answer(404))).toEqual({ outcome: 'ok', correct: true, result: 0 });
  });

  it('takes the value of an earlier run for none', () => {
    const { run, write, read } = start();
    const earlier = start({ seed: 6 }).run;
    let old = earlier.next('write', random);
    while (old.key !== write.key) old = earlier.next('write', random);
    expect(run.judge(read, stored(old))).toEqual({ outcome: 'ok', correct: true, result: 0 });
    run.judge(write, answer(204));
    expect(run.judge(read, stored(old))).toEqual({ outcome: 'ok', correct: false, result: 0 });
  });
});
