import { describe, expect, it } from 'vitest';
import { compileRate, type Quota } from './gcra.ts';
import { createLocalLimiter, shareOf } from './local.ts';
import type { Policy } from './policies.ts';

const policyOf = (quota: Quota): Policy => ({
  name: 'p',
  ...quota,
  onStoreFailure: 'local',
  shadow: false,
  allowedError: 0,
  rate: compileRate(quota),
});
const policy = policyOf({ limit: 100, periodMs: 1000, burst: 10 });
const check = (field: string, cost = 1) => ({ policy, field, cost });

describe('a share', () => {
  it('is a part of the rate and of the burst, at least one unit', () => {
    expect(shareOf(policy, 4)).toEqual({ limit: 100, periodMs: 4000, burst: 2 });
    expect(shareOf(policy, 40)).toEqual({ limit: 100, periodMs: 40_000, burst: 1 });
    expect(() => compileRate(shareOf({ limit: 1, periodMs: 366 * 86_400_000, burst: 1 }, 10_000))).not.toThrow();
  });
});

describe('the local limiter', () => {
  it('admits no more than its share in any time', () => {
    const local = createLocalLimiter(2);
    let admitted = 0;
    for (let nowUs = 0; nowUs <= 1_000_000; nowUs += 1000) {
      if (local.check([check('k')], nowUs, false)[0]?.allowed) admitted++;
    }
    expect(admitted).toBe(5 + 50);
  });

  it('charges a set whole or not at all', () => {
    const local = createLocalLimiter(1);
    const refused = local.check([check('a', 10), check('b', 10), check('b')], 0, true);
    expect(refused.map(({ allowed }) => allowed)).toEqual([true, true, false]);
    expect(local.check([check('a', 10), check('b', 10)], 0, true).every(({ allowed }) => allowed)).toBe(true);
  });

  it('remembers a bounded number of keys', () => {
    const local = createLocalLimiter(1);
    local.check([check('first', 10)], 0, false);
    for (let n = 0; n < 100_000; n++) local.check([check(`k${n}`, 10)], 0, false);
    expect(local.check([check('first', 10)], 0, false)[0]?.allowed).toBe(true);
    expect(local.check([check('k99999')], 0, false)[0]?.allowed).toBe(false);
  });
});
