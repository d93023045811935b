import { KvUnavailableError, UnreplicatedError } from '@dsp/kit/kv';
import { afterEach, describe, expect, it } from 'vitest';
import { hash32 } from './bucket-names.ts';
import { CheckError, createLimiter, type Decision, type Limiter, type LimiterOptions } from './limiter.ts';
import type { LimiterMetrics, Outcome } from './metrics.ts';
import { fixedPolicies, parsePolicies } from './policies.ts';
import { checkScript, createScript, refundScript } from './script.ts';
import { type FakeStore, fakeStore } from './store.testing.ts';

const policies = parsePolicies(`
policies:
  - { name: five, limit: 5, periodMs: 1000 }
  - { name: login, limit: 3, periodMs: 1000 }
  - { name: open, limit: 5, periodMs: 1000, onStoreFailure: open }
  - { name: local, limit: 10, periodMs: 1000, onStoreFailure: local }
  - { name: shadow, limit: 1, periodMs: 1000, shadow: true }
`);

let limiter: Limiter;

async function start(options: Partial<LimiterOptions> = {}, store: FakeStore = fakeStore()) {
  const counted: string[] = [];
  const metrics: LimiterMetrics = {
    checked: (policy: string, outcome: Outcome) => counted.push(`${policy} ${outcome}`),
    stored: () => undefined,
    failed: () => undefined,
    swept: () => undefined,
    leased: () => undefined,
    returned: () => undefined,
    reloaded: () => undefined,
  };
  limiter = createLimiter({
    kv: store,
    policies: fixedPolicies(policies),
    buckets: 4,
    metrics,
    cooldownMs: 0,
    ...options,
  });
  await limiter.ready();
  store.calls.length = 0;
  return { store, counted };
}

afterEach(() => limiter.close());

const allowedOf = (decisions: readonly Decision[]) => decisions.map(({ allowed }) => allowed);
const unavailable = new KvUnavailableError('gone', true);

