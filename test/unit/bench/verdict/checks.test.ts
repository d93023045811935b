import { describe, expect, it } from 'vitest';
import type { Hdr } from '../../../../src/bench/generator/hdr.ts';
import { type ChecksInput, judgeRun } from '../../../../src/bench/verdict/checks.ts';
import { parseThresholds } from '../../../../src/bench/verdict/thresholds.ts';
import { cell, checksInput, fault } from '../samples.ts';

const measured = { operations: { store: ['get', 'put'] }, phases: ['steady', 'fault'] };
const slo = (selector: string, ...expressions: readonly string[]) =>
  parseThresholds({ [selector]: expressions }, measured);

function verdicts(changes: Partial<ChecksInput>): Record<string, string> {
  return Object.fromEntries(judgeRun(checksInput(changes)).map(({ check }) => [check.from, check.verdict]));
}

function only(from: string, changes: Partial<ChecksInput>) {
  const found = judgeRun(checksInput(changes)).filter(({ check }) => check.from === from);
  expect(found).toHaveLength(1);
  return found[0]!;
}

function hdr(count: number, latencyMs: number): Hdr {
  return cell(count, latencyMs).latency;
}

describe('what follows from the requirements', () => {
  it('passes on a good run', () => {
    expect(verdicts({})).toEqual({
      bench: 'pass',
      'latency.p99Ms': 'pass',
      rate: 'pass',
      'availability.target': 'pass',
    });
  });

  it('fails on a late p99', () => {
    const slow = [cell(4900, 5), cell(100, 25, { operation: 'put' })];
    expect(verdicts({ cells: slow })).toMatchObject({ 'latency.p99Ms': 'fail', rate: 'pass' });
    // One slow request in a hundred is where p99 turns.
    expect(verdicts({ cells: [cell(4960, 5), cell(40, 25)] })).toMatchObject({ 'latency.p99Ms': 'pass' });
  });

  it('fails when less is answered correctly than was offered', () => {
    expect(verdicts({ cells: [cell(4800, 5, { offered: 5000, dropped: 200 })] })).toMatchObject({ rate: 'fail' });
    expect(verdicts({ cells: [cell(4950, 5, { offered: 5000, dropped: 50 })] })).toMatchObject({ rate: 'pass' });
  });

  it('fails on too many wrong answers', () => {
    expect(verdicts({ cells: [cell(4994, 5, { offered: 5000, sent: 5000, failed: 6 })] })).toMatchObject({
      'availability.target': 'fail',
    });
    expect(verdicts({ cells: [cell(4995, 5, { offered: 5000, sent: 5000, failed: 5 })] })).toMatchObject({
      'availability.target': 'pass',
    });
  });

  it('takes one failure among few for what it is', () => {
    const few = cell(499, 5, { offered: 500, sent: 500, failed: 1 });
    expect(verdicts({ cells: [few] })).toMatchObject({ 'availability.target': 'inconclusive' });
  });

  it('judges every part that took load', () => {
    const names = judgeRun(checksInput({ parts: ['store', 'limiter'] })).map(({ check }) => [
      check.name,
      check.verdict,
    ]);
    const limiter = names.filter(([name]) => name?.includes('limiter'));
    expect(limiter).toHaveLength(4);
    expect(new Set(limiter.map(([, verdict]) => verdict))).toEqual(new Set(['inconclusive']));
  });
});

describe('evidence', () => {
  it('is wanting over no sample', () => {
    const { check } = only('latency.p99Ms', { cells: [] });
    expect(check).toMatchObject({ verdict: 'inconclusive', measured: null, note: 'no sample' });
  });

  it('is wanting below 10/(1 − q) samples, whatever they say', () => {
    expect(verdicts({ cells: [cell(999, 5)] })).toMatchObject({ 'latency.p99Ms': 'inconclusive' });
    expect(verdicts({ cells: [cell(999, 50)] })).toMatchObject({ 'latency.p99Ms': 'inconclusive' });
    expect(verdicts({ cells: [cell(1000, 5)] })).toMatchObject({ 'latency.p99Ms': 'pass' });
    expect(verdicts({ cells: [cell(1000, 50)] })).toMatchObject({ 'latency.p99Ms': 'fail' });
  });

  it('counts only the phase that is meant', () => {
    const cells = [cell(5000, 5), cell(5000, 500, { phase: 'fault' })];
    expect(verdicts({ cells })).toMatchObject({ 'latency.p99Ms': 'pass' });
    const spans = [...checksInput().spans, { phase: 'fault' as const, startMs: 10_000, endMs: 12_000 }];
    const thresholds = slo('http_req_duration{phase:fault}', 'p(99)<100');
    expect(only('slo', { cells, spans, thresholds }).check.verdict).toBe('fail');
  });
});

describe('the control', () => {
  const slow = { cells: [cell(5000, 50)] };

  it('that breaks the bound too leaves it open', () => {
    expect(verdicts({ ...slow, control: hdr(5000, 30) })).toMatchObject({ 'latency.p99Ms': 'inconclusive' });
    expect(verdicts({ control: hdr(5000, 30) })).toMatchObject({ 'latency.p99Ms': 'inconclusive' });
  });

  it('that meets the bound confirms it', () => {
    expect(verdicts({ ...slow, control: hdr(5000, 1) })).toMatchObject({ 'latency.p99Ms': 'fail' });
    expect(verdicts({ control: hdr(5000, 1) })).toMatchObject({ 'latency.p99Ms': 'pass' });
  });

  it('has nothing to say of rates', () => {
    const cells = [cell(4000, 5, { offered: 5000, dropped: 1000 })];
    expect(verdicts({ cells, control: hdr(5000, 30) })).toMatchObject({ rate: 'fail' });
  });
});

