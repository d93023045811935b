/** `dsp bench`: load the deployment, hit it with faults, and judge it. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { bench } from '../bench/bench.ts';
import type { Benched } from '../bench/conclude.ts';
import { drawSchedules, knownFaults } from '../bench/faults.ts';
import type { BenchInput, BenchSettings } from '../bench/input.ts';
import { sampleCpu } from '../bench/machine-load.ts';
import type { Arrivals } from '../bench/pacer.ts';
import { showProgress } from '../bench/progress.ts';
import { capacityLines } from '../bench/report-capacity.ts';
import { writeReport } from '../bench/report-files.ts';
import { resultRows, scaleLine } from '../bench/report-words.ts';
import { parseRecordedShape, parseShape } from '../bench/shape-text.ts';
import { benchedParts, faultRoles } from '../bench/system.ts';
import { systemClock } from '../clock.ts';
import { atLeast, type Deployment } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import { faultAccess } from '../deploy/local/faults.ts';
import { findFaketime } from '../deploy/local/find-instruments.ts';
import { readDeployment } from '../deploy/local/registry.ts';
import { withAccess } from '../deploy/local/secrets.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { parseSkew, skewText } from '../key-skew.ts';
import { packageVersion } from '../package-root.ts';
import type { Pattern } from '../pattern.ts';
import { parsePlan } from '../plan/file.ts';
import type { Plan } from '../plan/plan.ts';
import { freshSeed, seededRandom } from '../random.ts';
import { reachOfPhases } from '../requirements/faults.ts';
import { alignColumns, type Terminal } from '../terminal.ts';
import { rescaler } from './rescale.ts';
import { chosenTarget, type TargetName } from './target.ts';

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
  /** A phase each, as `--fault` takes it; absent: those of dsp.yaml, else a kill and a pause of what the other parts build on. */
  readonly faults?: readonly string[] | 'none';
  readonly smoke: boolean;
  readonly json: boolean;
  readonly workers?: number;
  /** Multiplies the planned rates. */
  readonly rate?: number;
  /** Search for the highest rate instead of judging the planned one. */
  readonly findCapacity?: boolean;
  /** Measure service times instead of judging. */
  readonly calibrate?: boolean;
  /** How many phases the seed draws from the faults. */
  readonly draw?: number;
  readonly target?: TargetName;
  /** `bench=<ref>`: the image that a bench in the cluster runs from; else one is built. */
  readonly image?: readonly string[];
  readonly registry?: string;
}

/** What a bench runs on: the deployment, and the plan that it follows. */
export interface Bench {
  readonly plan: Plan;
  readonly deployment: Deployment;
}

/** 0 pass, 99 fail, 98 inconclusive or invalid; throws as {@link bench} does. */
export async function runBench(options: BenchOptions, terminal: Terminal): Promise<0 | ExitCode> {
  if (chosenTarget(options) === 'kubernetes') return onKubernetes(options, terminal);
  const opened = await openBench(options.project);
  if (options.calibrate === true) {
    const { runCalibrate } = await import('./bench-capacity.ts');
    return runCalibrate(inputOf(options.project, opened, settingsOf(options)), options, terminal);
  }
  const settings = await drawn(settingsOf(options), options, opened);
  const { plan, deployment } = opened;
  terminal.note(`bench of ${plan.requirements.name} at ${scaleLine(deployment.scale)}, seed ${settings.seed}`);
  const benched = await (options.findCapacity === true ? searchOnce : benchOnce)(
    options.project,
    opened,
    settings,
    terminal,
  );
  const folder = await writeReport(options.project, benched.report);
  if (options.json) terminal.json({ ...benched.report, folder });
  else print(benched, folder, terminal);
  return benched.judgement.exitCode;
}

async function searchOnce(
  project: string,
  opened: Bench,
  settings: BenchSettings,
  terminal: Terminal,
): Promise<Benched> {
  const { runSearch } = await import('./bench-capacity.ts');
  const replay = `dsp bench --find-capacity --seed ${settings.seed}`;
  return runSearch(inputOf(project, opened, { ...settings, replay }), project, terminal);
}

function inputOf(project: string, { plan, deployment }: Bench, settings: BenchSettings): BenchInput {
  const access = faultAccess(project, systemClock);
  return { plan, deployment, access, patternOf, settings, dspVersion: packageVersion() };
}

