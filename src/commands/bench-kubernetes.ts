/** dsp bench on Kubernetes: the same run, inside the cluster; and the command that runs there. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bench } from '../bench/bench.ts';
import type { BenchSettings } from '../bench/input.ts';
import type { LoadProgress } from '../bench/load.ts';
import type { Benched } from '../bench/recorded.ts';
import type { OpenResults } from '../bench/results/results.ts';
import { formatLine } from '../bench/results/results-text.ts';
import { type FiledRun, RunFolder } from '../bench/run-folder.ts';
import { systemClock } from '../clock.ts';
import type { Deployment } from '../deploy/deployment.ts';
import { inputPath, reportPath } from '../deploy/kubernetes/bench-objects.ts';
import { type DeploymentRecord, homeOf, readRecord } from '../deploy/kubernetes/home.ts';
import { sha256 } from '../digest.ts';
import { DspError, type ErrorCode, type ExitCode } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import type { Pattern } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import { readPlan } from '../project/state.ts';
import type { Terminal } from '../terminal.ts';
import { outOfScale, podRescaler } from './rescale-pods.ts';

/** What the run is given: the plan as the cluster runs it, the deployment with its secrets, and the settings. */
interface BenchOrder {
  readonly plan: Plan;
  readonly deployment: Deployment;
  readonly settings: BenchSettings;
}

/** What the run leaves: its report, and the results that the report follows from. */
interface Left extends Benched {
  readonly results: string;
}

/** A line of the run's log. */
type Said =
  | { readonly kind: 'progress'; readonly progress: LoadProgress }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly params: unknown };

export interface BenchKubernetes {
  readonly project: string;
  readonly settings: BenchSettings;
  /** Absent: built here and pushed to `registry`. */
  readonly image?: string;
  readonly registry?: string;
}

/** Throws as the bench itself does, and `bench.job-failed` when the cluster does not let it run to its end. */
export async function benchInCluster(
  { project, settings, image, registry }: BenchKubernetes,
  terminal: Terminal,
  onProgress: (progress: LoadProgress) => void,
): Promise<FiledRun> {
  const { kubernetesDeployment } = await import('../deploy/kubernetes/instances.ts');
  const { requireReach } = await import('../deploy/kubernetes/faults.ts');
  const { checkBenchRights } = await import('../deploy/kubernetes/rights.ts');
  const { runInCluster } = await import('../deploy/kubernetes/run-bench.ts');
  const record = deployedRecord(project);
  const plan = atFullScale(await readPlan(project));
  if (plan.requirementsDigest !== record.requirementsDigest) {
    throw new DspError('bench.no-deployment', { project, missing: 'plan.json has changed since it was deployed' });
  }
  const phases = settings.faults ?? plan.requirements.faults ?? [];
  requireReach(phases, outOfScale(plan, phases));
  await checkBenchRights(record, terminal.interrupt);
  const deployment = await kubernetesDeployment(project, record, plan.topology);
  const ready = image ?? (await buildBenchImage(record, registry ?? null, terminal));
  const order: BenchOrder = { plan, deployment, settings };
  const left = await runInCluster({
    record,
    image: ready,
    input: JSON.stringify(order),
    deadlineSeconds: 3600 + Math.ceil((settings.warmupMs + settings.steadyMs) / 1000),
    signal: terminal.interrupt,
    onLine: (line) => hear(line, terminal, onProgress),
  });
  const { results, ...benched } = JSON.parse(left) as Left;
  const files = new RunFolder(project);
  await files.take(results, benched.report.startedAt);
  return { ...benched, folder: await files.finish(benched.report) };
}

function deployedRecord(project: string): DeploymentRecord {
  const record = readRecord(homeOf(project));
  if (record?.settled === true) return record;
  const missing = record === null ? 'nothing is deployed' : 'the last deployment did not come to its end';
  throw new DspError('bench.no-deployment', { project, missing });
}

/** The cluster runs the plan's own topology. */
function atFullScale(plan: Plan): Plan {
  const parts = plan.parts.map((part) => ({ ...part, localSizing: part.sizing }));
  return { ...plan, parts, local: { scale: 1, because: 'the cluster runs it all', topology: plan.topology } };
}

async function buildBenchImage(
  { context }: DeploymentRecord,
  registry: string | null,
  { interrupt: signal, note: report }: Terminal,
): Promise<string> {
  const { withBenchContext } = await import('../deploy/kubernetes/bench-image.ts');
  const { buildAndShip } = await import('../deploy/kubernetes/images.ts');
  const { requireBuilder } = await import('../deploy/kubernetes/builder.ts');
  const builder = await requireBuilder(['bench'], process.env.PATH ?? '', signal);
  report('packing dsp for its image (--image bench=… names one that is there)');
  return withBenchContext(signal, async (folder, tag) => {
    const image = `${registry === null ? '' : `${registry}/`}dsp/bench:${tag}`;
    const dockerfile = join(folder, 'Dockerfile');
    await buildAndShip({ builder, folder, dockerfile, image, registry, context, signal, report });
    return image;
  });
}

function hear(line: string, terminal: Terminal, onProgress: (progress: LoadProgress) => void): void {
  const said = parseSaid(line);
  if (said?.kind === 'error') throw new DspError(said.code, said.params as never);
  if (said === null) terminal.note(line);
  else onProgress(said.progress);
}

function parseSaid(line: string): Said | null {
  try {
    const said = JSON.parse(line) as Said;
    return said.kind === 'progress' || said.kind === 'error' ? said : null;
  } catch {
    return null;
  }
}

/** How long a report waits to be fetched. */
const keepMs = 600_000;

/** Runs in the Job. Ends with a line that says how long the report is, and stays until it was fetched. */
export async function runInJob(
  patternOf: (id: string) => Pattern,
  { interrupt: signal, out, env }: Terminal,
): Promise<0 | ExitCode> {
  const { inClusterApi } = await import('../deploy/kubernetes/in-cluster.ts');
  const { podFaults } = await import('../deploy/kubernetes/faults.ts');
  const { scaleSets } = await import('../deploy/kubernetes/rollout.ts');
  const { plan, deployment, settings } = JSON.parse(readFileSync(inputPath, 'utf8')) as BenchOrder;
  const say = (said: unknown) => out(JSON.stringify(said));
  const api = inClusterApi(env);
  const access = podFaults(api, deployment.instances, systemClock);
  const rescale = podRescaler(plan, (sets) => scaleSets(api, sets, systemClock));
  const onProgress = (progress: LoadProgress) => say({ kind: 'progress', progress });
  try {
    // What else the machine does is not seen from inside a pod: the control tells.
    const lines: string[] = [];
    const open: OpenResults = (head) => {
      lines.push(formatLine(head));
      return (line) => void lines.push(formatLine(line));
    };
    const deps = { clock: systemClock, signal, onProgress, sampleCpu: () => null, open };
    const benched = await bench(
      { plan, deployment, access, rescale, patternOf, settings, dspVersion: packageVersion() },
      deps,
    );
    const text = JSON.stringify({ ...benched, results: lines.join('') } satisfies Left);
    writeFileSync(reportPath, text);
    say({ kind: 'finished', bytes: Buffer.byteLength(text), sha256: sha256(text) });
    await systemClock.sleep(keepMs, signal).catch(() => undefined);
    // Ended because it was fetched: nobody waits for what may still be open.
    return signal.aborted ? 130 : 0;
  } catch (error) {
    if (error instanceof DspError) say({ kind: 'error', code: error.code, params: error.params });
    throw error;
  }
}
