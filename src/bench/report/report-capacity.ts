/** The capacity that was found, beside the predicted one, in words. */

import type { CapacityReport, CapacityStep } from '../report.ts';
import { numberText, percent } from './report-words.ts';

const rate = (perSecond: number | null) => (perSecond === null ? '–' : `${numberText(Math.round(perSecond))}/s`);

/** For the terminal and the summary. */
export function capacityLines(capacity: CapacityReport): readonly string[] {
  const { foundPerSecond, failedFromPerSecond, predictedPerSecond, predictedLeftPerSecond, ratio, cores } = capacity;
  const found =
    foundPerSecond === null
      ? 'capacity: not found'
      : `capacity: ${rate(foundPerSecond)} meets every objective${failedFromPerSecond === null ? '' : `, ${rate(failedFromPerSecond)} does not`}`;
  const compared = ratio === null ? '' : `: found ÷ predicted = ${ratio.toFixed(2)}`;
  return [
    `${found} (${capacity.because})`,
    ...doubtsOf(capacity),
    `predicted: ${rate(predictedPerSecond)} on ${cores} idle cores, ${rate(predictedLeftPerSecond)} on what others left of them${compared}; ended by ${capacity.binding}`,
    `times: ${capacity.times}`,
  ];
}

/** Windows that went against what was found: the fewer rates overlap, the surer it is. */
function doubtsOf({ foundPerSecond, plannedPerSecond, steps }: CapacityReport): readonly string[] {
  if (foundPerSecond === null) return [];
  const factors = (outcome: CapacityStep['outcome']) =>
    steps.filter((step) => step.outcome === outcome).map(({ factor }) => factor);
  const lowestFailed = Math.min(...factors('fail'));
  const highestPassed = Math.max(...factors('pass'));
  if (lowestFailed >= highestPassed) return [];
  const rates = [lowestFailed, highestPassed].map((factor) => rate(factor * plannedPerSecond));
  return [`not sure: a window at ${rates[0]} failed, although one at ${rates[1]} passed`];
}

export const stepHeadings = ['rate', 'why', 'p99', 'failed', 'own CPU', 'others’ CPU', 'outcome', 'note'] as const;

/** One row of {@link stepHeadings} a window, in order of time. */
export function stepRow(step: CapacityStep): readonly string[] {
  const share = (value: number | null) => (value === null ? '–' : percent(Number(value.toFixed(3))));
  return [
    rate(step.offeredPerSecond),
    step.why,
    step.p99Ms === null ? '–' : `${numberText(step.p99Ms)} ms`,
    share(step.failedShare),
    share(step.ownShare),
    share(step.foreignShare),
    step.outcome,
    step.note,
  ];
}
