import { describe, expect, it } from 'vitest';
import { capacityLines } from '../../../../src/bench/report/report-capacity.ts';
import type { CapacityReport, CapacityStep } from '../../../../src/bench/report.ts';

const step = (factor: number, outcome: CapacityStep['outcome']): CapacityStep => ({
  factor,
  outcome,
  why: 'bisect',
  offeredPerSecond: 100 * factor,
  achievedPerSecond: 100 * factor,
  p99Ms: 5,
  failedShare: 0,
  ownShare: 0.5,
  foreignShare: 0,
  note: '',
});

const capacityOf = (steps: readonly CapacityStep[], foundPerSecond: number | null): CapacityReport => ({
  verdict: foundPerSecond === null ? 'none' : 'found',
  because: 'b',
  foundPerSecond,
  failedFromPerSecond: 330,
  plannedPerSecond: 100,
  predictedPerSecond: 300,
  predictedLeftPerSecond: 300,
  binding: 'all cores',
  calibrated: false,
  times: 'priors',
  cores: 2,
  ratio: 1,
  steps,
});

const doubts = (steps: readonly CapacityStep[], found: number | null = 300) =>
  capacityLines(capacityOf(steps, found)).filter((line) => line.startsWith('not sure'));

describe('the words of a capacity', () => {
  it('say that it is not sure where a lower rate failed than one that passed', () => {
    const windows = [step(1, 'pass'), step(3, 'fail'), step(3, 'pass'), step(3.3, 'fail'), step(3.6, 'pass')];
    expect(doubts(windows)).toEqual(['not sure: a window at 300/s failed, although one at 360/s passed']);
  });

  it('say nothing of the kind where the windows agree, tell nothing, or found nothing', () => {
    expect(doubts([step(3, 'pass'), step(3.3, 'fail')])).toEqual([]);
    expect(doubts([step(3, 'pass'), step(2, 'inconclusive'), step(3.3, 'fail')])).toEqual([]);
    expect(doubts([step(3, 'pass')])).toEqual([]);
    expect(doubts([step(1, 'fail'), step(2, 'pass')], null)).toEqual([]);
  });
});
