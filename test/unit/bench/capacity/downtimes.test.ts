import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { downtimesFrom, type PastReport } from '../../../../src/bench/capacity/downtimes.ts';
import { readReports, reportFolderName, writeReport } from '../../../../src/bench/report/report-files.ts';
import { sizesDigest } from '../../../../src/bench/results/results.ts';
import { downtimesOf, formatMeasured, type MeasuredTimes, parseMeasured } from '../../../../src/capacity/measured.ts';
import { planAtScale } from '../../../../src/commands/plan-at-scale.ts';
import { assemblePlan, isNoPlan } from '../../../../src/plan/assemble.ts';
import { explainPlan } from '../../../../src/plan/explain.ts';
import { formatPlan, parsePlan } from '../../../../src/plan/file.ts';
import type { Plan } from '../../../../src/plan/plan.ts';
import { exactly, type Requirements } from '../../../../src/requirements/requirements.ts';
import { catalogue } from '../../../../templates/index.ts';
import { requirements } from '../../plan/requirements.ts';
import { fault, report } from '../samples.ts';

const here = { cpus: 2, model: 'A CPU', memoryMiB: 4096, node: '20.19.4' };

function planFor(changes: Partial<Requirements> = {}, downtimes = {}): Plan {
  const plan = assemblePlan(requirements(changes), catalogue, { downtimes });
  if (isNoPlan(plan)) throw new Error(JSON.stringify(plan.rejected[0]));
  return plan;
}

const plan = planFor();

function past(recoveredMs: number | null, changes: Partial<PastReport> = {}, kind = 'kill'): PastReport {
  return {
    verdict: 'pass',
    target: 'local',
    machine: { ...here, foreignCpuShare: 0.1 },
    sizesDigest: sizesDigest(plan),
    faults: [{ ...fault, fault: `${kind}:store.primary,forMs=9000`, recoveredMs }],
    ...changes,
  };
}

