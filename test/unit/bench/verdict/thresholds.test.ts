import { describe, expect, it } from 'vitest';
import { holds, parseThresholds, samplesNeeded } from '../../../../src/bench/verdict/thresholds.ts';
import { DspError } from '../../../../src/errors.ts';

const measured = {
  operations: { limiter: ['check', 'checks'], store: ['get', 'put'] },
  phases: ['prepare', 'warmup', 'steady', 'fault', 'recover', 'final'],
};
const parse = (selector: string, ...expressions: readonly string[]) =>
  parseThresholds({ [selector]: expressions }, measured);

describe('parseThresholds', () => {
  it('reads k6 form, several expressions a selector', () => {
    expect(parse('http_req_duration{part:limiter,operation:check,phase:steady}', 'p(99)<50', 'avg <= 1.5e1')).toEqual([
      {
        name: 'http_req_duration{part:limiter,operation:check,phase:steady}: p(99)<50',
        metric: 'http_req_duration',
        tags: { part: 'limiter', operation: 'check', phase: 'steady' },
        aggregation: { kind: 'quantile', q: 0.99 },
        comparison: '<',
        bound: 50,
      },
      expect.objectContaining({ aggregation: { kind: 'avg' }, comparison: '<=', bound: 15 }),
    ]);
  });

  it.each([
    ['http_req_failed', 'rate<0.01'],
    ['http_reqs', 'count>1000'],
    ['http_reqs { part : store }', 'rate>=100'],
    ['checks', 'rate === 1'],
    ['dropped_iterations', 'count==0'],
    ['late', 'rate<.05'],
    ['http_req_duration', 'med!=3'],
    ['http_req_duration', 'p(99.9) < 50'],
  ])('accepts %s: %s', (selector, expression) => {
    expect(parse(selector, expression)).toHaveLength(1);
  });

  it.each([
    ['http_req_durations', 'p(99)<50', 'no metric http_req_durations'],
    ['constructor', 'rate<1', 'no metric constructor'],
    ['http_req_duration{part:limitr}', 'p(99)<50', 'no part limitr'],
    ['http_req_duration{operation:delete}', 'p(99)<50', 'no operation delete'],
    ['http_req_duration{part:store,operation:check}', 'p(99)<50', 'no operation check is sent to store'],
    ['http_req_duration{phase:heal}', 'p(99)<50', 'no phase heal'],
    ['http_req_duration{status:200}', 'p(99)<50', 'no tag status'],
    ['http_req_duration{part:store,part:limiter}', 'p(99)<50', 'given twice'],
    ['http_req_duration{}', 'p(99)<50', 'tag:value'],
    ['http_req_duration{part}', 'p(99)<50', 'tag:value'],
    ['http_req_duration{part:store', 'p(99)<50', 'metric{tag:value'],
    ['http_req_duration', 'p99<50', 'aggregation, comparison, number'],
    ['http_req_duration', 'p(99)<50ms', 'aggregation, comparison, number'],
    ['http_req_duration', 'p(100)<50', 'no p(100)'],
    ['http_req_duration', 'p(9.9.9)<50', 'no p(9.9.9)'],
    ['http_req_duration', 'rate<50', 'no rate'],
    ['http_req_failed', 'p(99)<50', 'no p(99)'],
    ['http_req_failed', 'rate<', 'aggregation, comparison, number'],
    ['http_req_failed', 'rate<1.2.3', 'not a number'],
    ['http_req_failed', 'rate=<0.1', 'aggregation, comparison, number'],
  ])('refuses %s: %s', (selector, expression, because) => {
    const attempt = () => parse(selector, expression);
    expect(attempt).toThrow(DspError);
    expect(attempt).toThrow(because);
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({ code: 'bench.threshold', exitCode: 2 });
      expect((error as DspError).where).toBe(`dsp.yaml: slo[${JSON.stringify(selector)}]`);
    }
  });
});

describe('holds', () => {
  it.each([
    ['<', [true, false, false]],
    ['<=', [true, true, false]],
    ['>', [false, false, true]],
    ['>=', [false, true, true]],
    ['==', [false, true, false]],
    ['!=', [true, false, true]],
  ] as const)('%s', (comparison, expected) => {
    expect([1, 2, 3].map((value) => holds(value, comparison, 2))).toEqual(expected);
  });
});

describe('samplesNeeded', () => {
  it('is 10/(1 − q)', () => {
    expect([0.5, 0.9, 0.99, 0.999].map((q) => samplesNeeded({ kind: 'quantile', q }))).toEqual([20, 100, 1000, 10_000]);
    expect(samplesNeeded({ kind: 'med' })).toBe(20);
    expect(samplesNeeded({ kind: 'rate' })).toBe(1);
  });
});