/** Throws `bench.no-deployment` when what runs is not the plan's. */
export async function openBench(project: string): Promise<Bench> {
  const recorded = await readDeployment(project);
  if (recorded === null) {
    throw new DspError('bench.no-deployment', { project, missing: 'nothing is deployed' });
  }
  const deployment = withAccess(recorded);
  const plan = await deployedPlan(project, deployment.scale);
  if (plan.requirementsDigest !== deployment.requirementsDigest) {
    throw new DspError('bench.no-deployment', { project, missing: 'plan.json has changed since it was deployed' });
  }
  return { plan, deployment };
}

/** One run. Instruments are put in place first where a fault needs them. */
export async function benchOnce(
  project: string,
  { plan, deployment: found }: Bench,
  settings: BenchSettings,
  terminal: Terminal,
): Promise<Benched> {
  const phases = settings.faults ?? plan.requirements.faults ?? [];
  const deployment = await withInstruments(project, plan, found, phases, terminal);
  const access = faultAccess(project, systemClock);
  const rescale = rescaler(project, plan);
  return bench(
    { plan, deployment, access, rescale, patternOf, settings, dspVersion: packageVersion() },
    {
      clock: systemClock,
      signal: terminal.interrupt,
      onProgress: showProgress(terminal),
      sampleCpu: () => sampleCpu(deployment.root),
    },
  );
}

async function withInstruments(
  project: string,
  plan: Plan,
  deployment: Deployment,
  phases: readonly string[],
  terminal: Terminal,
): Promise<Deployment> {
  const instrumented = atLeast(deployment.instrumented, reachOfPhases(phases));
  if (deployment.instrumented === instrumented) return deployment;
  terminal.note('a fault needs instruments: what is deployed starts again with them');
  const { interrupt: signal, note: report } = terminal;
  return withAccess(
    await deployLocal(project, plan, { clock: systemClock, signal, report, build: false, instrumented }),
  );
}

/** With `--draw`, the faults that the seed draws from the pool. */
async function drawn(settings: BenchSettings, options: BenchOptions, opened: Bench): Promise<BenchSettings> {
  if (options.draw === undefined) return settings;
  const pool = await faultPool(options, opened);
  const { seed } = settings;
  const faults = drawSchedules(pool, [seed], options.draw, seededRandom(seed)).get(seed) ?? [];
  return settingsOf({ ...options, seed, faults });
}

/** What faults are drawn from: those given, those of the requirements, or every one that can be here. */
export async function faultPool(options: BenchOptions, { plan, deployment }: Bench): Promise<readonly string[]> {
  if (options.faults === 'none') return [];
  const given = options.faults ?? plan.requirements.faults;
  if (given !== undefined) return given;
  const roles = faultRoles(await benchedParts(plan, deployment, patternOf, 1));
  const canStep = findFaketime() !== null;
  return knownFaults(roles).filter((name) => canStep || !name.startsWith('clock:'));
}

async function onKubernetes(options: BenchOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { benchInCluster } = await import('./bench-kubernetes.ts');
  const { parseImages } = await import('./deploy.ts');
  const settings = settingsOf(options);
  const { bench: image } = parseImages(options.image ?? []);
  const { project, registry } = options;
  const order = { project, settings, ...(image ? { image } : {}), ...(registry ? { registry } : {}) };
  terminal.note(`bench in the cluster, seed ${settings.seed}`);
  const benched = await benchInCluster(order, terminal, showProgress(terminal));
  const folder = await writeReport(project, benched.report);
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

export function patternOf(id: string): Pattern {
  const found: Pattern | undefined = catalogue.find((pattern) => pattern.id === id);
  if (found) return found;
  throw new DspError('input.choice', { key: 'pattern', given: id, choices: catalogue.map((pattern) => pattern.id) });
}

function print({ report, judgement }: Benched, folder: string, terminal: Terminal): void {
  for (const line of alignColumns(resultRows(report))) terminal.out(line);
  if (report.capacity !== undefined) for (const line of capacityLines(report.capacity)) terminal.out(line);
  terminal.out('');
  const smoke = judgement.exitCode === 0 && report.verdict !== 'pass' ? ' (smoke run: nothing was violated)' : '';
  terminal.out(`${report.verdict}${smoke}`);
  for (const reason of report.reasons) terminal.out(`  ${reason}`);
  terminal.out(`report: ${join(folder, 'index.html')}`);
  terminal.out(`replay: ${report.replay}`);
}
