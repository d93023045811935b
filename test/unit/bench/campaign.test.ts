import { describe, expect, it } from 'vitest';
import {
  parseSeeds,
  readRecords,
  recordOf,
  type SeedRecord,
  seedLine,
  summarize,
} from '../../../src/bench/campaign.ts';
import { fault, invariant, report } from './samples.ts';

const record = (seed: number, changes: Partial<SeedRecord> = {}): SeedRecord => ({
  seed,
  verdict: 'pass',
  exitCode: 0,
  faults: [{ fault: 'kill:store.primary', instance: 'store-redis-0', hit: true, recoveredMs: 2100.4 }],
  violations: 0,
  reason: null,
  durationMs: 20_000,
  replay: `dsp bench --seed ${seed}`,
  report: 'report/x',
  ...changes,
});

describe('parseSeeds', () => {
  it.each([
    ['3', [1, 2, 3]],
    ['5..7', [5, 6, 7]],
    ['4..4', [4]],
  ])('%s', (text, seeds) => {
    expect(parseSeeds(text)).toEqual(seeds);
  });

  it.each(['0', '', '7..5', '1..', 'a', '-3', '1..99999'])('refuses %j', (text) => {
    expect(parseSeeds(text)).toBeNull();
  });
});

describe('a campaign that goes on', () => {
  it('reads back what it wrote, and passes over a line that was cut short', () => {
    const lines = [record(1), record(2)].map((one) => JSON.stringify(one)).join('\n');
    expect(readRecords(`${lines}\n{"seed":3,"verd`)).toEqual([record(1), record(2)]);
    expect(readRecords('')).toEqual([]);
  });

  it('keeps of a run what a line needs', () => {
    const broken = { ...invariant, verdict: 'violated' as const, violationCount: 3 };
    const benched = {
      report: report({ verdict: 'fail', reasons: ['it broke'], invariants: [invariant, broken] }),
      judgement: { verdict: 'fail' as const, reasons: [], exitCode: 99 as const },
    };
    expect(recordOf(benched, 'report/y')).toMatchObject({
      seed: 7,
      verdict: 'fail',
      exitCode: 99,
      violations: 3,
      reason: 'it broke',
      faults: [{ fault: fault.fault, hit: true, recoveredMs: 4200 }],
      report: 'report/y',
    });
  });

  it('says a seed in one line', () => {
    const line = seedLine(record(4, { verdict: 'invalid', reason: 'kill:store.primary did not hit' }));
    expect(line).toBe(
      'seed 4  invalid  kill:store.primary  0 violations  recovered after 2100 ms  kill:store.primary did not hit  dsp bench --seed 4',
    );
    expect(line).not.toContain('\n');
  });
});

describe('what a campaign comes to', () => {
  const fail = record(2, { verdict: 'fail', exitCode: 99, violations: 2 });
  const invalid = record(3, { verdict: 'invalid', exitCode: 98 });

  it.each<[string, readonly SeedRecord[], string, number]>([
    ['passes when every seed does', [record(1), record(2)], 'pass', 0],
    ['is as bad as its worst seed', [record(1), invalid, fail], 'fail', 99],
    ['is invalid where a fault did not hit', [record(1), invalid], 'invalid', 98],
    ['knows nothing of no seed', [], 'inconclusive', 98],
    ['lets a smoke run through', [record(1, { verdict: 'inconclusive' })], 'inconclusive', 0],
  ])('%s', (_, runs, verdict, exitCode) => {
    expect(summarize('shop', runs)).toMatchObject({ verdict, exitCode, seeds: runs.length });
  });

  it('counts each fault, wherever it began', () => {
    const faults = [
      { fault: 'kill:store.primary', instance: 'a', hit: true, recoveredMs: 100 },
      { fault: 'kill:store.primary,atMs=700', instance: 'b', hit: false, recoveredMs: null },
    ];
    const summary = summarize('shop', [record(1, { faults }), fail]);
    expect(summary.faults).toEqual([{ fault: 'kill:store.primary', runs: 3, hits: 2, longestRecoveryMs: 2100 }]);
    expect(summary).toMatchObject({ violations: 2, byVerdict: { pass: 1, fail: 1 } });
  });
});
