import { describe, expect, it } from 'vitest';
import type { Decision } from './decision.ts';
import { compileRate } from './gcra.ts';
import { headersOf, rateLimitItem, rateLimitPolicyItem, retryAfter } from './headers.ts';
import type { Policy } from './policies.ts';

const quota = { name: 'default', limit: 100, periodMs: 60_000, burst: 100 };
const policy: Policy = { ...quota, onStoreFailure: 'closed', shadow: false, allowedError: 0, rate: compileRate(quota) };
const decision: Decision = {
  policy,
  allowed: true,
  limit: 100,
  remaining: 50,
  resetMs: 29_500,
  retryAfterMs: 0,
  nextUnitMs: 600,
};

describe('the fields of draft-ietf-httpapi-ratelimit-headers-10', () => {
  it('write the policy as its burst and the seconds in which it refills', () => {
    expect(rateLimitPolicyItem(policy)).toBe('"default";q=100;w=60');
    expect(rateLimitPolicyItem({ name: 'p', limit: 100, periodMs: 60_000, burst: 10 })).toBe('"p";q=10;w=6');
    expect(rateLimitPolicyItem({ name: 'p', limit: 1000, periodMs: 1000, burst: 1 })).toBe('"p";q=1;w=1');
    expect(rateLimitPolicyItem({ name: 'p', limit: 3, periodMs: 1000, burst: 4 })).toBe('"p";q=4;w=2');
  });

  it('write what is left in whole units, and whole seconds rounded up', () => {
    expect(rateLimitItem('default', 50, 600)).toBe('"default";r=50;t=1');
    expect(rateLimitItem('default', 100, 0)).toBe('"default";r=100;t=0');
    expect(rateLimitItem('default', 0, 1001)).toBe('"default";r=0;t=2');
  });

  it('never ask to come back at once', () => {
    expect([retryAfter(0), retryAfter(1), retryAfter(1000), retryAfter(1001)]).toEqual(['1', '1', '1', '2']);
  });
});

describe('headersOf', () => {
  it('says the standing of an admitted check', () => {
    expect(headersOf([decision])).toEqual({
      'ratelimit-policy': '"default";q=100;w=60',
      ratelimit: '"default";r=50;t=1',
    });
  });

  it('says when a refused one may come back', () => {
    const refused = { ...decision, allowed: false, remaining: 0, retryAfterMs: 2400, nextUnitMs: 600 };
    expect(headersOf([refused])).toMatchObject({ ratelimit: '"default";r=0;t=1', 'retry-after': '3' });
  });

  it('lists several, and waits for the longest', () => {
    const other = { ...decision, policy: { ...policy, name: 'login', burst: 5 } };
    const headers = headersOf([
      { ...decision, allowed: false, retryAfterMs: 1000 },
      { ...other, allowed: false, retryAfterMs: 7000 },
    ]);
    expect(headers['ratelimit-policy']).toBe('"default";q=100;w=60, "login";q=5;w=3');
    expect(headers.ratelimit).toBe('"default";r=50;t=1, "login";r=50;t=1');
    expect(headers['retry-after']).toBe('7');
  });

  it('leaves out what nobody knows', () => {
    const blind = { ...decision, allowed: false, nextUnitMs: null, retryAfterMs: 1000 };
    expect(Object.keys(headersOf([blind])).sort()).toEqual(['ratelimit-policy', 'retry-after']);
  });
});
