import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from './app.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { fixedPolicies, parsePolicies } from './policies.ts';
import { type FakeStore, fakeStore } from './store.testing.ts';

const policies = parsePolicies(`
policies:
  - { name: five, limit: 5, periodMs: 1000 }
  - { name: minute, limit: 60, periodMs: 60000, burst: 10 }
`);

describe('the HTTP API', () => {
  let store: FakeStore;
  let limiter: Limiter;
  let app: ReturnType<typeof createApp>;
  beforeEach(async () => {
    store = fakeStore();
    limiter = createLimiter({ kv: store, policies: fixedPolicies(policies), buckets: 2 });
    app = createApp({ limiter });
    await limiter.ready();
  });
  afterEach(async () => {
    await app.close();
    await limiter.close();
  });

  const post = async (url: string, payload: unknown, type = 'application/json') => {
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const response = await app.inject({ method: 'POST', url, payload: body, headers: { 'content-type': type } });
    return { status: response.statusCode, body: JSON.parse(response.body), headers: response.headers };
  };

  it('admits with 200 and refuses with 429', async () => {
    const admitted = await post('/v1/check', { policy: 'minute', key: 'k', cost: 10 });
    expect(admitted.status).toBe(200);
    expect(admitted.body).toEqual({ allowed: true, limit: 60, remaining: 0, resetMs: 10_000, retryAfterMs: 0 });
    expect(admitted.headers).toMatchObject({
      'ratelimit-policy': '"minute";q=10;w=10',
      ratelimit: '"minute";r=0;t=1',
    });
    expect(admitted.headers).not.toHaveProperty('retry-after');
    const refused = await post('/v1/check', { policy: 'minute', key: 'k', cost: 3 });
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({ allowed: false, limit: 60, remaining: 0, resetMs: 10_000, retryAfterMs: 3000 });
    expect(refused.headers).toMatchObject({ ratelimit: '"minute";r=0;t=1', 'retry-after': '3' });
  });

  it('takes one unit where no cost is given', async () => {
    expect((await post('/v1/check', { policy: 'five', key: 'k' })).body.remaining).toBe(4);
  });

  it('says that the store could not be asked', async () => {
    store.before = () => {
      throw new Error('gone');
    };
    const { status, body, headers } = await post('/v1/check', { policy: 'five', key: 'k' });
    expect([status, body.allowed, body.reason]).toEqual([429, false, 'store']);
    expect(headers['retry-after']).toBe('1');
    expect(headers).not.toHaveProperty('ratelimit');
  });

  it('answers many in order', async () => {
    const checks = [
      { policy: 'five', key: 'a', cost: 5 },
      { policy: 'five', key: 'a' },
      { policy: 'minute', key: 'a' },
    ];
    const { status, body } = await post('/v1/checks', { checks });
    expect(status).toBe(200);
    expect(body.allowed).toBe(false);
    expect(body.results.map(({ allowed }: { allowed: boolean }) => allowed)).toEqual([true, false, true]);
    expect(body.results[2]).toEqual({ allowed: true, limit: 60, remaining: 9, resetMs: 1000, retryAfterMs: 0 });
  });

  it('takes a set whole or not at all', async () => {
    const checks = [
      { policy: 'five', key: 'a', cost: 3 },
      { policy: 'minute', key: 'b', cost: 10 },
    ];
    expect((await post('/v1/checks', { checks, atomic: true })).body.allowed).toBe(true);
    const { status, body } = await post('/v1/checks', { checks: checks.toReversed(), atomic: true });
    expect([status, body.allowed]).toEqual([200, false]);
    expect((await post('/v1/check', { policy: 'five', key: 'a' })).body.remaining).toBe(1);
  });

  const good = { policy: 'five', key: 'k' };
  it.each([
    ['no JSON', '{', 400, 'malformed'],
    ['nothing', '', 400, 'malformed'],
    ['a list', [], 400, 'malformed'],
    ['null', null, 400, 'malformed'],
    ['no policy', { key: 'k' }, 400, 'malformed'],
    ['no key', { policy: 'five' }, 400, 'malformed'],
    ['an unknown field', { ...good, kost: 2 }, 400, 'malformed'],
    ['a cost in words', { ...good, cost: '2' }, 400, 'malformed'],
    ['a cost of null', { ...good, cost: null }, 400, 'malformed'],
    ['a fraction', { ...good, cost: 1.5 }, 400, 'malformed'],
    ['a cost of 0', { ...good, cost: 0 }, 400, 'malformed'],
    ['a huge cost', { ...good, cost: 1e300 }, 400, 'bad-cost'],
    ['a numeric key', { ...good, key: 7 }, 400, 'malformed'],
    ['an empty key', { ...good, key: '' }, 400, 'malformed'],
    ['a long key', { ...good, key: 'x'.repeat(257) }, 400, 'malformed'],
    ['a key with many bytes', { ...good, key: '漢'.repeat(100) }, 400, 'bad-key'],
    ['half a character', '{"policy":"five","key":"\\ud800"}', 400, 'bad-key'],
    ['a prototype', '{"policy":"five","key":"k","__proto__":{"cost":1}}', 400, 'malformed'],
    ['a cost above the burst', { ...good, cost: 6 }, 400, 'cost-above-burst'],
    ['an unknown policy', { ...good, policy: 'six' }, 404, 'unknown-policy'],
    ['a long policy', { ...good, policy: 'p'.repeat(65) }, 400, 'malformed'],
  ])('refuses %s', async (_what, payload, status, error) => {
    const answer = await post('/v1/check', payload);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
    expect(answer.body.message).toBeTypeOf('string');
  });

  it.each([
    ['no checks', { checks: [] }, 400, 'malformed'],
    ['too many', { checks: Array(257).fill(good) }, 400, 'malformed'],
    ['a bad one', { checks: [good, { ...good, cost: 9 }] }, 400, 'cost-above-burst'],
    ['an unknown one', { checks: [good, { ...good, policy: 'x' }] }, 404, 'unknown-policy'],
    ['a word for atomic', { checks: [good], atomic: 'yes' }, 400, 'malformed'],
  ])('refuses a call with %s, and takes nothing', async (_what, payload, status, error) => {
    const answer = await post('/v1/checks', payload);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
    expect((await post('/v1/check', good)).body.remaining).toBe(4);
  });

  it('refuses other types, methods and paths', async () => {
    expect((await post('/v1/check', good, 'application/xml')).status).toBe(415);
    expect((await app.inject({ method: 'GET', url: '/v1/check' })).statusCode).toBe(404);
    expect((await app.inject({ method: 'GET', url: '/' })).json()).toMatchObject({ error: 'not-found' });
  });

  it('admits no keys that only look alike to the store', async () => {
    for (const key of ['a', 'a:b', 'a b', '@', '{b1}', 'a\u0000', '☃', '"']) {
      expect((await post('/v1/check', { policy: 'five', key, cost: 5 })).status, JSON.stringify(key)).toBe(200);
    }
  });
});
