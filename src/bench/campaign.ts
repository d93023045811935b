/** Many seeds over one deployment: what is to be run, what was run already, and what it comes to. Pure but for the clock. */

import { sha256 } from '../digest.ts';
import type { Benched } from './recorded.ts';
import type { Verdict } from './report.ts';

/** One seed's run, as a line of the campaign's file keeps it. */
export interface SeedRecord {
  readonly seed: number;
  readonly verdict: Verdict;
  readonly exitCode: 0 | 98 | 99;
  readonly faults: readonly SeedFault[];
  /** Of every invariant, all together. */
  readonly violations: number;
  /** The first of the verdict's reasons; null: none. */
  readonly reason: string | null;
  readonly durationMs: number;
  readonly replay: string;
  /** Of the report, relative to the project. */
  readonly report: string;
}

export interface SeedFault {
  readonly fault: string;
  readonly instance: string;
  readonly hit: boolean;
  /** From the fault to the last request that failed; null: failing still. */
  readonly recoveredMs: number | null;
}

export interface CampaignSummary {
  readonly schemaVersion: 1;
  readonly name: string;
  readonly verdict: Verdict;
  readonly exitCode: 0 | 98 | 99;
  readonly seeds: number;
  readonly byVerdict: Readonly<Partial<Record<Verdict, number>>>;
  readonly violations: number;
  /** By fault without its parameters' defaults: how often it was tried, hit, and the longest recovery. */
  readonly faults: readonly {
    readonly fault: string;
    readonly runs: number;
    readonly hits: number;
    readonly longestRecoveryMs: number | null;
  }[];
  readonly runs: readonly SeedRecord[];
}

/** `20` → 1 … 20; `5..9`; null when it is neither. */
export function parseSeeds(text: string): readonly number[] | null {
  const found = /^(?:(?<from>\d{1,9})\.\.)?(?<to>\d{1,9})$/.exec(text)?.groups;
  if (found === undefined) return null;
  const [from, to] = [Number(found.from ?? 1), Number(found.to)];
  if (to < from || to - from >= 10_000) return null;
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** What makes two campaigns the same: a longer one goes on with a shorter one's seeds. */
export function campaignId(parts: readonly unknown[]): string {
  return sha256(JSON.stringify(parts)).slice(0, 8);
}

/** The seeds that ran to their end; a line that was cut short is as good as none. */
export function readRecords(text: string): readonly SeedRecord[] {
  return text.split('\n').flatMap((line) => {
    try {
      const record = JSON.parse(line) as SeedRecord;
      return typeof record.seed === 'number' && typeof record.verdict === 'string' ? [record] : [];
    } catch {
      return [];
    }
  });
}

export function recordOf({ report, judgement }: Benched, folder: string): SeedRecord {
  return {
    seed: report.seed,
    verdict: report.verdict,
    exitCode: judgement.exitCode,
    faults: report.faults.map(({ fault, instance, hit, recoveredMs }) => ({ fault, instance, hit, recoveredMs })),
    violations: report.invariants.reduce((sum, { violationCount }) => sum + violationCount, 0),
    reason: report.verdict === 'pass' ? null : (report.reasons[0] ?? null),
    durationMs: report.durationMs,
    replay: report.replay,
    report: folder,
  };
}

const worstFirst: readonly Verdict[] = ['fail', 'invalid', 'inconclusive', 'pass'];

/** The worst verdict counts; of no run at all nothing is known. */
export function summarize(name: string, runs: readonly SeedRecord[]): CampaignSummary {
  const verdict = worstFirst.find((one) => runs.some((run) => run.verdict === one)) ?? 'inconclusive';
  const byVerdict: Partial<Record<Verdict, number>> = {};
  for (const run of runs) byVerdict[run.verdict] = (byVerdict[run.verdict] ?? 0) + 1;
  const exitCodes = runs.map(({ exitCode }) => exitCode);
  const exitCode = exitCodes.includes(99) ? 99 : exitCodes.length === 0 || exitCodes.includes(98) ? 98 : 0;
  return {
    schemaVersion: 1,
    name,
    verdict,
    exitCode,
    seeds: runs.length,
    byVerdict,
    violations: runs.reduce((sum, { violations }) => sum + violations, 0),
    faults: faultsOf(runs),
    runs,
  };
}

function faultsOf(runs: readonly SeedRecord[]): CampaignSummary['faults'] {
  const byName = new Map<string, SeedFault[]>();
  for (const fault of runs.flatMap(({ faults }) => faults)) {
    const name = fault.fault.replace(/,atMs=\d+/, '');
    byName.set(name, [...(byName.get(name) ?? []), fault]);
  }
  return [...byName]
    .map(([fault, found]) => {
      const recoveries = found.flatMap(({ recoveredMs }) => (recoveredMs === null ? [] : [recoveredMs]));
      const longestRecoveryMs = recoveries.length === 0 ? null : Math.round(Math.max(...recoveries));
      return { fault, runs: found.length, hits: found.filter(({ hit }) => hit).length, longestRecoveryMs };
    })
    .sort((a, b) => (a.fault < b.fault ? -1 : 1));
}

/** What people see of a seed: one line. */
export function seedLine({ seed, verdict, faults, violations, reason, replay }: SeedRecord): string {
  const recoveries = faults.map(({ recoveredMs }) => (recoveredMs === null ? '–' : `${Math.round(recoveredMs)}`));
  const missed = faults.filter(({ hit }) => !hit).map(({ fault }) => fault);
  return [
    `seed ${seed}`,
    verdict,
    faults.map(({ fault }) => fault).join(' ') || 'no fault',
    ...(missed.length === 0 ? [] : [`not hit: ${missed.join(' ')}`]),
    `${violations} violations`,
    `recovered after ${recoveries.join(', ') || '–'} ms`,
    ...(reason === null ? [] : [reason]),
    replay,
  ].join('  ');
}
