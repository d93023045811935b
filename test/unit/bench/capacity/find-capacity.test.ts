import { describe, expect, it } from 'vitest';
import { judgeWindow } from '../../../../src/bench/capacity/find-capacity.ts';
import type { Window } from '../../../../src/bench/capacity/window.ts';

interface Seen {
  readonly p99Ms?: number | null;
  readonly behindShare?: number;
  readonly ownShare?: number;
  readonly foreignShare?: number;
  readonly benchUs?: number;
  readonly stolenShare?: number;
}

/** Three seconds on two cores, with a bound of 20 ms. */
function windowOf(seen: Seen): Window {
  const { p99Ms = 5, behindShare = 0, ownShare = 0.5, foreignShare = 0, stolenShare = 0, benchUs = 900_000 } = seen;
  const held = p99Ms !== null && p99Ms < 20;
  return {
    rates: {},
    measured: {},
    durationMs: 3000,
    offeredPerSecond: 1000,
    achievedPerSecond: 1000,
    failedShare: 0,
    p99Ms,
    behindShare,
    cpu: { benchUs, instanceUs: new Map(), ownShare, foreignShare, stolenShare },
    checks: [
      {
        unjudged: null,
        check: {
          name: 'http_req_duration: p(99)<20',
          from: 'latency.p99Ms',
          verdict: held ? 'pass' : 'fail',
          measured: p99Ms,
          bound: 20,
          unit: 'ms',
          note: '',
        },
      },
    ],
    result: null as never,
  };
}

const outcome = (seen: Seen) => judgeWindow(windowOf(seen), 2).outcome;

describe('a window', () => {
  it('passes when every objective held, others or not', () => {
    expect(outcome({})).toBe('pass');
    expect(outcome({ foreignShare: 0.4 })).toBe('pass');
  });

  it('fails when an objective was missed and the generator kept up', () => {
    expect(outcome({ p99Ms: 30 })).toBe('fail');
    expect(judgeWindow(windowOf({ p99Ms: 30 }), 2).note).toContain('30 ms');
  });

  it('fails with a generator that was late because the system and it used all cores up', () => {
    expect(outcome({ p99Ms: 30, behindShare: 0.1, ownShare: 0.97 })).toBe('fail');
  });

  it('tells nothing with a generator that was late by itself', () => {
    expect(outcome({ behindShare: 0.1 })).toBe('inconclusive');
    expect(outcome({ p99Ms: 30, behindShare: 0.1, ownShare: 0.5 })).toBe('inconclusive');
    expect(outcome({ p99Ms: 30, behindShare: 0.1, ownShare: 0.97, benchUs: 2_900_000 })).toBe('inconclusive');
  });

  it('tells nothing of a miss while others took the CPU, nor without a sample', () => {
    expect(outcome({ p99Ms: 30, foreignShare: 0.4 })).toBe('inconclusive');
    expect(outcome({ p99Ms: null })).toBe('inconclusive');
  });

  it('tells nothing of a miss while a hypervisor took more than the share of answers that may be late', () => {
    expect(outcome({ p99Ms: 30, foreignShare: 0.02, stolenShare: 0.02 })).toBe('inconclusive');
    expect(outcome({ p99Ms: 30, foreignShare: 0.02, stolenShare: 0.005 })).toBe('fail');
    expect(outcome({ foreignShare: 0.05, stolenShare: 0.05 })).toBe('pass');
  });
});
