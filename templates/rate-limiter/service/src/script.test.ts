/** The scripts against the pure model, on a real server: the same decisions and the same debts over seeded sequences. */

import { defineScript, type KvClient } from '@dsp/kit/kv';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Buckets, type Charge, createBuckets, type Refund, type Ruling, type Rulings } from './buckets.ts';
import { compileRate, debtAt, type KeyState, type Quota, stateOf, take } from './gcra.ts';
import type { Policy } from './policies.ts';
import { redisProgram, startRedis, type TestRedis } from './redis.testing.ts';
import { checkScript } from './script.ts';
import { seeded } from './seeded.testing.ts';

const bucket = 'rl:{b0}';
const admin = defineScript('return redis.call(unpack(ARGV, 2))');

describe.skipIf(redisProgram === undefined)('the scripts (skipped without redis-server on PATH)', () => {
  let redis: TestRedis;
  let kv: KvClient;
  let buckets: Buckets;
  const call = (...args: (string | number)[]) => kv.run(admin, bucket, args);
  const field = async (name: string) => (await call('HGET', bucket, name)) as string | null;

  beforeAll(async () => {
    redis = await startRedis();
    kv = redis.client();
    buckets = bucketsOf(1);
  });
  afterAll(async () => {
    await kv.close();
    await redis.stop();
  });
  beforeEach(async () => {
    await call('FLUSHALL');
  });

  const bucketsOf = (count: number) => createBuckets({ kv, count, wait: { waitReplicas: 0, waitTimeoutMs: 0 } });

  const policyOf = (name: string, quota: Quota): Policy => ({
    name,
    ...quota,
    onStoreFailure: 'closed',
    shadow: false,
    allowedError: 0,
    rate: compileRate(quota),
  });
  const charge = (policy: Policy, key: string, cost = 1): Charge => ({ policy, field: `${policy.name}:${key}`, cost });
  const refunds = (charges: readonly Charge[], { atUs, rulings }: Rulings): Refund[] =>
    charges.flatMap(({ field: name, cost: units }, at) => {
      const { allowed, rate, debtTicks } = rulings[at] as Ruling;
      return allowed ? [{ field: name, rate, units, atUs, debtTicks }] : [];
    });
  /** 10 a second, of which 5 at once. */
  const tenASecond = policyOf('ten', { limit: 10, periodMs: 1000, burst: 5 });
  /** One an hour, 5 at once: nothing comes back during a test. */
  const hourly = policyOf('hourly', { limit: 1, periodMs: 3_600_000, burst: 5 });

  it('admits nothing on the word of a clock that went forward', async () => {
    let ownMs = 1000;
    const clock = { nowMs: () => 0, monotonicMs: () => ownMs, sleep: async () => {} };
    const wait = { waitReplicas: 0, waitTimeoutMs: 0 };
    const watchful = createBuckets({ kv, count: 1, wait, clock });
    await watchful.create(0, false);
    const all = await watchful.check(0, [charge(hourly, 'k', 5)], false);
    expect(all.rulings[0]?.allowed).toBe(true);
    // By its own clock no time has gone by, while the store's went on by more than any drift.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await expect(watchful.check(0, [charge(hourly, 'k', 5)], false)).rejects.toMatchObject({
      name: 'KvUnavailableError',
      mayHaveRun: true,
    });
    expect(await field('hourly:k')).toBeNull();
    // Emptied, also for a limiter that has noticed nothing.
    expect((await buckets.check(0, [charge(hourly, 'k', 5)], false)).rulings[0]?.allowed).toBe(false);
    ownMs += 1200;
    expect((await watchful.check(0, [charge(hourly, 'k', 1)], false)).rulings[0]?.allowed).toBe(false);
  });

  it('rules on for every limiter that shares a bucket whose clock went forward', async () => {
    let behindMs = 0;
    const clock = { nowMs: () => 0, monotonicMs: () => performance.now() - behindMs, sleep: async () => {} };
    const wait = { waitReplicas: 0, waitTimeoutMs: 0 };
    const limiters = Array.from({ length: 3 }, () => createBuckets({ kv, count: 1, wait, clock }));
    await limiters[0]?.create(0, false);
    for (const limiter of limiters) await limiter.check(0, [charge(hourly, 'k')], false);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    behindMs = 1200;
    const refusals = async (limiter: Buckets) =>
      limiter.check(0, [charge(hourly, 'k')], false).then(
        () => 0,
        () => 1,
      );
    // The first notices; whoever comes next finds the bucket empty, and nobody empties it again.
    const counts: number[] = [];
    for (const limiter of [...limiters, ...limiters, ...limiters]) counts.push(await refusals(limiter));
    expect(counts).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('decides as the model does', async () => {
    const quotas: Quota[] = [
      { limit: 3, periodMs: 10, burst: 4 },
      { limit: 997, periodMs: 1000, burst: 7 },
      { limit: 100, periodMs: 60_000, burst: 10 },
      { limit: 1_000_003, periodMs: 1000, burst: 3 },
      { limit: 999_999_937, periodMs: 366 * 86_400_000, burst: 20_000_000 },
    ];
    const policies = quotas.map((quota, index) => policyOf(`p${index}`, quota));
    const model = new Map<string, KeyState>();
    const random = seeded(7);
    let allowed = 0;
    let denied = 0;
    await buckets.create(0, false);
    for (let batch = 0; batch < 300; batch++) {
      const charges = Array.from({ length: 1 + random(40) }, () => {
        const policy = policies[random(policies.length)] as Policy;
        return charge(policy, `k${random(3)}`, 1 + random(policy.burst));
      });
      const { atUs, fenced, rulings } = await buckets.check(0, charges, false);
      expect(fenced).toBe(false);
      for (const [index, { policy, field: name, cost }] of charges.entries()) {
        const taken = take(policy.rate, debtAt(policy.rate, model.get(name), atUs), cost);
        if (taken.allowed) model.set(name, stateOf(policy.rate, taken.debtTicks, atUs));
        expect(rulings[index], `batch ${batch} check ${index} of ${name}`).toEqual({ ...taken, rate: policy.rate });
        if (taken.allowed) allowed++;
        else denied++;
      }
    }
    expect(Math.min(allowed, denied)).toBeGreaterThan(500);
  });

  it('leases as the model does, among checks of the same keys', async () => {
    const policies = [
      policyOf('coarse', { limit: 3, periodMs: 10, burst: 40 }),
      policyOf('fine', { limit: 997, periodMs: 1000, burst: 70 }),
    ];
    const model = new Map<string, KeyState>();
    const random = seeded(11);
    const taken = { all: 0, some: 0, none: 0 };
    await buckets.create(0, false);
    for (let batch = 0; batch < 400; batch++) {
      const charges = Array.from({ length: 1 + random(12) }, (): Charge => {
        const one = charge(policies[random(2)] as Policy, `k${random(3)}`, 1 + random(4));
        return random(2) === 0 ? one : { ...one, lease: { want: one.cost + random(30), sharers: 1 + random(4) } };
      });
      const { atUs, rulings } = await buckets.check(0, charges, false);
      for (const [index, { policy, field: name, cost, lease }] of charges.entries()) {
        const { rate } = policy;
        const debt = debtAt(rate, model.get(name), atUs);
        const fits = Math.floor((rate.capacityTicks - debt) / rate.unitTicks);
        const units =
          lease === undefined
            ? cost * Number(cost <= fits)
            : Math.max(Math.min(cost, fits), Math.min(lease.want, Math.floor(fits / lease.sharers)));
        const debtTicks = debt + units * rate.unitTicks;
        if (units > 0) model.set(name, stateOf(rate, debtTicks, atUs));
        const expected = { allowed: units > 0, debtTicks, rate, ...(lease && { leased: { units, atUs } }) };
        expect(rulings[index], `batch ${batch} check ${index} of ${name}`).toEqual(expected);
        if (lease) taken[units === lease.want ? 'all' : units > 0 ? 'some' : 'none']++;
      }
    }
    expect(Math.min(taken.all, taken.some, taken.none)).toBeGreaterThan(10);
  });

  it('charges a set whole or not at all', async () => {
    await buckets.create(0, false);
    const fits = [charge(hourly, 'a', 2), charge(hourly, 'b', 3)];
    expect((await buckets.check(0, fits, true)).rulings.map(({ allowed }) => allowed)).toEqual([true, true]);
    const refused = await buckets.check(0, [charge(hourly, 'a', 3), charge(hourly, 'b', 3)], true);
    expect(refused.rulings.map(({ allowed }) => allowed)).toEqual([true, false]);
    // a still has its three units: nothing was taken from it by the refused set.
    expect((await buckets.check(0, [charge(hourly, 'a', 3)], false)).rulings[0]?.allowed).toBe(true);
  });

  describe('fences', () => {
    const emptied = async () => {
      const { fenced, rulings } = await buckets.check(0, [charge(hourly, 'new'), charge(hourly, 'old')], false);
      return fenced && rulings.every(({ allowed }) => !allowed);
    };
    const setMeta = (change: (parts: string[]) => void) =>
      field('@').then((meta) => {
        const parts = (meta as string).split(' ');
        change(parts);
        return call('HSET', bucket, '@', parts.join(' '));
      });
    beforeEach(async () => {
      await buckets.create(0, false);
      expect((await buckets.check(0, [charge(hourly, 'old')], false)).rulings[0]?.allowed).toBe(true);
    });

    it('a bucket that another process wrote', async () => {
      await setMeta((parts) => {
        parts[0] = `${'f'.repeat(40)}/1`;
      });
      expect(await emptied()).toBe(true);
    });

    it('a bucket whose times were written in another form', async () => {
      await setMeta((parts) => {
        parts[0] = (parts[0] as string).replace('/packed', '');
      });
      expect(await emptied()).toBe(true);
    });

    it('a bucket that is gone', async () => {
      await call('DEL', bucket);
      expect(await emptied()).toBe(true);
    });

    it('a bucket of another layout', async () => {
      expect(await bucketsOf(2).create(0, false)).toBe('other-layout');
      const { fenced } = await bucketsOf(2).check(0, [charge(hourly, 'old')], false);
      expect(fenced).toBe(true);
    });

    it('when the clock has gone back by more than a second', async () => {
      await setMeta((parts) => {
        parts[1] = String(Number(parts[1]) + 2_000_000);
      });
      expect(await emptied()).toBe(true);
    });

    it('not when it has gone back by less: time stands still', async () => {
      const { atUs } = await buckets.check(0, [charge(tenASecond, 'still', 5)], false);
      await setMeta((parts) => {
        parts[1] = String(atUs + 900_000);
      });
      const later = await buckets.check(0, [charge(tenASecond, 'still')], false);
      expect(later).toMatchObject({ fenced: false, atUs: atUs + 900_000 });
    });

    it('is told of when another limiter was there first', async () => {
      const other = bucketsOf(1);
      await other.check(0, [charge(hourly, 'k')], false);
      await call('DEL', bucket);
      await buckets.check(0, [charge(hourly, 'k')], false);
      expect((await other.check(0, [charge(hourly, 'k')], false)).fenced).toBe(true);
      expect((await other.check(0, [charge(hourly, 'k')], false)).fenced).toBe(false);
    });

    it('only once, and then refills at the rate', async () => {
      await call('DEL', bucket);
      const slow = policyOf('slow', { limit: 10, periodMs: 1000, burst: 100 });
      const first = await buckets.check(0, [charge(slow, 'k')], false);
      expect(first).toMatchObject({ fenced: true, rulings: [{ allowed: false }] });
      await new Promise((resolve) => setTimeout(resolve, 120));
      const second = await buckets.check(0, [charge(slow, 'k'), charge(slow, 'k', 99)], false);
      expect(second).toMatchObject({ fenced: false, rulings: [{ allowed: true }, { allowed: false }] });
    });
  });

  it('makes a missing bucket full or fenced, and leaves one that is there', async () => {
    expect(await buckets.create(0, false)).toBe('created');
    expect((await buckets.check(0, [charge(hourly, 'a', 5)], false)).rulings[0]?.allowed).toBe(true);
    expect(await buckets.create(0, true)).toBe('present');
    expect((await buckets.check(0, [charge(hourly, 'b', 5)], false)).rulings[0]?.allowed).toBe(true);
    await call('DEL', bucket);
    expect(await buckets.create(0, true)).toBe('created');
    const { fenced, rulings } = await buckets.check(0, [charge(hourly, 'a')], false);
    expect([fenced, rulings[0]?.allowed]).toEqual([false, false]);
  });

  it('cuts a debt that a stricter policy left, so that a raised limit holds at once', async () => {
    await buckets.create(0, false);
    await buckets.check(0, [charge(hourly, 'k', 5)], false);
    const raised = { ...tenASecond, name: 'hourly' };
    expect((await buckets.check(0, [charge(raised, 'k')], false)).rulings[0]).toMatchObject({ allowed: false });
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect((await buckets.check(0, [charge(raised, 'k')], false)).rulings[0]).toMatchObject({ allowed: true });
  });

  describe('a refund', () => {
    it('gives back what was charged, less what has drained since', async () => {
      await buckets.create(0, false);
      const charges = [charge(tenASecond, 'k', 5)];
      const ruled = await buckets.check(0, charges, false);
      await new Promise((resolve) => setTimeout(resolve, 250));
      const other = await buckets.check(0, [charge(tenASecond, 'k', 2)], false);
      expect(other.rulings[0]?.allowed).toBe(true);
      await buckets.refund(0, refunds(charges, ruled));
      const after = await buckets.check(0, [charge(tenASecond, 'k', 5), charge(tenASecond, 'k', 1)], false);
      // Without the refunded charge the key would have been full when 2 were taken: at most 3 and what came back are left.
      const [five, one] = after.rulings;
      expect(five?.allowed && after.atUs - other.atUs < 200_000).toBe(false);
      expect(one?.allowed).toBe(true);
    });

    it('never lets a window admit more than without the refunded charge', async () => {
      await buckets.create(0, false);
      const state = { taken: [] as { atUs: number; cost: number }[] };
      const random = seeded(3);
      const quota = { limit: 20, periodMs: 1, burst: 20 };
      const policy = policyOf('refunded', quota);
      for (let i = 0; i < 400; i++) {
        const tried = [charge(policy, 'k', 1 + random(20))];
        const ruled = await buckets.check(0, tried, false);
        for (let n = random(4); n > 0; n--) {
          const cost = 1 + random(10);
          const { atUs, rulings } = await buckets.check(0, [charge(policy, 'k', cost)], false);
          if (rulings[0]?.allowed) state.taken.push({ atUs, cost });
        }
        await buckets.refund(0, refunds(tried, ruled));
      }
      expect(state.taken.length).toBeGreaterThan(100);
      for (const [from, first] of state.taken.entries()) {
        let sum = 0;
        for (const { atUs, cost } of state.taken.slice(from)) {
          sum += cost;
          expect(sum).toBeLessThanOrEqual(quota.burst + ((atUs - first.atUs) * 20) / 1000);
        }
      }
    });

    it('gives nothing back across a fence', async () => {
      await buckets.create(0, false);
      const charges = [charge(hourly, 'k', 5)];
      const ruled = await buckets.check(0, charges, false);
      await call('DEL', bucket);
      await buckets.check(0, [charge(hourly, 'k')], false);
      await buckets.refund(0, refunds(charges, ruled));
      expect((await buckets.check(0, [charge(hourly, 'k')], false)).rulings[0]?.allowed).toBe(false);
    });
  });

  describe('a sweep', () => {
    const sweepAll = async () => {
      let removed = 0;
      let cursor = '0';
      do {
        const page = await buckets.sweep(0, cursor, 100, 60_000);
        removed += page.removed;
        cursor = page.cursor;
      } while (cursor !== '0');
      return removed;
    };

    it('removes what has drained, and keeps what has not', async () => {
      await buckets.create(0, false);
      const fast = policyOf('fast', { limit: 1000, periodMs: 1, burst: 1 });
      const idle = Array.from({ length: 3000 }, (_, index) => charge(fast, `k${index}`));
      for (let at = 0; at < idle.length; at += 500) await buckets.check(0, idle.slice(at, at + 500), false);
      await buckets.check(0, [charge(hourly, 'busy', 5)], false);
      expect(await call('HLEN', bucket)).toBe(3002);
      expect(await sweepAll()).toBe(3000);
      expect(await call('HLEN', bucket)).toBe(2);
      expect((await buckets.check(0, [charge(hourly, 'busy')], false)).rulings[0]?.allowed).toBe(false);
    });

    it('lets an unused bucket expire, and an unknown one be', async () => {
      await buckets.create(0, false);
      expect(await call('PTTL', bucket)).toBe(-1);
      await sweepAll();
      expect(await call('PTTL', bucket)).toBeGreaterThan(30_000);
      await call('DEL', bucket);
      expect(await buckets.sweep(0, '0', 100, 60_000)).toEqual({ cursor: '0', seen: 0, removed: 0 });
      expect(await call('EXISTS', bucket)).toBe(0);
    });
  });

  it('writes nothing when it refuses', async () => {
    await buckets.create(0, false);
    await buckets.check(0, [charge(hourly, 'k', 5)], false);
    const before = await call('HGETALL', bucket);
    await buckets.check(0, [charge(hourly, 'k'), charge(hourly, 'k', 2)], false);
    expect(await call('HGETALL', bucket)).toEqual(before);
  });

  it('sees through a script whose arithmetic is off by one unit', async () => {
    const mutant = defineScript(checkScript.lua.replace('debt + cost * T <= C', 'debt + cost * T <= C + T'));
    expect(mutant.lua).not.toBe(checkScript.lua);
    await buckets.create(0, false);
    const { ticksPerUs, unitTicks, capacityTicks } = hourly.rate;
    const args = [1, 0, 1, ticksPerUs, unitTicks, capacityTicks, 1, 1, 1, 6, 1, 1, 1, 1, 1, 1, 'hourly:k'];
    const reply = (await kv.run(mutant, bucket, args)) as number[];
    const model = take(hourly.rate, 5 * unitTicks, 1);
    expect((reply.at(-1) as number) >= 0).not.toBe(model.allowed);
  });
});
