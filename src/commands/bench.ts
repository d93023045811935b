/** `dsp bench`: load the deployment, hit it with faults, and judge it. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { catalogue } from '../../templates/index.ts';
import { bench } from '../bench/bench.ts';
import { drawSchedules, knownFaults } from '../bench/faults/faults.ts';
import { parseRecordedShape, parseShape } from '../bench/generator/shape-text.ts';
import type { BenchInput, BenchSettings } from '../bench/input.ts';
import { sampleProcesses } from '../bench/machine/process-cpu.ts';
import { showProgress } from '../bench/progress.ts';
import { capacityLines } from '../bench/report/report-capacity.ts';
import { shardSummary } from '../bench/report/report-shards.ts';
import { resultRows, scaleLine } from '../bench/report/report-words.ts';
import type { OpenResults } from '../bench/results/results.ts';
import { type FiledRun, fileRun } from '../bench/run-folder.ts';
import { benchedParts, faultRoles } from '../bench/system.ts';
import { systemClock } from '../clock.ts';
import { atLeast, type Deployment } from '../deploy/deployment.ts';
import { deployLocal } from '../deploy/local/deploy.ts';
import { faultAccess } from '../deploy/local/faults.ts';
import { findFaketime } from '../deploy/local/find-instruments.ts';
import { readDeployment } from '../deploy/local/registry.ts';
import { withAccess } from '../deploy/local/secrets.ts';
import { findCompiler } from '../deploy/local/synced.ts';
import { DspError, type ExitCode } from '../errors.ts';
import { parseSkew, skewText } from '../key-skew.ts';
import { packageVersion } from '../package-root.ts';
import type { Pattern } from '../pattern.ts';
import { parsePlan } from '../plan/file.ts';
import type { Plan } from '../plan/plan.ts';
import { freshSeed, seededRandom } from '../random.ts';
import { reachOfPhases } from '../requirements/faults.ts';
import { alignColumns, type Terminal } from '../terminal.ts';
import type { BenchOptions } from './bench-options.ts';
import { rescaler } from './rescale.ts';
import { chosenTarget } from './target.ts';

/** What a bench runs on: the deployment, and the plan that it follows. */
export interface Bench {
  readonly plan: Plan;
  readonly deployment: Deployment;
}

/** 0 pass, 99 fail, 98 inconclusive or invalid; throws as {@link bench} does. */
export async function runBench(options: BenchOptions, terminal: Terminal): Promise<0 | ExitCode> {
  refuseVia(options);
  if (chosenTarget(options) === 'kubernetes') return onKubernetes(options, terminal);
  const opened = await openBench(options.project);
  if (options.calibrate === true) {
    const { runCalibrate } = await import('./bench-capacity.ts');
    return runCalibrate(inputOf(options.project, opened, settingsOf(options)), options, terminal);
  }
  const settings = await drawn(settingsOf(options), options, opened);
  const { plan, deployment } = opened;
  terminal.note(`bench of ${plan.requirements.name} at ${scaleLine(deployment.scale)}, seed ${settings.seed}`);
  const run = await (options.findCapacity === true ? searchOnce : benchOnce)(
    options.project,
    opened,
    settings,
    terminal,
  );
  return printRun(run, options, terminal);
}

/** Predictions and service times are those of the way through the services, and in a cluster the engines let no bench in. */
function refuseVia(options: BenchOptions): void {
  if ((options.via ?? 'http') === 'http') return;
  const problem = (text: string) => new DspError('bench.load', { flag: 'via', problem: text });
  if (options.findCapacity === true || options.calibrate === true) {
    throw problem('a capacity or a service time is that of the services');
  }
  if (chosenTarget(options) === 'kubernetes') throw problem('it works on the local target');
}

async function searchOnce(
  project: string,
  opened: Bench,
  settings: BenchSettings,
  terminal: Terminal,
): Promise<FiledRun> {
  const { runSearch } = await import('./bench-capacity.ts');
  const replay = `dsp bench --find-capacity --seed ${settings.seed}`;
  const input = inputOf(project, opened, { ...settings, replay });
  return fileRun(project, (open) => runSearch(input, project, open, terminal), cutNote(terminal));
}

/** What a run that was cut leaves. */
function cutNote(terminal: Terminal): (folder: string) => void {
  return (folder) => terminal.note(`what was measured until then: dsp bench report ${basename(folder)}`);
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
): Promise<FiledRun> {
  const phases = settings.faults ?? plan.requirements.faults ?? [];
  const deployment = await withInstruments(project, plan, found, phases, terminal);
  const input = { ...inputOf(project, { plan, deployment }, settings), rescale: rescaler(project, plan) };
  const deps = {
    clock: systemClock,
    signal: terminal.interrupt,
    onProgress: showProgress(terminal),
    sampleCpu: () => sampleProcesses(deployment.root),
  };
  return fileRun(project, (open: OpenResults) => bench(input, { ...deps, open }), cutNote(terminal));
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
  const canTell = findCompiler(process.env.PATH ?? '') !== null;
  const isHad = (name: string) => (canStep || !name.startsWith('clock:')) && (canTell || !name.startsWith('power:'));
  return knownFaults(roles).filter(isHad);
}

async function onKubernetes(options: BenchOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { benchInCluster } = await import('./bench-kubernetes.ts');
  const { parseImages } = await import('./deploy.ts');
  const settings = settingsOf(options);
  const { bench: image } = parseImages(options.image ?? []);
  const { project, registry } = options;
  const order = { project, settings, ...(image ? { image } : {}), ...(registry ? { registry } : {}) };
  terminal.note(`bench in the cluster, seed ${settings.seed}`);
  const run = await benchInCluster(order, terminal, showProgress(terminal));
  return printRun(run, options, terminal);
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
    ...(options.via !== undefined && options.via !== 'http' && { via: options.via }),
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
  const { faults, workers, rateFactor, smoke, skew, via } = settings;
  return [
    `dsp bench --seed ${settings.seed} --duration ${settings.steadyMs / 1000} --warmup ${settings.warmupMs / 1000}`,
    `--arrivals ${settings.arrivals}`,
    ...(shape === 'steady' ? [] : [`--shape ${shape}`]),
    ...(!skew ? [] : [`--skew ${skewText(skew)}`]),
    ...(via === undefined ? [] : [`--via ${via}`]),
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

/** The exit code of the verdict. */
export function printRun(run: FiledRun, { json }: { readonly json: boolean }, terminal: Terminal): 0 | ExitCode {
  if (json) terminal.json({ ...run.report, folder: run.folder });
  else print(run, terminal);
  return run.judgement.exitCode;
}

function print({ report, judgement, folder }: FiledRun, terminal: Terminal): void {
  for (const line of alignColumns(resultRows(report))) terminal.out(line);
  if (report.capacity !== undefined) for (const line of capacityLines(report.capacity)) terminal.out(line);
  for (const line of shardSummary(report)) terminal.out(line);
  terminal.out('');
  const smoke = judgement.exitCode === 0 && report.verdict !== 'pass' ? ' (smoke run: nothing was violated)' : '';
  terminal.out(`${report.verdict}${smoke}`);
  for (const reason of report.reasons) terminal.out(`  ${reason}`);
  terminal.out(`report: ${join(folder, 'index.html')}`);
  terminal.out(`replay: ${report.replay}`);
}
