/** The verdict of a search for the machine's capacity. */

import type { CapacityReport, Report } from '../report.ts';
import type { Judgement } from '../verdict/verdict.ts';

/** `report`: of the run at the found rate, with its invariants. */
export function judgeSearch({ invariants, scale }: Report, capacity: CapacityReport): Judgement {
  const { foundPerSecond, plannedPerSecond, because } = capacity;
  const broken = invariants.filter(({ verdict }) => verdict === 'violated');
  const short = scale === 1 && foundPerSecond !== null && foundPerSecond < plannedPerSecond;
  const failed = broken.length > 0 || short || capacity.verdict === 'none';
  const verdict = failed ? 'fail' : capacity.verdict === 'inconclusive' ? 'inconclusive' : 'pass';
  const reasons = [
    ...broken.map(({ part, id, violations, note }) => `invariant ${part}/${id} was violated: ${violations[0] ?? note}`),
    ...(short ? ['the machine carries less than the planned rate'] : []),
    `capacity: ${because}`,
  ];
  return { verdict, reasons, exitCode: verdict === 'pass' ? 0 : verdict === 'fail' ? 99 : 98 };
}
