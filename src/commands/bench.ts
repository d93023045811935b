/** `dsp bench`: load the deployment, hit it with faults, and judge it. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { bench } from '../bench/bench.ts';
import type { Benched } from '../bench/conclude.ts';
import type { BenchSettings } from '../bench/input.ts';
import { sampleCpu } from '../bench/machine-load.ts';
import type { Arrivals } from '../bench/pacer.ts';
import { showProgress } from '../bench/progress.ts';
import { writeReport } from '../bench/report-files.ts';
import { resultRows, scaleLine } from '../bench/report-words.ts';
import { parseRecordedShape, parseShape } from '../bench/shape-text.ts';
import { systemClock } from '../clock.ts';
import { faultAccess } from '../deploy/local/faults.ts';
import { readDeployment } from '../deploy/local/registry.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { parseSkew, skewText } from '../key-skew.ts';
import { packageVersion } from '../package-root.ts';
import type { Pattern } from '../pattern.ts';
import { parsePlan } from '../plan/file.ts';
import type { Plan } from '../plan/plan.ts';
import { freshSeed } from '../random.ts';
import { alignColumns, type Terminal } from '../terminal.ts';

export interface BenchOptions {
  readonly project: string;
  readonly durationMs?: number;
  readonly warmupMs?: number;
  readonly seed?: number;
  readonly arrivals: Arrivals;
  /** As `--shape` takes it; absent: steady. */
  readonly shape?: string;
  /** As `--skew` takes it. */
  readonly skew?: string;
  /** `kind:part.role`; absent: a kill and a pause of what the other parts build on. */
  readonly faults?: readonly string[] | 'none';
  readonly smoke: boolean;
  readonly json: boolean;
  readonly workers?: number;
  /** Multiplies the planned rates. */
  readonly rate?: number;
}

/** 0 pass, 99 fail, 98 inconclusive or invalid; throws as {@link bench} does. */
export async function runBench(options: BenchOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const deployment = await readDeployment(options.project);
  if (deployment === null) {
    throw new DspError('bench.no-deployment', { project: options.project, missing: 'nothing is deployed' });
  }
  const plan = await deployedPlan(options.project, deployment.scale);
  if (plan.requirementsDigest !== deployment.requirementsDigest) {
    throw new DspError('bench.no-deployment', {
      project: options.project,
      missing: 'plan.json has changed since it was deployed',
    });
  }
  const settings = settingsOf(options);
  terminal.note(`bench of ${plan.requirements.name} at ${scaleLine(deployment.scale)}, seed ${settings.seed}`);
  const access = faultAccess(options.project, systemClock);
  const benched = await bench(
    { plan, deployment, access, patternOf, settings, dspVersion: packageVersion() },
    {
      clock: systemClock,
      signal: terminal.interrupt,
      onProgress: showProgress(terminal),
      sampleCpu: () => sampleCpu(deployment.root),
    },
  );
  const folder = await writeReport(options.project, benched.report);
  if (options.json) terminal.json({ ...benched.report, folder });
  else print(benched, folder, terminal);
  return benched.judgement.exitCode;
}

/** plan.json at the scale that was deployed, which `dsp deploy --scale` may have set. */
async function deployedPlan(project: string, scale: number): Promise<Plan> {
  const file = join(project, 'plan.json');
  const plan = parsePlan(await readFile(file, 'utf8').catch(() => ''), file);
  if (plan.local.scale === scale) return plan;
  const { planAtScale } = await import('./plan-at-scale.ts');
  return planAtScale(plan, catalogue, scale);
}

/** The options with every default filled in. */
export function settingsOf(options: BenchOptions): BenchSettings {
  const steadyMs = options.durationMs ?? 20_000;
  const settings = {
    warmupMs: options.warmupMs ?? 5000,
    steadyMs,
    seed: options.seed ?? freshSeed(),
    arrivals: options.arrivals,
    ...chosenLoad(options, steadyMs),
    faults: options.faults === 'none' ? [] : (options.faults ?? null),
    smoke: options.smoke,
    workers: options.workers === undefined ? null : Math.max(1, options.workers),
    rateFactor: options.rate ?? 1,
  };
  return { ...settings, replay: replayCommand(settings, options.shape ?? 'steady') };
}

/** Throws `bench.load`. */
function chosenLoad({ shape = 'steady', skew }: BenchOptions, steadyMs: number) {
  return {
    shape: readFlag('shape', () =>
      shape.startsWith('file:')
        ? parseRecordedShape(readFileSync(shape.slice('file:'.length), 'utf8'))
        : parseShape(shape, steadyMs),
    ),
    skew: skew === undefined ? null : readFlag('skew', () => parseSkew(skew)),
  };
}

/** What is malformed is a RangeError, and what can't be read an error of the system. */
function readFlag<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new DspError('bench.load', { flag, problem: error instanceof Error ? error.message : String(error) });
  }
}

/** All that makes the run what it is, said in flags. */
function replayCommand(settings: Omit<BenchSettings, 'replay'>, shape: string): string {
  const { faults, workers, rateFactor, smoke, skew } = settings;
  return [
    `dsp bench --seed ${settings.seed} --duration ${settings.steadyMs / 1000} --warmup ${settings.warmupMs / 1000}`,
    `--arrivals ${settings.arrivals}`,
    ...(shape === 'steady' ? [] : [`--shape ${shape}`]),
    ...(!skew ? [] : [`--skew ${skewText(skew)}`]),
    ...(faults?.length === 0 ? ['--no-faults'] : (faults ?? []).map((fault) => `--fault ${fault}`)),
    ...(workers === null ? [] : [`--workers ${workers}`]),
    ...(rateFactor === 1 ? [] : [`--rate ${rateFactor}`]),
    ...(smoke ? ['--smoke'] : []),
  ].join(' ');
}

function patternOf(id: string): Pattern {
  const found: Pattern | undefined = catalogue.find((pattern) => pattern.id === id);
  if (found) return found;
  throw new DspError('input.choice', { key: 'pattern', given: id, choices: catalogue.map((pattern) => pattern.id) });
}

function print({ report, judgement }: Benched, folder: string, terminal: Terminal): void {
  for (const line of alignColumns(resultRows(report))) terminal.out(line);
  terminal.out('');
  const smoke = judgement.exitCode === 0 && report.verdict !== 'pass' ? ' (smoke run: nothing was violated)' : '';
  terminal.out(`${report.verdict}${smoke}`);
  for (const reason of report.reasons) terminal.out(`  ${reason}`);
  terminal.out(`report: ${join(folder, 'index.html')}`);
  terminal.out(`replay: ${report.replay}`);
}
