import type { Clock } from '@dsp/kit/clock';
import { KvUnavailableError } from '@dsp/kit/kv';
import { afterEach, describe, expect, it } from 'vitest';
import { createLimiter, type Decision, type Limiter } from './limiter.ts';
import { type Policies, parsePolicies } from './policies.ts';
import { refundScript } from './script.ts';
import { type FakeStore, fakeStore } from './store.testing.ts';

/** 1000 a second, 100 at once, and up to 20 more: with one instance (and one more while it is replaced) a chunk of 10. */
const leased = { limit: 1000, periodMs: 1000, burst: 100, allowedError: 20 };
const policiesOf = (over: object = {}): Policies =>
  parsePolicies(JSON.stringify({ policies: [{ name: 'p', ...leased, ...over }] }));

let limiter: Limiter;
afterEach(() => limiter.close());

/** A limiter on a store and a clock that stand still together. */
async function start(over: object = {}) {
  const store = fakeStore();
  const clock: Clock & { ms: number } = {
    ms: 0,
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    sleep: () => new Promise((resolve) => setTimeout(resolve, 5)),
  };
  let policies = policiesOf(over);
  const source = { current: () => policies };
  limiter = createLimiter({ kv: store, policies: source, buckets: 2, clock, cooldownMs: 0, leaseMs: 1000 });
  await limiter.ready();
  store.calls.length = 0;
  const pass = (ms: number) => {
    clock.ms += ms;
    store.nowUs += ms * 1000;
  };
  const reload = (changed: object) => {
    policies = policiesOf(changed);
  };
  return { store, pass, reload };
}

const checks = (count: number, key = 'k') => Promise.all(Array.from({ length: count }, () => limiter.check('p', key)));
const admitted = (decisions: readonly Decision[]) => decisions.filter(({ allowed }) => allowed).length;
const checkCalls = ({ calls }: FakeStore) => calls.filter(({ args }) => args.length > 5).length;
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));

describe('a leased key', () => {
  it('is decided at once from what was leased, with few calls', async () => {
    const { store, pass } = await start();
    let atOnce = 0;
    for (let i = 0; i < 2000; i++) {
      const decision = limiter.decide('p', 'k');
      if (!(decision instanceof Promise)) atOnce++;
      expect((await decision).allowed).toBe(true);
      pass(2);
    }
    expect(atOnce).toBeGreaterThan(1500);
    expect(checkCalls(store)).toBeLessThan(600);
  });

  it('admits the burst and refuses the rest, and says when to come back', async () => {
    await start();
    const decisions = await checks(150);
    expect(admitted(decisions)).toBeGreaterThanOrEqual(90);
    expect(admitted(decisions)).toBeLessThanOrEqual(100);
    const refused = decisions.find(({ allowed }) => !allowed);
    expect(refused).toMatchObject({ limit: 1000, remaining: 0 });
    expect(refused?.retryAfterMs).toBeGreaterThan(0);
  });

  it('asks the store alone for a key that comes once', async () => {
    const { store } = await start();
    for (let i = 0; i < 20; i++) expect((await limiter.check('p', `once-${i}`)).allowed).toBe(true);
    expect(checkCalls(store)).toBe(20);
    expect([...store.buckets.values()].flatMap((bucket) => [...bucket.values()])).toHaveLength(20);
  });

  it('gives back what was not spent', async () => {
    const { store, pass } = await start();
    await checks(8);
    await settled();
    const owed = () => [...store.buckets.values()].flatMap((b) => [...b.values()])[0]?.tatUs ?? store.nowUs;
    expect(owed() - store.nowUs).toBeGreaterThan(8000);
    pass(1001);
    await settled();
    expect(owed() - store.nowUs).toBeLessThanOrEqual(0);
    await checks(30);
    await settled();
    const before = owed();
    await limiter.close();
    expect(before - owed()).toBeGreaterThan(2000);
  });

  it('goes on from what it holds while the store is away, then as the policy says', async () => {
    const { store } = await start({ onStoreFailure: 'local' });
    await checks(12);
    await settled();
    store.before = () => {
      throw new KvUnavailableError('gone', true);
    };
    const reasons = (await checks(40)).map(({ allowed, reason }) => `${allowed} ${reason}`);
    expect(reasons).toContain('true undefined');
    expect(reasons).toContain('true store');
    expect(reasons.at(-1)).toMatch(/store$/);
  });

  it('spends nothing of an old policy’s lease under a new one', async () => {
    const { store, reload } = await start();
    await checks(30);
    await settled();
    reload({ allowedError: 0 });
    expect((await limiter.check('p', 'k')).allowed).toBe(true);
    await settled();
    expect(store.calls.some(({ script }) => script === refundScript)).toBe(true);
  });

  it('takes atomic sets from the store', async () => {
    const { store } = await start();
    const both = [
      { policy: 'p', key: 'a', cost: 60 },
      { policy: 'p', key: 'b', cost: 60 },
    ];
    expect((await limiter.checkMany(both, { atomic: true })).every(({ allowed }) => allowed)).toBe(true);
    expect((await limiter.checkMany(both, { atomic: true })).some(({ allowed }) => allowed)).toBe(false);
    expect(checkCalls(store)).toBeGreaterThan(1);
  });
});

describe('a policy that allows no error, or too little', () => {
  it.each([0, 1, 3])('%d: every check is the store’s', async (allowedError) => {
    const { store } = await start({ allowedError });
    for (let i = 0; i < 50; i++) await limiter.check('p', 'k');
    expect(checkCalls(store)).toBe(50);
  });
});
