import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../../src/bench/report.ts';
import type { Judged } from '../../../../src/bench/verdict/checks.ts';
import { judgeVerdict, type VerdictInput } from '../../../../src/bench/verdict/verdict.ts';
import { fault, invariant } from '../samples.ts';

function check(verdict: Verdict, unjudged: 'scale' | null = null): Judged {
  return {
    check: { name: `check ${verdict}`, from: 'slo', verdict, measured: 1, bound: 2, unit: 'ms', note: '' },
    unjudged,
  };
}

const good: VerdictInput = {
  checks: [check('pass')],
  invariants: [invariant],
  faults: [fault],
  scale: 1,
  smoke: false,
  historyCut: 0,
  loadedParts: ['store'],
  clockSteps: [],
  startMs: 1_790_000_000_000,
};
const judge = (changes: Partial<VerdictInput>) => judgeVerdict({ ...good, ...changes });
const violated = { ...invariant, verdict: 'violated' as const, violations: ['write 7 was lost'], violationCount: 3 };
const unexercised = { ...invariant, verdict: 'unexercised' as const, checked: 0 };

describe('judgeVerdict', () => {
  it('passes when everything was seen and held', () => {
    expect(judge({})).toEqual({ verdict: 'pass', reasons: [], exitCode: 0 });
  });

  it.each([
    ['a violated invariant', { invariants: [invariant, violated] }, 'fail', 99],
    ['a missed check', { checks: [check('pass'), check('fail')] }, 'fail', 99],
    ['an invalid check', { checks: [check('invalid')] }, 'invalid', 98],
    ['an inconclusive check', { checks: [check('inconclusive')] }, 'inconclusive', 98],
    ['an unexercised invariant', { invariants: [invariant, unexercised] }, 'inconclusive', 98],
    ['an invariant that checked nothing', { invariants: [{ ...invariant, checked: 0 }] }, 'inconclusive', 98],
    ['a loss of power that was assumed', { faults: [{ ...fault, assumed: true }] }, 'inconclusive', 98],
    ['a fault that did not hit', { faults: [{ ...fault, hit: false }] }, 'invalid', 98],
    ['no part under load', { loadedParts: [] }, 'inconclusive', 98],
    ['a history that was cut', { historyCut: 5 }, 'inconclusive', 98],
    ['a scale below 1', { scale: 0.02 }, 'inconclusive', 98],
  ] as const)('does not pass on %s', (_, changes, verdict, exitCode) => {
    const found = judge(changes);
    expect(found).toMatchObject({ verdict, exitCode });
    expect(found.reasons.length).toBeGreaterThan(0);
  });

  it('puts the worst first', () => {
    const { verdict, reasons } = judge({
      checks: [check('inconclusive'), check('invalid'), check('fail')],
      invariants: [unexercised, violated],
    });
    expect(verdict).toBe('fail');
    expect(reasons[0]).toContain('acked-writes was violated 3 times of 100: write 7 was lost');
    expect(reasons[1]).toContain('check fail');
    expect(reasons[2]).toContain('check invalid');
  });

  it('lets a violation stand in a run that is otherwise invalid', () => {
    expect(judge({ checks: [check('invalid')], invariants: [violated] }).verdict).toBe('fail');
  });

  it('says below scale 1 what was shown', () => {
    const scaled = { scale: 0.02, checks: [check('inconclusive', 'scale')] };
    expect(judge(scaled).reasons).toEqual(['correct at 1/50; capacity extrapolated']);
    expect(judge({ ...scaled, invariants: [violated] }).reasons).toContain('capacity is not judged at 1/50');
  });

  it('forgives a smoke run the scale, and nothing else', () => {
    const smoke = { scale: 0.02, smoke: true, checks: [check('inconclusive', 'scale')] };
    expect(judge(smoke)).toMatchObject({ verdict: 'inconclusive', exitCode: 0 });
    expect(judge({ ...smoke, invariants: [violated] }).exitCode).toBe(99);
    expect(judge({ ...smoke, invariants: [unexercised] }).exitCode).toBe(98);
    expect(judge({ ...smoke, checks: [check('inconclusive')] }).exitCode).toBe(98);
    expect(judge({ smoke: true, checks: [check('inconclusive')] }).exitCode).toBe(98);
  });

  it('remarks on a run without faults, which still may pass', () => {
    expect(judge({ faults: [] })).toMatchObject({
      verdict: 'pass',
      reasons: ['no fault was injected: recovery was not judged'],
    });
  });
});
