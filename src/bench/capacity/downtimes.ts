/**
 * How long something is away after a fault, from the reports of benches that have run: `dsp bench --calibrate` takes the
 * recoveries of those that were on this machine, on a system of these sizes, and not failed or invalid. Each recovery has
 * been judged within its bound there; what runs at the same moment as another fault is left out, and so is what was seen
 * once only, for one tells no interval. A recovery counts to the last request that failed, of whatever key, so that it
 * bounds from above how long any one key was away.
 */

import { type Fingerprint, type MeasuredTimes, otherMachine } from '../../capacity/measured.ts';
import { studentT975 } from '../../capacity/regression.ts';
import type { Plan } from '../../plan/plan.ts';
import type { FaultRecord, Report } from '../report.ts';
import { sizesDigest } from '../results/results.ts';

/** What of a report counts: older ones may lack the rest. */
export type PastReport = Pick<Report, 'verdict' | 'target' | 'machine' | 'faults' | 'sizesDigest'>;
export type Downtimes = NonNullable<MeasuredTimes['downtimes']>;

/** By `<fault kind>:<part>.<role>`, of the parts whose plan says how long a loss takes. */
export function downtimesFrom(reports: readonly PastReport[], plan: Pick<Plan, 'parts'>, here: Fingerprint): Downtimes {
  const digest = sizesDigest(plan);
  const seen = new Map<string, number[]>();
  for (const report of reports) {
    const counts = report.verdict === 'pass' || report.verdict === 'inconclusive';
    if (!counts || report.target !== 'local' || report.sizesDigest !== digest) continue;
    if (otherMachine(report.machine, here) !== null) continue;
    for (const fault of report.faults.filter((one) => isAlone(one, report.faults))) {
      if (!fault.hit || fault.recoveredMs === null) continue;
      const [name = ''] = fault.fault.split(',');
      seen.set(name, [...(seen.get(name) ?? []), fault.recoveredMs]);
    }
  }
  return Object.fromEntries(
    [...seen].flatMap(([fault, recoveries]) => {
      const plannedMs = plannedFor(fault, plan);
      const interval = intervalOf(recoveries);
      return plannedMs === null || interval === null ? [] : [[fault, { ...interval, plannedMs }]];
    }),
  );
}

function isAlone(fault: FaultRecord, all: readonly FaultRecord[]): boolean {
  return all.every((other) => other === fault || other.startMs > fault.healedMs || fault.startMs > other.healedMs);
}

/** The longest of what the part's capabilities promise; null where a loss has no downtime of its own. */
function plannedFor(fault: string, { parts }: Pick<Plan, 'parts'>): number | null {
  const part = parts.find(({ name }) => fault.split(':')[1]?.startsWith(`${name}.`));
  const promised = Object.values(part?.guarantees ?? {}).map(({ failoverMs }) => failoverMs);
  return promised.length === 0 ? null : Math.max(...promised);
}

/** The mean and Student's 95 % interval of it; null of fewer than two, or where nothing ever failed. */
function intervalOf(samples: readonly number[]): Omit<Downtimes[string], 'plannedMs'> | null {
  const count = samples.length;
  const meanMs = samples.reduce((sum, each) => sum + each, 0) / count;
  if (count < 2 || meanMs === 0) return null;
  const variance = samples.reduce((sum, each) => sum + (each - meanMs) ** 2, 0) / (count - 1);
  const half = studentT975(count - 1) * Math.sqrt(variance / count);
  const round = (ms: number) => Number(ms.toPrecision(4));
  return {
    meanMs: round(meanMs),
    lowMs: round(Math.max(0, meanMs - half)),
    highMs: round(meanMs + half),
    samples: count,
  };
}