describe('check', () => {
  it('admits the burst, then refuses until a unit is back', async () => {
    const { store, counted } = await start();
    const decisions = await Promise.all(Array.from({ length: 6 }, () => limiter.check('five', 'k')));
    expect(decisions.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 4],
      [true, 3],
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(decisions[5]).toMatchObject({ limit: 5, resetMs: 1000, retryAfterMs: 200, nextUnitMs: 200 });
    expect(counted).toEqual([...Array(5).fill('five allowed'), 'five denied']);
    store.nowUs += 200_000;
    expect((await limiter.check('five', 'k')).allowed).toBe(true);
  });

  it('takes as many units as it costs', async () => {
    await start();
    expect(await limiter.check('five', 'k', 4)).toMatchObject({ allowed: true, remaining: 1 });
    expect(await limiter.check('five', 'k', 2)).toMatchObject({ allowed: false, remaining: 1, retryAfterMs: 200 });
    expect(await limiter.check('five', 'k', 1)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('keeps keys and policies apart', async () => {
    await start();
    expect((await limiter.check('five', 'a', 5)).allowed).toBe(true);
    expect((await limiter.check('five', 'b', 5)).allowed).toBe(true);
    expect((await limiter.check('open', 'a', 5)).allowed).toBe(true);
  });

  it('joins concurrent checks into one call for each bucket', async () => {
    const { store } = await start();
    await Promise.all(Array.from({ length: 100 }, (_, n) => limiter.check('five', `k${n % 20}`)));
    expect(store.calls.length).toBeLessThanOrEqual(4);
  });

  it.each([
    ['nobody', 'k', 1, 'unknown-policy', 404],
    ['__proto__', 'k', 1, 'unknown-policy', 404],
    ['five', 'k', 6, 'cost-above-burst', 400],
    ['five', 'k', 0, 'bad-cost', 400],
    ['five', 'k', -1, 'bad-cost', 400],
    ['five', 'k', 1.5, 'bad-cost', 400],
    ['five', 'k', Number.NaN, 'bad-cost', 400],
    ['five', '', 1, 'bad-key', 400],
    ['five', 'x'.repeat(257), 1, 'bad-key', 400],
    ['five', 'é'.repeat(129), 1, 'bad-key', 400],
    ['five', 'half \ud83d', 1, 'bad-key', 400],
  ])('refuses to judge %j %j %d', async (policy, key, cost, code, statusCode) => {
    const { store } = await start();
    const failure = await limiter.check(policy, key, cost).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CheckError);
    expect(failure).toMatchObject({ code, statusCode });
    expect(store.calls).toEqual([]);
  });

  it('counts a policy in shadow mode, and lets everything pass', async () => {
    const { counted } = await start();
    expect(await limiter.check('shadow', 'k')).toMatchObject({ allowed: true });
    expect(await limiter.check('shadow', 'k')).toMatchObject({ allowed: true, retryAfterMs: 0, reason: 'shadow' });
    expect(counted).toEqual(['shadow allowed', 'shadow shadow_denied']);
  });
});

describe('checkMany', () => {
  const check = (policy: string, key: string, cost = 1) => ({ policy, key, cost });

  it('answers in order, and counts a key that comes twice twice', async () => {
    await start();
    const decisions = await limiter.checkMany([
      check('five', 'a', 4),
      check('login', 'b', 3),
      check('five', 'a', 2),
      check('five', 'a'),
    ]);
    expect(allowedOf(decisions)).toEqual([true, true, false, true]);
    expect(decisions.map(({ policy }) => policy.name)).toEqual(['five', 'login', 'five', 'five']);
  });

  it('takes bounded calls', async () => {
    await start();
    const many = Array.from({ length: 257 }, () => check('five', 'k'));
    await expect(limiter.checkMany(many)).rejects.toMatchObject({ code: 'bad-count' });
    await expect(limiter.checkMany([])).rejects.toMatchObject({ code: 'bad-count' });
  });

  describe('atomic', () => {
    /** Keys in at least two buckets. */
    const spread = ['a', 'b', 'c', 'd', 'e', 'f'];

    it('uses keys that are spread', () => {
      expect(new Set(spread.map((key) => hash32(`five:${key}`) % 4)).size).toBeGreaterThan(1);
    });

    it('takes from every key when all fit', async () => {
      await start();
      const decisions = await limiter.checkMany(
        spread.map((key) => check('five', key, 3)),
        { atomic: true },
      );
      expect(
        decisions.every(({ allowed, remaining, reason }) => allowed && remaining === 2 && reason === undefined),
      ).toBe(true);
    });

    it('takes from none when one does not fit, whatever bucket it is in', async () => {
      for (const full of spread) {
        const { store, counted } = await start();
        await limiter.check('five', full, 5);
        counted.length = 0;
        const decisions = await limiter.checkMany(
          spread.map((key) => check('five', key, 3)),
          { atomic: true },
        );
        expect(allowedOf(decisions)).toEqual(spread.map(() => false));
        expect(decisions.map(({ reason }) => reason)).toEqual(spread.map((key) => (key === full ? undefined : 'set')));
        expect(decisions.map(({ remaining }) => remaining)).toEqual(spread.map((key) => (key === full ? 0 : 5)));
        expect(new Set(decisions.map(({ retryAfterMs }) => retryAfterMs))).toEqual(new Set([600]));
        expect(counted).toEqual(spread.map(() => 'five denied'));
        expect(store.calls.some(({ script }) => script === refundScript)).toBe(true);
        const after = await limiter.checkMany(spread.filter((key) => key !== full).map((key) => check('five', key, 5)));
        expect(allowedOf(after)).toEqual(Array(5).fill(true));
        await limiter.close();
      }
    });

    it('counts one key together', async () => {
      await start();
      expect(
        allowedOf(await limiter.checkMany([check('five', 'k', 2), check('five', 'k', 3)], { atomic: true })),
      ).toEqual([true, true]);
      const refused = await limiter.checkMany([check('login', 'k', 3), check('five', 'k', 1)], { atomic: true });
      expect(allowedOf(refused)).toEqual([false, false]);
      expect((await limiter.check('login', 'k', 3)).allowed).toBe(true);
    });

    it('refuses to judge a set that could never fit', async () => {
      await start();
      const never = limiter.checkMany([check('five', 'k', 3), check('five', 'k', 3)], { atomic: true });
      await expect(never).rejects.toMatchObject({ code: 'cost-above-burst', statusCode: 400 });
    });

    it('does not let a policy in shadow mode refuse a set', async () => {
      await start();
      const set = [check('shadow', 'k'), check('five', 'k')];
      await limiter.checkMany(set, { atomic: true });
      const decisions = await limiter.checkMany(set, { atomic: true });
      expect(decisions.map(({ allowed, reason }) => [allowed, reason])).toEqual([
        [true, 'shadow'],
        [true, undefined],
      ]);
    });

    it('gives back what was taken when a bucket does not answer, and then decides by the policies', async () => {
      const { store } = await start();
      const keys = spread.map((key) => check('open', key, 5));
      const away = `rl:{b${hash32('open:a') % 4}}`;
      store.before = (script, key) => {
        if (script === checkScript && key === away) throw unavailable;
      };
      const decisions = await limiter.checkMany(keys, { atomic: true });
      expect(decisions.every(({ allowed, reason }) => allowed && reason === 'store')).toBe(true);
      store.before = () => undefined;
      expect(allowedOf(await limiter.checkMany(keys))).toEqual(spread.map(() => true));
      store.before = (_script, key) => {
        if (key === away) throw unavailable;
      };
      const mixed = await limiter.checkMany([...keys, check('five', 'x')], { atomic: true });
      expect(mixed.some(({ allowed }) => allowed)).toBe(false);
    });
  });
});

describe('a store that does not answer', () => {
  const down = async (options: Partial<LimiterOptions> = {}) => {
    const started = await start(options);
    started.store.before = () => {
      throw unavailable;
    };
    return started;
  };

  it('refuses under a closed policy', async () => {
    const { counted } = await down();
    expect(await limiter.check('five', 'k')).toEqual({
      policy: policies.get('five'),
      allowed: false,
      limit: 5,
      remaining: 0,
      resetMs: 1000,
      retryAfterMs: 1000,
      nextUnitMs: null,
      reason: 'store',
    });
    expect(counted).toEqual(['five store_closed']);
  });

  it('admits under an open one, and under one in shadow mode', async () => {
    const { counted } = await down();
    expect(await limiter.check('open', 'k', 5)).toMatchObject({ allowed: true, reason: 'store' });
    expect(await limiter.check('shadow', 'k')).toMatchObject({ allowed: true, reason: 'store' });
    expect(counted).toEqual(['open store_open', 'shadow store_open']);
  });

  it("keeps to this instance's share under a local one", async () => {
    const clock = {
      ms: 5,
      nowMs: () => 0,
      monotonicMs: () => clock.ms,
      sleep: () => new Promise<void>((r) => setImmediate(r)),
    };
    const { counted } = await down({ instances: 2, clock });
    const decisions = await Promise.all(Array.from({ length: 6 }, () => limiter.check('local', 'k')));
    expect(allowedOf(decisions)).toEqual([true, true, true, true, true, false]);
    expect(decisions[5]).toMatchObject({ reason: 'store', retryAfterMs: 200 });
    expect(counted.at(-1)).toBe('local store_local_denied');
    clock.ms += 200;
    expect(allowedOf([await limiter.check('local', 'k'), await limiter.check('local', 'k')])).toEqual([true, false]);
  });

  it('is asked again, and believed again', async () => {
    const { store } = await down();
    await limiter.check('five', 'k');
    store.before = () => undefined;
    expect(await limiter.check('five', 'k')).toMatchObject({ allowed: true, remaining: 4 });
  });

  it('leaves the buckets on other nodes alone', async () => {
    const { store } = await start();
    const awayKey = 'a';
    const away = `rl:{b${hash32(`five:${awayKey}`) % 4}}`;
    const elsewhere = ['b', 'c', 'd', 'e'].find((key) => `rl:{b${hash32(`five:${key}`) % 4}}` !== away) as string;
    store.before = (_script, key) => {
      if (key === away) throw unavailable;
    };
    expect((await limiter.check('five', awayKey)).reason).toBe('store');
    expect(await limiter.check('five', elsewhere)).toMatchObject({ allowed: true, remaining: 4 });
  });
});

describe('replicas that do not confirm', () => {
  it('refuse, also under an open policy', async () => {
    const { store, counted } = await start({ waitReplicas: 1, waitTimeoutMs: 50 });
    store.before = () => {
      throw new UnreplicatedError(1, 0);
    };
    for (const policy of ['five', 'open', 'local']) {
      expect(await limiter.check(policy, 'k')).toMatchObject({
        allowed: false,
        reason: 'unreplicated',
        retryAfterMs: 1000,
      });
    }
    expect(counted).toEqual(['five unreplicated', 'open unreplicated', 'local unreplicated']);
  });

  it('are waited for by charges and by new buckets, and by nothing else', async () => {
    const store = fakeStore();
    const waited: string[] = [];
    store.before = (script, _key, options) => {
      const name = script === createScript ? 'create' : script === checkScript ? 'check' : 'other';
      waited.push(`${name} ${options?.waitReplicas ?? 0} ${options?.waitTimeoutMs ?? 0}`);
    };
    await start({ waitReplicas: 2, waitTimeoutMs: 50 }, store);
    await limiter.check('five', 'k');
    expect(new Set(waited.filter((line) => !line.startsWith('other')))).toEqual(new Set(['create 2 50', 'check 2 50']));
    expect(waited.filter((line) => line.startsWith('other')).every((line) => line === 'other 0 0')).toBe(true);
  });
});

describe('the start', () => {
  it('waits for every bucket, and judges by onStoreFailure until then', async () => {
    const store = fakeStore();
    let failing = true;
    store.before = (script, key) => {
      if (failing && script === createScript && key === 'rl:{b2}') throw new UnreplicatedError(1, 0);
    };
    const errors: unknown[] = [];
    const started = start({ onStoreError: (error) => errors.push(error) }, store);
    while (errors.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(limiter.isReady()).toBe(false);
    const inThird = Array.from({ length: 50 }, (_, n) => `k${n}`).find(
      (key) => hash32(`five:${key}`) % 4 === 2,
    ) as string;
    expect(await limiter.check('five', inThird)).toMatchObject({ allowed: false, reason: 'store' });
    failing = false;
    await started;
    expect(limiter.isReady()).toBe(true);
    expect(await limiter.check('five', inThird)).toMatchObject({ allowed: true });
  });

  it('can be given up', async () => {
    const store = fakeStore();
    store.before = () => {
      throw unavailable;
    };
    limiter = createLimiter({ kv: store, policies: fixedPolicies(policies), buckets: 4, cooldownMs: 1 });
    await limiter.close();
    await expect(limiter.ready()).rejects.toThrow('closed');
  });

  it('makes missing buckets empty when the first one is of another layout', async () => {
    const store = fakeStore();
    const run = store.run;
    store.run = async (script, key, args, options) => {
      const reply = await run(script, key, args, options);
      return script === createScript && key === 'rl:{b0}' ? 2 : reply;
    };
    limiter = createLimiter({ kv: store, policies: fixedPolicies(policies), buckets: 4, cooldownMs: 0 });
    await limiter.ready();
    const created = store.calls.filter(({ script }) => script === createScript);
    expect(created.map(({ key, args }) => [key, args[1]])).toEqual([
      ['rl:{b0}', 0],
      ['rl:{b1}', 1],
      ['rl:{b2}', 1],
      ['rl:{b3}', 1],
    ]);
  });
});

describe('the policies of the moment', () => {
  it('hold from the next check on', async () => {
    let current = policies;
    await start({ policies: { current: () => current } });
    await limiter.check('five', 'k', 5);
    current = parsePolicies('policies: [{ name: six, limit: 6, periodMs: 1000 }]');
    await expect(limiter.check('five', 'k')).rejects.toMatchObject({ code: 'unknown-policy' });
    expect(await limiter.check('six', 'k')).toMatchObject({ remaining: 5 });
  });
});

describe('buckets', () => {
  it('get about as many keys each', () => {
    const counts = new Array<number>(16).fill(0);
    for (let n = 0; n < 16_000; n++) counts[hash32(`default:user-${n}`) % 16]!++;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});
