/** The way without a framework answers as Fastify does, whatever is asked. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from './app.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { createListener } from './listener.ts';
import { fixedPolicies, parsePolicies } from './policies.ts';
import { fakeStore } from './store.testing.ts';

const policies = parsePolicies(`
policies:
  - { name: five, limit: 5, periodMs: 1000 }
  - { name: leased, limit: 5000, periodMs: 1000, allowedError: 1000 }
  - { name: shadow, limit: 1, periodMs: 1000, shadow: true }
`);

describe('the listener', () => {
  let limiters: Limiter[];
  let server: Server;
  let app: ReturnType<typeof createApp>;
  const make = async () => {
    const limiter = createLimiter({ kv: fakeStore(), policies: fixedPolicies(policies), buckets: 2 });
    await limiter.ready();
    return limiter;
  };
  beforeEach(async () => {
    limiters = [await make(), await make()];
    app = createApp({ limiter: limiters[0]! });
    const listener = createListener({ limiter: limiters[1]! });
    await listener.ready();
    server = createServer((request, response) => listener.routing(request, response)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await app.close();
    for (const limiter of limiters) await limiter.close();
  });

  const both = async (payload: string, type = 'application/json', url = '/v1/check') => {
    const headers = { 'content-type': type };
    const expected = await app.inject({ method: 'POST', url, payload, headers });
    const { port } = server.address() as AddressInfo;
    const found = await fetch(`http://127.0.0.1:${port}${url}`, {
      method: 'POST',
      body: payload,
      headers: { ...headers, connection: 'close' },
    });
    const told = (get: (name: string) => unknown) =>
      ['content-type', 'content-length', 'ratelimit', 'ratelimit-policy', 'retry-after'].map(
        (name) => get(name) ?? null,
      );
    return {
      expected: [expected.statusCode, expected.body, told((name) => expected.headers[name])],
      found: [found.status, await found.text(), told((name) => found.headers.get(name))],
    };
  };

  const good = { policy: 'five', key: 'k' };
  it.each([
    good,
    { ...good, cost: 5 },
    { ...good, cost: 6 },
    { ...good, cost: '2' },
    { ...good, cost: null },
    { ...good, cost: 1.5 },
    { ...good, cost: 0 },
    { ...good, cost: 1e300 },
    { ...good, kost: 1 },
    { policy: 'five', cost: 1 },
    { policy: 'five', cost: 1, more: 1 },
    { ...good, key: '' },
    { ...good, key: 7 },
    { ...good, key: 'x'.repeat(257) },
    { ...good, key: '漢'.repeat(100) },
    { ...good, key: '☃ "quoted"' },
    { ...good, policy: 'six' },
    { ...good, policy: 'toString' },
    [],
    [good],
    null,
    7,
    'text',
    '{',
    '',
    '{"policy":"five","key":"\\ud800"}',
    '{"policy":"five","key":"k","__proto__":{"cost":1}}',
    '{"policy":"five","key":"k","cost":1,"cost":2}',
    ' {"policy" : "five", "key" : "k"} ',
  ])('answers %j as Fastify does', async (payload) => {
    const { expected, found } = await both(typeof payload === 'string' ? payload : JSON.stringify(payload));
    expect(found).toEqual(expected);
  });

  it('answers other types, paths and long bodies as Fastify does', async () => {
    const json = JSON.stringify(good);
    for (const [type, url] of [
      ['application/xml', '/v1/check'],
      ['application/json; charset=utf-8', '/v1/check'],
      ['application/json', '/v1/checks'],
      ['application/json', '/v1/check?x=1'],
      ['application/json', '/elsewhere'],
    ] as const) {
      const { expected, found } = await both(json, type, url);
      expect(found, `${type} ${url}`).toEqual(expected);
    }
    const { expected, found } = await both(JSON.stringify({ ...good, key: 'x'.repeat(10_000) }));
    expect(found).toEqual(expected);
  });

  it('refuses with the headers, counts on, and says when a policy only watches', async () => {
    for (const [policy, key] of [
      ['five', 'a'],
      ['shadow', 'b'],
      ['leased', 'c'],
    ]) {
      for (let i = 0; i < 8; i++) {
        const { expected, found } = await both(JSON.stringify({ policy, key }));
        // The store of the test stands still; a lease's last digits depend on when it was asked.
        if (policy === 'leased') expect(found[0]).toBe(expected[0]);
        else expect(found).toEqual(expected);
      }
    }
  });
});