describe('downtimes of past benches', () => {
  it('are the mean of the recoveries with its interval, beside what was planned', () => {
    const found = downtimesFrom([past(7000), past(8000), past(9000), past(5000, {}, 'pause')], plan, here);
    expect(Object.keys(found)).toEqual(['kill:store.primary']);
    const store = plan.parts.find(({ name }) => name === 'store');
    // 8000 ± t(0.975, 2) × 1000 ÷ √3.
    expect(found['kill:store.primary']).toEqual({
      meanMs: 8000,
      lowMs: 5516,
      highMs: 10_480,
      samples: 3,
      plannedMs: store?.guarantees.kv?.failoverMs,
    });
  });

  it.each([
    ['that failed', past(1, { verdict: 'fail' })],
    ['that were invalid', past(1, { verdict: 'invalid' })],
    ['in a cluster', past(1, { target: 'kubernetes' })],
    ['on another machine', past(1, { machine: { ...here, cpus: 64, foreignCpuShare: 0 } })],
    ['of other sizes', past(1, { sizesDigest: 'another' })],
    ['without a recovery', past(null)],
    ['whose fault did not hit', past(1, { faults: [{ ...fault, recoveredMs: 1, hit: false }] })],
    ['with two faults at once', past(1, { faults: [fault, { ...fault, instance: 'store-redis-1' }] })],
    ['of a part that has no downtime planned', past(1, { faults: [{ ...fault, fault: 'kill:limiter.instance' }] })],
  ])('count none %s', (_, other) => {
    const found = downtimesFrom([past(7000), past(9000), other, other], plan, here);
    expect(found).toEqual(downtimesFrom([past(7000), past(9000)], plan, here));
    expect(found['kill:store.primary']?.samples).toBe(2);
  });

  it('are none of one sample, or where nothing ever failed', () => {
    expect(downtimesFrom([past(7000)], plan, here)).toEqual({});
    expect(downtimesFrom([past(0), past(0)], plan, here)).toEqual({});
  });

  it('are read from the project’s reports, whatever else lies there', async () => {
    const root = mkdtempSync(join(tmpdir(), 'dsp-reports-'));
    try {
      expect(await readReports(root)).toEqual([]);
      const run = join(root, 'report', reportFolderName(report().startedAt));
      mkdirSync(run, { recursive: true });
      await writeReport(run, report());
      for (const [name, text] of [
        ['2020-01-01T00-00-00Z', '{'],
        ['2020-01-02T00-00-00Z', '{"schemaVersion":1}'],
        ['2020-01-03T00-00-00Z', 'null'],
        ['mine', JSON.stringify(report())],
      ] as const) {
        mkdirSync(join(root, 'report', name));
        writeFileSync(join(root, 'report', name, 'report.json'), text);
      }
      expect(await readReports(root)).toEqual([report()]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

/** What the store's plan says a key is away, s a month. */
function awayOf({ parts }: Plan): number {
  const found = parts.flatMap(({ predictions }) => predictions).find(({ metric }) => metric === 'a key unavailable');
  if (found === undefined) throw new Error('no prediction');
  return found.predicted;
}

describe('a plan with measured downtime', () => {
  const measured: MeasuredTimes = {
    schemaVersion: 1,
    machine: here,
    date: '2026-01-31',
    times: {},
    downtimes: {
      'kill:store.primary': { meanMs: 7800, lowMs: 6900, highMs: 8700, samples: 5, plannedMs: 12_000 },
      'pause:store.primary': { meanMs: 1, lowMs: 1, highMs: 1, samples: 5, plannedMs: 12_000 },
    },
  };
  const downtimes = downtimesOf(measured);

  it('predicts from it and says so, with its interval and the stated rate', () => {
    const operations = { effort: 'medium', lossesPerYear: exactly(2) } as const;
    const text = explainPlan(planFor({ operations }, downtimes), 'store')?.replace(/\s+/g, ' ');
    expect(text).toContain('from measured downtime of kill 7.8 s (6.9 to 8.7) × 2 a year per machine');
    expect(text).toMatch(/availability: a key is away .* measured on 2 × A CPU.*; measured\]/);
    expect(explainPlan(planFor({ operations }), 'store')).not.toContain('measured downtime');
  });

  it('is closer to the truth than the one before', () => {
    const rates = { effort: 'medium', lossesPerYear: exactly(8.766) } as const;
    const before = planFor({ operations: rates });
    const plannedMs = before.parts[0]?.guarantees.kv?.failoverMs ?? 0;
    // Failovers really take 3 s, at each of 8.766 losses a year; the benches saw about that.
    const secondsAMonth = (ms: number) => ((ms / 1000) * 8.766 * 30) / 365.25;
    const truth = awayOf(before) - secondsAMonth(plannedMs) + secondsAMonth(3000);
    const sample = { meanMs: 3300, lowMs: 2900, highMs: 3700, samples: 5, plannedMs, citation: 'a test' };
    const after = planFor({ operations: rates }, { 'kill:store.primary': sample });
    expect(awayOf(after)).toBeCloseTo(truth + secondsAMonth(300), 3);
    expect(Math.abs(awayOf(after) - truth)).toBeLessThan(Math.abs(awayOf(before) - truth));
  });

  it('is away in proportion to how often machines are lost', () => {
    const away = [0.01, 0.02, 0.04].map((losses) =>
      awayOf(planFor({ operations: { effort: 'medium', lossesPerYear: exactly(losses) } }, downtimes)),
    );
    expect((away[1] as number) / (away[0] as number)).toBeCloseTo(2, 1);
    expect((away[2] as number) / (away[1] as number)).toBeCloseTo(2, 1);
  });

  it('makes the time-out shorter where failovers take longer than planned, never longer', () => {
    const timeoutOf = ({ parts }: Plan) => (parts[0]?.sizing as { nodeTimeoutMs?: number } | undefined)?.nodeTimeoutMs;
    const timeout = (factor: number) => {
      const meanMs = 1e4 * factor;
      const sample = { meanMs, lowMs: meanMs, highMs: meanMs, samples: 5, plannedMs: 1e4, citation: 'a test' };
      return timeoutOf(planFor({}, { 'kill:store.primary': sample }));
    };
    expect(timeout(1.5)).toBeLessThan(timeout(1) ?? 0);
    expect(timeout(0.5)).toBe(timeout(1));
    expect(timeout(1)).toBe(timeoutOf(plan));
  });

  it('keeps it in plan.json and at every scale, and measured.json is read back', () => {
    const made = planFor({}, downtimes);
    expect(parsePlan(formatPlan(made), 'plan.json')).toEqual(made);
    expect(planAtScale(made, catalogue, 0.01).downtimes).toEqual(downtimes);
    expect(awayOf(planAtScale(made, catalogue, 0.01))).toBe(awayOf(made));
    expect(parseMeasured(formatMeasured(measured), 'measured.json')).toEqual(measured);
  });

  it('is that of the hardware where no rate is stated', () => {
    const stated = planFor({ operations: { effort: 'low', lossesPerYear: exactly(8.766) } });
    const unstated = planFor({ operations: { effort: 'low' } });
    expect(awayOf(stated)).toBeCloseTo(awayOf(unstated), 6);
  });
});
