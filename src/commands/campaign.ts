/** `dsp bench --seeds`: many seeds over one deployment, one line each; run again, it goes on where it was. */

import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  type CampaignSummary,
  campaignId,
  parseSeeds,
  readRecords,
  recordOf,
  type SeedRecord,
  seedLine,
  summarize,
} from '../bench/campaign.ts';
import { drawSchedules } from '../bench/faults/faults.ts';
import { systemClock } from '../clock.ts';
import { atLeast, type Instrumentation } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import { writeWhole } from '../deploy/local/registry.ts';
import { withAccess } from '../deploy/local/secrets.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { seededRandom } from '../random.ts';
import { reachOfPhases } from '../requirements/faults.ts';
import { alignColumns, type Terminal } from '../terminal.ts';
import { type Bench, benchOnce, faultPool, openBench, settingsOf } from './bench.ts';
import type { BenchOptions } from './bench-options.ts';

export interface CampaignOptions extends BenchOptions {
  /** `20` or `5..9`. */
  readonly seeds: string;
  /** Forget what ran before. */
  readonly fresh: boolean;
}

/** Phases of a seed unless `--draw` says otherwise, and its steady load: a seed takes some twenty seconds. */
const phasesPerSeed = 2;
const shortly = { warmupMs: 2000, durationMs: 5000 };

/** The exit code of the worst seed; throws as a bench does, and what ran before stays. */
export async function runCampaign(given: CampaignOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const seeds = parseSeeds(given.seeds);
  if (seeds === null)
    throw new DspError('input.choice', { key: '--seeds', given: given.seeds, choices: ['20', '1..20'] });
  const options = { ...shortly, ...given };
  const opened = await openBench(options.project);
  const pool = await faultPool(options, opened);
  const schedules = drawSchedules(pool, seeds, options.draw ?? phasesPerSeed, seededRandom(seeds[0] ?? 1));
  const folder = join(options.project, 'report', `campaign-${identity(options, opened, pool, seeds)}`);
  if (options.fresh) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'seeds.jsonl');
  const before = readRecords(await readFile(file, 'utf8').catch(() => ''));
  const runs: SeedRecord[] = before.filter(({ seed }) => seeds.includes(seed));
  if (runs.length > 0) terminal.note(`${runs.length} of ${seeds.length} seeds have run already: ${relative('', file)}`);
  const instrumented = atLeast(opened.deployment.instrumented, reachOfPhases([...schedules.values()].flat()));
  for (const seed of seeds) {
    if (runs.some((run) => run.seed === seed)) continue;
    const record = await runSeed(options, opened.plan, seed, schedules.get(seed) ?? [], instrumented, terminal);
    await appendFile(file, `${JSON.stringify(record)}\n`);
    runs.push(record);
    if (!options.json) terminal.out(seedLine(record));
  }
  const summary = summarize(opened.plan.requirements.name, runs);
  await writeWhole(join(folder, 'campaign.json'), `${JSON.stringify(summary, null, 2)}\n`);
  if (options.json) terminal.json({ ...summary, folder });
  else print(summary, folder, terminal);
  return summary.exitCode;
}

/** The deployment is made whole before each seed: one that was left broken by another would be judged for it. */
async function runSeed(
  options: CampaignOptions,
  plan: Bench['plan'],
  seed: number,
  faults: readonly string[],
  instrumented: Instrumentation,
  terminal: Terminal,
): Promise<SeedRecord> {
  const { interrupt: signal, note: report } = terminal;
  const how = { clock: systemClock, signal, report, build: false, instrumented };
  const deployment = withAccess(await deployLocal(options.project, plan, how));
  terminal.note(`seed ${seed}: ${faults.join(', then ') || 'no fault'}`);
  const settings = settingsOf({ ...options, seed, faults: faults.length === 0 ? 'none' : faults });
  const run = await benchOnce(options.project, { plan, deployment }, settings, terminal);
  return recordOf(run, relative(options.project, run.folder));
}

function identity(
  options: CampaignOptions,
  { plan, deployment }: Bench,
  pool: readonly string[],
  seeds: readonly number[],
) {
  const { durationMs, warmupMs, arrivals, shape, skew, rate, workers, draw, via } = options;
  const load = [durationMs, warmupMs, arrivals, shape ?? null, skew ?? null, rate ?? 1, workers ?? null, via ?? null];
  const how = [...load, draw ?? phasesPerSeed];
  return campaignId([plan.requirementsDigest, deployment.scale, pool, seeds[0] ?? 1, ...how]);
}

function print(summary: CampaignSummary, folder: string, terminal: Terminal): void {
  terminal.out('');
  const rows = summary.faults.map(({ fault, runs, hits, longestRecoveryMs }) => [
    fault,
    `hit ${hits} of ${runs}`,
    longestRecoveryMs === null ? 'no recovery seen' : `recovered within ${longestRecoveryMs} ms`,
  ]);
  for (const line of alignColumns(rows)) terminal.out(line);
  terminal.out('');
  const counts = Object.entries(summary.byVerdict).map(([verdict, count]) => `${count} ${verdict}`);
  terminal.out(`${summary.verdict}: ${summary.seeds} seeds (${counts.join(', ')}), ${summary.violations} violations`);
  terminal.out(`campaign: ${join(folder, 'campaign.json')}`);
}
