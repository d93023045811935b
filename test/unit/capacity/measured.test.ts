import { describe, expect, it } from 'vitest';
import {
  formatMeasured,
  type MeasuredTimes,
  otherMachine,
  parseMeasured,
  serviceTimesOf,
} from '../../../src/capacity/measured.ts';
import { planAtScale } from '../../../src/commands/plan-at-scale.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { formatPlan, parsePlan } from '../../../src/plan/file.ts';
import { catalogue } from '../../../templates/index.ts';
import { rates, requirements } from '../plan/requirements.ts';

const measured: MeasuredTimes = {
  schemaVersion: 1,
  machine: { cpus: 2, model: 'AMD EPYC', memoryMiB: 24_000, node: '20.20.2' },
  date: '2026-01-31',
  times: {
    'limiter.check': { meanUs: 300, lowUs: 280, highUs: 320, scv: 1, windows: 9 },
    'bench.request': { meanUs: 40, lowUs: 35, highUs: 45, scv: 1, windows: 9 },
  },
};

describe('measured.json', () => {
  it('is read as it was written, and is the same bytes each time', () => {
    const text = formatMeasured(measured);
    expect(parseMeasured(text, 'measured.json')).toEqual(measured);
    expect(formatMeasured(parseMeasured(text, 'measured.json'))).toBe(text);
  });

  it.each([
    '',
    '{}',
    '[]',
    JSON.stringify({ ...measured, schemaVersion: 2 }),
    JSON.stringify({ ...measured, times: { x: { meanUs: -1, lowUs: 0, highUs: 0, scv: 1, windows: 1 } } }),
  ])('refuses %s', (text) => {
    expect(() => parseMeasured(text, 'measured.json')).toThrow(
      expect.objectContaining({ code: 'measured.unreadable', where: 'measured.json' }),
    );
  });

  it('knows another machine, and takes a patch of Node or a kernel’s memory for the same', () => {
    const here = measured.machine;
    expect(otherMachine(here, here)).toBeNull();
    expect(otherMachine(here, { ...here, node: '20.1.0', memoryMiB: 23_500 })).toBeNull();
    for (const change of [{ cpus: 4 }, { model: 'Xeon' }, { memoryMiB: 8000 }, { node: '24.0.0' }]) {
      expect(otherMachine(here, { ...here, ...change })).toMatch(/^measured on 2 × AMD EPYC.*, and this is /);
    }
  });
});

describe('a plan with measured times', () => {
  const asked = requirements({ needs: ['limit-callers'], ...rates(2000, 2000) });
  const plan = assemblePlan(asked, catalogue, { measured: serviceTimesOf(measured) });
  const prior = assemblePlan(asked, catalogue);
  if (isNoPlan(plan) || isNoPlan(prior)) throw new Error('no plan');
  const instances = (of: typeof plan) =>
    Number((of.parts.find(({ name }) => name === 'limiter')?.sizing as { instances: number } | undefined)?.instances);

  it('follows them, says so, and names their machine', () => {
    expect(instances(plan)).toBeGreaterThan(instances(prior));
    const decision = plan.decisions.find(({ about }) => about === 'service times');
    expect(decision).toMatchObject({ chosen: 'limiter.check', source: 'measured', from: ['measured.json'] });
    expect(decision?.because).toContain('2 × AMD EPYC');
    const own = plan.parts.flatMap(({ decisions }) => decisions).find(({ about }) => about === 'instances');
    expect(own?.source).toBe('measured');
  });

  it('keeps those that it used, so that the plan of another scale follows from the file alone', () => {
    expect(Object.keys(plan.measured ?? {})).toEqual(['limiter.check']);
    const read = parsePlan(formatPlan(plan), 'plan.json');
    expect(formatPlan(read)).toBe(formatPlan(plan));
    expect(instances(planAtScale(read, catalogue, 0.001))).toBe(instances(plan));
    expect(planAtScale(read, catalogue, 0.001).measured).toEqual(plan.measured);
    expect(prior.measured).toBeUndefined();
  });
});
