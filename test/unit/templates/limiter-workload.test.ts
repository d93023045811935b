import { describe, expect, it } from 'vitest';
import type { WorkloadContext, WorkloadResponse } from '../../../src/bench/generator/workload.ts';
import type { Bucket } from '../../../src/checkers/window-admission.ts';
import { seededRandom } from '../../../src/random.ts';
import { ruling } from '../../../templates/rate-limiter/ruling.ts';
import workload, { keyMix } from '../../../templates/rate-limiter/workload.ts';
import { rightLimiter } from './limiter-simulation.ts';
import { requirementsOf } from './requirements.ts';

function contextOf(over: Partial<WorkloadContext> = {}): WorkloadContext {
  return {
    part: 'limiter',
    sizing: { policy: { name: 'default', limit: 100, periodMs: 1000, burst: 20 } },
    options: {},
    requirements: requirementsOf(),
    offeredLoad: { check: 2000 },
    seed: 7,
    workerIndex: 0,
    workerCount: 1,
    ...over,
  };
}

interface Asked {
  checks: number;
  denied: number;
}

/** What a right limiter makes of the load when it comes at even intervals, by key. */
function served(context: WorkloadContext, bucket: Bucket, seconds: number): ReadonlyMap<string, Asked> {
  const run = workload.create(context);
  const random = seededRandom(context.seed);
  const time = { nowMs: 0, after: () => {}, run: () => {} };
  const limiter = rightLimiter(bucket, time, random);
  const keys = new Map<string, Asked>();
  const rate = context.offeredLoad.check! / context.workerCount;
  for (let i = 0; i < rate * seconds; i++) {
    time.nowMs = (i / rate) * 1000;
    const { key, value } = run.next('check', random);
    const asked = keys.get(key) ?? { checks: 0, denied: 0 };
    asked.checks += 1;
    limiter(key, value, (result) => {
      if (result === ruling.denied) asked.denied += 1;
    });
    keys.set(key, asked);
  }
  return keys;
}

function deniedShare(keys: ReadonlyMap<string, Asked>, kind: string): number {
  const found = [...keys].filter(([key]) => key.includes(kind)).map(([, asked]) => asked);
  return found.reduce((sum, { denied }) => sum + denied, 0) / found.reduce((sum, { checks }) => sum + checks, 0);
}

function keysOf(context: WorkloadContext): readonly string[] {
  return [...served(context, { ratePerMs: 0.1, burst: 20 }, 2).keys()];
}

describe('the mix of keys', () => {
  it.each([
    ['a hundred a second', { ratePerMs: 0.1, burst: 20 }, 2000],
    ['a hundred a minute', { ratePerMs: 100 / 60_000, burst: 100 }, 500],
    ['a load of four times one caller', { ratePerMs: 0.1, burst: 20 }, 400],
    ['a burst of 1', { ratePerMs: 0.001, burst: 1 }, 1000],
  ])('reaches the limit with hot keys and stays below with cold ones: %s', (_, bucket, checksPerSecond) => {
    const policy = { name: 'default', limit: bucket.ratePerMs * 60_000, periodMs: 60_000, burst: bucket.burst };
    const context = contextOf({ sizing: { policy }, offeredLoad: { check: checksPerSecond } });
    const keys = served(context, bucket, 10);
    expect(deniedShare(keys, '-hot-')).toBeGreaterThan(0.4);
    // With a burst of 1 even a rare caller meets itself now and then.
    expect(deniedShare(keys, '-cold-')).toBeLessThan(bucket.burst === 1 ? 0.25 : 0.001);
  });

  it('lets visitors come in turn', () => {
    const context = contextOf();
    const run = workload.create(context);
    const random = seededRandom(1);
    const turns: string[] = [];
    for (let i = 1; i < 2000 * 10; i++) {
      const { key } = run.next('check', random);
      if (key.includes('visitor') && turns.at(-1) !== key) turns.push(key);
    }
    // A bucket refills in 200 ms, so a visit is as long as the least.
    expect(turns).toHaveLength(10_000 / keyMix.minVisitMs);
    expect(new Set(turns).size).toBe(keyMix.visitors);
  });

  it('shares the hot keys between the workers', () => {
    const hotOf = (workerIndex: number) =>
      keysOf(contextOf({ workerIndex, workerCount: 2 }))
        .filter((key) => key.includes('-hot-'))
        .sort();
    expect(hotOf(0)).toEqual(hotOf(1));
  });

  it('is the same for the same seed, and of other keys for another', () => {
    const keys = (seed: number) => keysOf(contextOf({ seed }));
    expect(keys(3)).toEqual(keys(3));
    expect(keys(3).filter((key) => keys(4).includes(key))).toEqual([]);
  });
});

