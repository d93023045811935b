import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DspError } from '../../../src/errors.ts';
import { requirementsOf } from '../../../src/requirements/assemble.ts';
import { requirementsDigest } from '../../../src/requirements/digest.ts';
import { type FaultSpec, faultKinds, reachOfPhases, readFault, readFaults } from '../../../src/requirements/faults.ts';
import { formatRequirements } from '../../../src/requirements/format.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { catalogue } from '../../../templates/index.ts';

const read = (text: string) => readFault(text) as FaultSpec;
const problem = (text: string) => (readFault(text) as { problem: string }).problem;

describe('readFault', () => {
  it('fills in what is not said', () => {
    expect(read('latency:store.primary')).toEqual({
      kind: 'latency',
      part: 'store',
      role: 'primary',
      forMs: null,
      atMs: 0,
      ms: 100,
      jitterMs: 0,
      everyMs: 1000,
      among: 'all',
      way: 'both',
      stepMs: 3_600_000,
      by: 0,
      text: 'latency:store.primary',
    });
  });

  it('reads parameters, and writes back those that say something', () => {
    const spec = read('partition:store.primary,way=in,among=peers,forMs=5000,atMs=0');
    expect(spec).toMatchObject({ way: 'in', among: 'peers', forMs: 5000, atMs: 0 });
    expect(spec.text).toBe('partition:store.primary,way=in,among=peers,forMs=5000');
    expect(read(spec.text)).toEqual(spec);
    expect(read('clock:store.primary,stepMs=-3600000').stepMs).toBe(-3_600_000);
  });

  it.each([
    ['store.primary', /is no <kind>/],
    ['kill:store', /is no <kind>/],
    ['kill:store.primary;x', /is no <kind>/],
    ['kil:store.primary', /of no kind that there is \(kill\?\)/],
    ['kill:store.primary,ms=5', /has "ms".*kill takes forMs, atMs/],
    ['latency:store.primary,mss=5', /has "mss" \(ms\?\)/],
    ['latency:store.primary,ms=-1', /has ms=-1; it takes a whole number from 0 to 600000/],
    ['latency:store.primary,ms=1e3', /has ms=1e3/],
    ['latency:store.primary,ms', /has ms=/],
    ['partition:store.primary,way=left', /takes both, in, out/],
  ])('refuses %s', (text, words) => {
    expect(problem(text)).toMatch(words);
  });

  it('takes every kind', () => {
    for (const kind of faultKinds) expect(read(`${kind}:store.primary`).kind).toBe(kind);
  });
});

describe('readFaults', () => {
  it('reads what is joined, or says what is wrong with it', () => {
    expect(readFaults('kill:a.b + pause:a.b,atMs=5')).toMatchObject([{ kind: 'kill' }, { kind: 'pause', atMs: 5 }]);
    expect(readFaults('kill:a.b+')).toHaveProperty('problem');
  });
});

describe('reachOfPhases', () => {
  it.each([
    [[], 'none'],
    [['kill:a.b', 'pause:a.b', 'restart:a.b', 'scale:a.b'], 'none'],
    [['kill:a.b', 'latency:a.b'], 'network'],
    [['disk-full:a.b'], 'network'],
    [['latency:a.b', 'kill:a.b+power:a.b'], 'power'],
    [['power:a.b', 'kill:a.b+clock:a.b'], 'clock'],
  ])('%j needs %s', (phases, reach) => {
    expect(reachOfPhases(phases)).toBe(reach);
  });
});

describe('faults in dsp.yaml', () => {
  const file = readFileSync(new URL('../../golden/quickstart/dsp.yaml', import.meta.url), 'utf8');
  const parse = (faults: string) => parseAnswers(`${file}${faults}\n`, 'dsp.yaml', catalogue);
  const problems = (faults: string) => {
    try {
      parse(faults);
    } catch (error) {
      return (error as DspError<'requirements.invalid'>).params.problems;
    }
    throw new Error('accepted');
  };
  const line = file.split('\n').length;

  it('are read, written back, and count as requirements', () => {
    const answers = parse('faults: ["kill:store.primary", "latency:store.primary,ms=20"]');
    const requirements = requirementsOf(answers, catalogue);
    expect(requirements.faults).toEqual(['kill:store.primary', 'latency:store.primary,ms=20']);
    const again = parseAnswers(formatRequirements(requirements, catalogue), 'dsp.yaml', catalogue);
    expect(requirementsOf(again, catalogue)).toEqual(requirements);
    const without = requirementsOf(parse(''), catalogue);
    expect(without).not.toHaveProperty('faults');
    expect(requirementsDigest(requirements)).not.toBe(requirementsDigest(without));
    expect(requirementsOf(parse('faults: []'), catalogue)).toEqual(without);
  });

  it('are refused with their line and key', () => {
    expect(problems('faults:\n  - kill:store.primary\n  - kil:store.primary\n  - 5')).toMatchObject([
      { where: `dsp.yaml:${line + 2}:5`, key: 'faults', problem: expect.stringContaining('(kill?)') },
      { where: `dsp.yaml:${line + 3}:5`, key: 'faults' },
    ]);
    expect(problems('faults: kill:store.primary')).toMatchObject([{ where: `dsp.yaml:${line}:9`, key: 'faults' }]);
  });
});
