import { KvUnavailableError, UnreplicatedError } from '@dsp/kit/kv';
import { describe, expect, it } from 'vitest';
import { type Answer, type Batcher, type BatcherOptions, createBatcher, isFailure } from './batcher.ts';
import type { Charge, Rulings } from './buckets.ts';
import { compileRate } from './gcra.ts';
import type { Policy } from './policies.ts';

const quota = { limit: 10, periodMs: 1000, burst: 10 };
const rate = compileRate(quota);
const policy: Policy = { name: 'p', ...quota, onStoreFailure: 'closed', shadow: false, allowedError: 0, rate };
const charge = (cost: number): Charge => ({ policy, field: 'p:k', cost });

interface PendingCall {
  readonly costs: readonly number[];
  readonly atomic: boolean;
  /** Admits each check, with its cost as its debt, so that an answer shows whose it is. */
  succeed(): void;
  fail(error: Error): void;
}

function harness(options: Partial<BatcherOptions> = {}) {
  const calls: PendingCall[] = [];
  const clock = { ms: 0, nowMs: () => 0, monotonicMs: () => clock.ms, sleep: async () => undefined };
  const batcher: Batcher = createBatcher({
    clock,
    maxBatch: 3,
    maxQueued: 5,
    cooldownMs: 100,
    ...options,
    call: (charges, atomic) =>
      new Promise<Rulings>((resolve, reject) => {
        const rulings = charges.map(({ cost }) => ({ allowed: true, debtTicks: cost, rate }));
        calls.push({
          costs: charges.map(({ cost }) => cost),
          atomic,
          succeed: () => resolve({ atUs: 1, fenced: false, rulings }),
          fail: reject,
        });
      }),
  });
  const check = async (cost: number) => {
    const answer = await new Promise<Answer>((resolve) => batcher.check(charge(cost), resolve));
    return isFailure(answer) ? answer.failed : answer.debtTicks;
  };
  return { batcher, calls, clock, check };
}

/** Lets everything run that can. */
const settle = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};
const unavailable = new KvUnavailableError('gone', true);

describe('batches', () => {
  it('join what arrives together, and what arrives while a call is under way, in order', async () => {
    const { calls, check } = harness();
    const first = [check(1), check(2)];
    await settle();
    expect(calls.map(({ costs }) => costs)).toEqual([[1, 2]]);
    const later = [check(3), check(4), check(5), check(6)];
    await settle();
    expect(calls).toHaveLength(1);
    calls[0]?.succeed();
    await settle();
    expect(calls[1]?.costs).toEqual([3, 4, 5]);
    calls[1]?.succeed();
    await settle();
    expect(calls[2]?.costs).toEqual([6]);
    calls[2]?.succeed();
    expect(await Promise.all([...first, ...later])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('take along what callers ask for when they have their answers', async () => {
    const { calls, check } = harness();
    const again = check(1).then(() => check(3));
    await settle();
    const behind = check(2);
    calls[0]?.succeed();
    await settle();
    expect(calls.map(({ costs }) => costs)).toEqual([[1], [2, 3]]);
    calls[1]?.succeed();
    expect(await Promise.all([behind, again])).toEqual([2, 3]);
  });

  it('start again after a pause', async () => {
    const { calls, check } = harness();
    for (const cost of [1, 2]) {
      const answer = check(cost);
      await settle();
      calls[cost - 1]?.succeed();
      expect(await answer).toBe(cost);
    }
  });

  it('are bounded in how many wait', async () => {
    const { calls, check } = harness();
    const first = check(1);
    await settle();
    const waiting = [2, 3, 4, 5, 6].map(check);
    expect(await check(7)).toBe('unavailable');
    for (let call = 0; call < 3; call++) {
      calls[call]?.succeed();
      await settle();
    }
    expect(await Promise.all([first, ...waiting])).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('leave atomic sets to calls of their own', async () => {
    const { batcher, calls, check } = harness();
    const single = check(1);
    const set = batcher.checkAll([charge(2), charge(3)]);
    await settle();
    expect(calls.map(({ costs, atomic }) => ({ costs, atomic }))).toEqual([
      { costs: [2, 3], atomic: true },
      { costs: [1], atomic: false },
    ]);
    for (const call of calls) call.succeed();
    expect(await single).toBe(1);
    expect(await set).toMatchObject({ rulings: [{ debtTicks: 2 }, { debtTicks: 3 }] });
  });
});

describe('a store that fails', () => {
  it('fails what waits behind the call too, and everything after it at once until the pause is over', async () => {
    const { calls, check, clock } = harness();
    const first = check(1);
    await settle();
    const behind = check(2);
    calls[0]?.fail(unavailable);
    expect(await Promise.all([first, behind])).toEqual(['unavailable', 'unavailable']);
    clock.ms = 99;
    expect(await check(3)).toBe('unavailable');
    expect(calls).toHaveLength(1);
  });

  it('is tried with one call after the pause, while the others are answered at once', async () => {
    const { batcher, calls, check, clock } = harness();
    const first = check(1);
    await settle();
    calls[0]?.fail(unavailable);
    await first;
    clock.ms = 100;
    const trial = check(2);
    await settle();
    expect(calls[1]?.costs).toEqual([2]);
    expect(await check(3)).toBe('unavailable');
    expect(await batcher.checkAll([charge(4)])).toMatchObject({ failed: 'unavailable' });
    calls[1]?.succeed();
    expect(await trial).toBe(2);
    const after = check(5);
    await settle();
    calls[2]?.succeed();
    expect(await after).toBe(5);
  });

  it('is left alone again when the trial fails', async () => {
    const { calls, check, clock } = harness();
    const first = check(1);
    await settle();
    calls[0]?.fail(unavailable);
    await first;
    clock.ms = 100;
    const trial = check(2);
    await settle();
    calls[1]?.fail(unavailable);
    expect(await trial).toBe('unavailable');
    clock.ms = 199;
    expect(await check(3)).toBe('unavailable');
    expect(calls).toHaveLength(2);
  });

  it('is told apart from one that too few replicas confirmed', async () => {
    const { calls, check } = harness();
    const first = check(1);
    await settle();
    calls[0]?.fail(new UnreplicatedError(1, 0));
    expect(await first).toBe('unreplicated');
  });
});