describe('requests', () => {
  it('are checks that the policy can grant', () => {
    const run = workload.create(
      contextOf({ sizing: { policy: { name: 'tiny', limit: 5, periodMs: 1000, burst: 3 } } }),
    );
    const random = seededRandom(2);
    const costs = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const request = run.next('check', random);
      expect(request).toMatchObject({ operation: 'check', method: 'POST', path: '/v1/check' });
      const { policy, key, cost } = JSON.parse(request.body ?? '');
      expect({ policy, key, cost }).toEqual({ policy: 'tiny', key: request.key, cost: request.value });
      costs.add(cost);
    }
    expect([...costs].sort()).toEqual([1, 2, 3]);
  });

  it('check every hot key once more at the end', () => {
    const keys = ['bench-7-hot-0', 'bench-7-cold-5', 'bench-7-hot-visitor-2'];
    expect(workload.finalReads(contextOf(), keys).map(({ key, value }) => [key, value])).toEqual([
      ['bench-7-hot-0', 1],
      ['bench-7-hot-visitor-2', 1],
    ]);
  });
});

describe('answers', () => {
  const run = workload.create(contextOf());
  const request = run.next('check', seededRandom(1));
  const standing = { limit: 100, remaining: 3, resetMs: 10, retryAfterMs: 0 };
  const answer = (status: number, body: object | string, headers = {}): WorkloadResponse => ({
    status,
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const retry = { 'retry-after': '1' };
  const ok = { outcome: 'ok', correct: true };

  it.each([
    ['admitted', answer(200, { allowed: true, ...standing }), { ...ok, result: ruling.admitted }],
    ['denied', answer(429, { allowed: false, ...standing }, retry), { ...ok, result: ruling.denied }],
    [
      'admitted without the store',
      answer(200, { allowed: true, ...standing, reason: 'store' }),
      { ...ok, result: ruling.admittedWithoutStore },
    ],
  ])('that are right: %s', (_, response, judgement) => {
    expect(run.judge(request, response)).toEqual(judgement);
  });

  it.each(['store', 'unreplicated'])(
    'that are right only of a limiter that decides alone then: denied, %s',
    (reason) => {
      const response = answer(429, { allowed: false, ...standing, reason }, retry);
      const by = (onStoreFailure: string) => workload.create(contextOf({ options: { onStoreFailure } }));
      const denied = { outcome: 'ok', result: ruling.deniedWithoutStore };
      expect(by('closed').judge(request, response)).toEqual({ ...denied, correct: false });
      expect(by('local').judge(request, response)).toEqual({ ...denied, correct: true });
    },
  );

  it.each([
    ['200 that says denied', answer(200, { allowed: false, ...standing }), 'ok', 1],
    ['200 without a body', answer(200, ''), 'ok', 1],
    ['200 with half an answer', answer(200, { allowed: true }), 'ok', 1],
    ['200 with a negative remainder', answer(200, { allowed: true, ...standing, remaining: -1 }), 'ok', 1],
    ['429 that says allowed', answer(429, { allowed: true, ...standing }, retry), 'ok', 0],
    ['429 without Retry-After', answer(429, { allowed: false, ...standing }), 'ok', 0],
    ['429 with Retry-After: 0', answer(429, { allowed: false, ...standing }, { 'retry-after': '0' }), 'ok', 0],
    ['400', answer(400, { error: 'malformed' }), 'fail', 0],
    ['404', answer(404, { error: 'unknown-policy' }), 'fail', 0],
    ['500', answer(500, ''), 'unknown', 0],
    ['503', answer(503, ''), 'unknown', 0],
    ['none', null, 'unknown', 0],
  ])('that are wrong: %s', (_, response, outcome, result) => {
    expect(run.judge(request, response)).toEqual({ outcome, correct: false, result });
  });
});
