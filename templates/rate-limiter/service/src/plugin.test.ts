import { fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, createLimiter, type Limiter } from './limiter.ts';
import { quotaExceeded, rateLimit } from './plugin.ts';
import { fixedPolicies, parsePolicies } from './policies.ts';
import { fakeStore } from './store.testing.ts';

const policies = parsePolicies(`
policies:
  - { name: per-address, limit: 3, periodMs: 1000 }
  - { name: per-login, limit: 1, periodMs: 1000 }
`);

describe('the plugin', () => {
  let limiter: Limiter;
  let handled: number;
  beforeEach(async () => {
    handled = 0;
    limiter = createLimiter({ kv: fakeStore(), policies: fixedPolicies(policies), buckets: 2 });
    await limiter.ready();
  });
  afterEach(() => limiter.close());

  const appWith = (checks: (path: string, login: string | undefined) => Check | readonly Check[]) => {
    const app = fastify();
    app.register(rateLimit, {
      limiter,
      checks: (request) => checks(request.url, request.headers['x-login'] as string | undefined),
    });
    app.get('/*', async () => {
      handled++;
      return 'hello';
    });
    return app;
  };
  const perAddress = { policy: 'per-address', key: '192.0.2.1' };

  it('lets requests through with their standing, then refuses without calling the handler', async () => {
    const app = appWith(() => perAddress);
    const first = await app.inject('/');
    expect([first.statusCode, first.headers.ratelimit]).toEqual([200, '"per-address";r=2;t=1']);
    await app.inject('/');
    await app.inject('/');
    const refused = await app.inject('/');
    expect(refused.statusCode).toBe(429);
    expect(refused.headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'ratelimit-policy': '"per-address";q=3;w=1',
      'retry-after': '1',
    });
    expect(refused.json()).toMatchObject({ type: quotaExceeded, status: 429, 'violated-policies': ['per-address'] });
    expect(handled).toBe(3);
  });

  it('takes several checks together or not at all, and names the one that refused', async () => {
    const app = appWith((_path, login) =>
      login === undefined ? perAddress : [perAddress, { policy: 'per-login', key: login }],
    );
    const asAda = { url: '/', headers: { 'x-login': 'ada' } };
    expect((await app.inject(asAda)).headers.ratelimit).toBe('"per-address";r=2;t=1, "per-login";r=0;t=1');
    const refused = await app.inject(asAda);
    expect([refused.statusCode, refused.json()['violated-policies']]).toEqual([429, ['per-login']]);
    expect((await app.inject('/')).headers.ratelimit).toBe('"per-address";r=1;t=1');
  });

  it('lets pass what is not to be checked', async () => {
    const app = appWith((path) => (path === '/free' ? [] : perAddress));
    const free = await app.inject('/free');
    expect(free.statusCode).toBe(200);
    expect(free.headers).not.toHaveProperty('ratelimit-policy');
  });

  it('holds for routes registered beside it, and reports its own misuse', async () => {
    const app = appWith(() => ({ policy: 'nobody', key: 'k' }));
    expect((await app.inject('/')).statusCode).toBe(404);
    const long = appWith(() => ({ policy: 'per-address', key: 'x'.repeat(300) }));
    expect((await long.inject('/')).statusCode).toBe(400);
    expect(handled).toBe(0);
  });
});