describe('a crowded machine', () => {
  const missed = cell(4000, 50, { offered: 5000, sent: 4990, failed: 990, dropped: 10 });

  it('excuses a latency or rate that was missed, and no wrong answer', () => {
    expect(verdicts({ cells: [missed], foreignCpuShare: 0.26 })).toEqual({
      bench: 'pass',
      'latency.p99Ms': 'inconclusive',
      rate: 'inconclusive',
      'availability.target': 'fail',
    });
    const { check } = only('latency.p99Ms', { cells: [missed], foreignCpuShare: 0.26 });
    expect(check.note).toBe("other programs used 26 % of the machine's CPU during the steady load");
  });

  it('excuses nothing below a quarter, nor when nobody can tell, nor in other phases', () => {
    for (const foreignCpuShare of [0.25, null]) {
      expect(verdicts({ cells: [missed], foreignCpuShare })).toMatchObject({ 'latency.p99Ms': 'fail', rate: 'fail' });
    }
    const cells = [cell(5000, 500, { phase: 'fault' })];
    const thresholds = slo('http_req_duration{phase:fault}', 'p(99)<100');
    expect(only('slo', { cells, thresholds, foreignCpuShare: 0.9 }).check.verdict).toBe('fail');
  });

  it('does not doubt what was met all the same', () => {
    expect(verdicts({ foreignCpuShare: 0.9 })).toMatchObject({ 'latency.p99Ms': 'pass', rate: 'pass' });
  });
});

describe('the generator', () => {
  it('that fell behind invalidates what failed, and is itself invalid', () => {
    const cells = [cell(5000, 50, { behind: 101 })];
    expect(verdicts({ cells })).toMatchObject({ bench: 'invalid', 'latency.p99Ms': 'invalid' });
  });

  it('that kept up leaves a failure standing', () => {
    const cells = [cell(5000, 50, { behind: 100, late: 4000 })];
    expect(verdicts({ cells })).toMatchObject({ bench: 'pass', 'latency.p99Ms': 'fail' });
  });
});

describe('scale below 1', () => {
  it('leaves rates and latencies open for no other reason, and judges correctness', () => {
    const found = judgeRun(
      checksInput({ scale: 0.02, cells: [cell(4000, 50, { offered: 5000, sent: 5000, failed: 1000 })] }),
    );
    expect(found.map(({ check, unjudged }) => [check.from, check.verdict, unjudged])).toEqual([
      ['bench', 'pass', null],
      ['latency.p99Ms', 'inconclusive', 'scale'],
      ['rate', 'inconclusive', 'scale'],
      ['availability.target', 'fail', null],
    ]);
    expect(found[1]?.check.note).toContain('1/50');
    // Fewer samples come of the scale too.
    expect(only('latency.p99Ms', { scale: 0.02, cells: [cell(100, 5)] }).unjudged).toBe('scale');
    expect(only('latency.p99Ms', { scale: 0.02, cells: [] }).unjudged).toBeNull();
  });
});

describe('recovery', () => {
  it.each([
    [{ recoveredMs: 10_000 }, 'pass'],
    [{ recoveredMs: 10_001 }, 'fail'],
    [{ recoveredMs: 0 }, 'pass'],
    [{ recoveredMs: null }, 'fail'],
    [{ hit: false, recoveredMs: 0 }, 'invalid'],
  ] as const)('%j: %s', (changes, verdict) => {
    expect(only('availability.recoveryMs', { faults: [{ ...fault, ...changes }] }).check.verdict).toBe(verdict);
  });

  it('is judged at every scale', () => {
    expect(
      only('availability.recoveryMs', { faults: [{ ...fault, recoveredMs: 60_000 }], scale: 0.1 }).check.verdict,
    ).toBe('fail');
  });
});

describe('objectives of the user', () => {
  const cells = [
    cell(3000, 5),
    cell(1000, 12, { operation: 'put', offered: 1020, sent: 1010, failed: 10, dropped: 10, late: 101 }),
  ];
  it.each([
    ['http_req_duration{operation:put}', 'avg<12.1', 'pass', 12],
    ['http_req_duration{operation:put}', 'max<12', 'fail', 12],
    ['http_req_duration', 'min>=5', 'pass', 5],
    ['http_req_duration', 'med<=5.01', 'pass', 5],
    ['http_req_duration{part:store}', 'p(70)<6', 'pass', 5],
    ['http_reqs', 'count==4000', 'pass', 4000],
    ['http_reqs', 'rate>400', 'fail', 400],
    ['http_req_failed{operation:put}', 'rate<0.01', 'pass', 10 / 1010],
    ['checks{operation:put}', 'rate>0.99', 'fail', 1000 / 1020],
    ['dropped_iterations', 'count<10', 'fail', 10],
    ['dropped_iterations', 'rate<=1', 'pass', 1],
    ['late{operation:put}', 'rate<0.2', 'pass', 0.1],
    ['late', 'count==101', 'pass', 101],
    ['http_req_duration{phase:fault}', 'avg<12', 'inconclusive', null],
  ])('%s: %s is %s', (selector, expression, verdict, value) => {
    const { check } = only('slo', { cells, thresholds: slo(selector, expression) });
    expect(check).toMatchObject({ verdict, name: `${selector}: ${expression}` });
    if (value === null) expect(check.measured).toBeNull();
    else expect(check.measured).toBeCloseTo(value, 1);
  });

  it('do not see the control', () => {
    const withControl = [...cells, cell(100_000, 900, { part: '(control)', operation: 'control' })];
    expect(only('slo', { cells: withControl, thresholds: slo('http_reqs', 'count==4000') }).check.verdict).toBe('pass');
  });
});
