/** Carrying out the steps, with the record ahead of every start. */

import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { attempt } from '../../project/files.ts';
import { runLogged } from './command.ts';
import type { Step } from './order.ts';
import { markerOf, type Paths } from './paths.ts';
import { inheritedEnv, sendSignal, startInstance, stopProcesses } from './process.ts';
import { lastLines, waitReady } from './ready.ts';
import {
  type InstanceRecord,
  type ProcessRecord,
  processOf,
  type RunState,
  writeState,
  writeWhole,
} from './registry.ts';
import { digestOf, type InstanceSpec, type JobSpec, type Resolution } from './resolve.ts';
import { handOver } from './secrets.ts';

/** A deployment under way; `state` is what the disk holds. */
export interface Run {
  readonly paths: Paths;
  state: RunState;
  readonly resolution: Resolution;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
  /** Started, and not waited for yet. */
  readonly launched: Set<string>;
  /** Told of who may be called: when others have become ready, and before these are stopped. */
  readonly serving: (run: Run, stopping: readonly string[]) => Promise<void>;
}

/** Afterwards the state is settled. Throws `deploy.died`, `deploy.not-ready`, `deploy.job-failed`, or when aborted. */
export async function carryOut(run: Run, steps: readonly Step[]): Promise<void> {
  const due = steps.flatMap((step) => (step.kind === 'job' ? [step.job] : []));
  if (steps.length > 0) await record(run, { settled: false, jobs: unfinished(run, due) });
  for (const step of steps) {
    run.signal.throwIfAborted();
    await carryOutStep(run, step);
  }
  await record(run, { settled: true, instances: refreshed(run), jobs: wantedJobs(run) });
}

async function carryOutStep(run: Run, step: Step): Promise<void> {
  switch (step.kind) {
    case 'start':
      run.report(`starting ${listed(step.instances)}`);
      await start(run, step.instances);
      return run.serving(run, []);
    case 'launch':
      run.report(`starting ${listed(step.instances)}`);
      for (const id of step.instances) run.launched.add(id);
      return launch(run, step.instances);
    case 'await':
      run.report(`waiting for ${listed(step.instances)}`);
      await awaitReady(run, step.instances);
      for (const id of step.instances) run.launched.delete(id);
      return run.serving(run, []);
    case 'restart':
      run.report(`restarting ${step.instance}`);
      await run.serving(run, [step.instance]);
      await stop(run, [step.instance]);
      await start(run, [step.instance]);
      return run.serving(run, []);
    case 'job':
      run.report(`running ${step.job}`);
      return runJob(run, step.job, step.leaving);
    case 'stop':
      run.report(`stopping ${listed(step.instances)}`);
      await run.serving(run, step.instances);
      return remove(run, step.instances);
  }
}

/** Writes the state with some of it replaced, when that makes a difference. */
async function record(run: Run, change: Partial<RunState>): Promise<void> {
  const next = { ...run.state, ...change };
  if (JSON.stringify(next) === JSON.stringify(run.state)) return;
  await writeState(run.paths, next);
  run.state = next;
}

async function recordInstances(run: Run, records: readonly InstanceRecord[]): Promise<void> {
  const changed = Object.fromEntries(records.map((one) => [one.spec.id, one]));
  await record(run, { instances: { ...run.state.instances, ...changed } });
}

/** The wanted specification, or for one that is leaving the recorded one. */
function specOf(run: Run, id: string): InstanceSpec {
  const spec = run.resolution.instances.find((wanted) => wanted.id === id) ?? run.state.instances[id]?.spec;
  if (spec === undefined) throw new Error(`no specification of ${id}`);
  return spec;
}

async function start(run: Run, ids: readonly string[]): Promise<void> {
  await launch(run, ids);
  await awaitReady(run, ids);
}

async function launch(run: Run, ids: readonly string[]): Promise<void> {
  const specs = ids.map((id) => specOf(run, id));
  await attempt(run.paths.logsDir, async () => mkdirSync(run.paths.logsDir, { recursive: true }));
  const asRecord = (spec: InstanceSpec, process: ProcessRecord | null) => ({
    spec,
    digest: digestOf(spec),
    process,
    drained: false,
  });
  await discardData(specs.filter(({ id }) => run.state.instances[id]?.drained === true));
  await recordInstances(
    run,
    specs.map((spec) => asRecord(spec, null)),
  );
  const started = await Promise.allSettled(specs.map((spec) => startInstance(run.paths, spec, run.clock)));
  // Those that did start are recorded before the first failure is told.
  await recordInstances(
    run,
    specs.map((spec, i) => asRecord(spec, started[i]?.status === 'fulfilled' ? started[i].value : null)),
  );
  for (const one of started) if (one.status === 'rejected') throw one.reason;
}

/** All at once; the first that fails ends the waiting for the others. */
async function awaitReady(run: Run, ids: readonly string[]): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([run.signal, failed.signal]);
  const waits = ids.map(async (id) => {
    const { spec, process } = run.state.instances[id] as InstanceRecord;
    if (process === null) throw new Error(`${id} was not started`);
    sendSignal(process, 'SIGCONT');
    try {
      await waitReady(spec, process, run.clock, signal);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(waits);
  run.signal.throwIfAborted();
  if (results.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
}

async function stop(run: Run, ids: readonly string[]): Promise<void> {
  const targets = ids.flatMap((id) => {
    const process = processOf(run.state.instances[id]);
    return process === null ? [] : [{ process, stop: (run.state.instances[id] as InstanceRecord).spec.stop }];
  });
  await stopProcesses(targets, run.clock);
  await recordInstances(
    run,
    ids.flatMap((id) => (run.state.instances[id] ? [{ ...run.state.instances[id], process: null }] : [])),
  );
}

/**
 * Stops instances for good. Where their set goes on, its other members have taken over what they held, and their data
 * would be wrong if the set grew again; the data of a set that is no longer wanted stays until `dsp destroy`.
 */
async function remove(run: Run, ids: readonly string[]): Promise<void> {
  const records = ids.flatMap((id) => run.state.instances[id] ?? []);
  const specs = records.map(({ spec }) => spec);
  await recordInstances(
    run,
    records.map((one) => ({ ...one, drained: true })),
  );
  await stop(run, ids);
  const remaining = new Set(run.resolution.instances.map(({ set }) => set));
  await discardData(specs.filter(({ set }) => remaining.has(set)));
  const without = <V>(all: Readonly<Record<string, V>>) =>
    Object.fromEntries(Object.entries(all).filter(([id]) => !ids.includes(id)));
  const gone = new Set(specs.flatMap(({ reserved }) => reserved));
  const ports = without(run.state.ports);
  await writeWhole(run.paths.portsPath, `${JSON.stringify(ports)}\n`);
  await record(run, {
    instances: without(run.state.instances),
    ports,
    reserved: run.state.reserved.filter((port) => !gone.has(port)),
  });
}

async function discardData(specs: readonly InstanceSpec[]): Promise<void> {
  for (const { cwd } of specs) await attempt(cwd, async () => rmSync(cwd, { recursive: true, force: true }));
}

const shownLines = 20;

async function runJob(run: Run, id: string, leaving: readonly string[]): Promise<void> {
  const job = run.resolution.jobs.find((wanted) => wanted.id === id);
  if (job === undefined) throw new Error(`no specification of ${id}`);
  await attempt(job.cwd, async () => {
    mkdirSync(job.cwd, { recursive: true });
    mkdirSync(run.paths.logsDir, { recursive: true });
  });
  const from = existsSync(job.logPath) ? statSync(job.logPath).size : 0;
  const reason = await runLogged({
    command: job.command,
    args: job.args,
    cwd: job.cwd,
    env: {
      ...inheritedEnv(process.env),
      ...markerOf(run.paths),
      ...job.env,
      ...(await handOver(run.paths, job)),
      ...leavingEnv(run, job, leaving),
    },
    logPath: job.logPath,
    signal: run.signal,
    timeoutMs: job.timeoutMs,
  });
  if (reason !== null) {
    const lines = lastLines(job.logPath, shownLines, from);
    throw new DspError('deploy.job-failed', { job: id, reason, lines }, { where: job.logPath });
  }
  await record(run, { jobs: { ...run.state.jobs, [id]: { digest: digestOf(job), done: true } } });
}

function leavingEnv(run: Run, job: JobSpec, leaving: readonly string[]): Readonly<Record<string, string>> {
  if (job.leavingEnv === null) return {};
  const { name, port } = job.leavingEnv;
  const addresses = leaving.map((id) => {
    const { host, ports, reached } = specOf(run, id);
    return `${host}:${reached?.[port] ?? ports[port]}`;
  });
  return { [name]: addresses.join(',') };
}

/** Jobs that must run again are marked before anything that they depend on changes. */
function unfinished(run: Run, due: readonly string[]): RunState['jobs'] {
  const before = run.state.jobs;
  return { ...before, ...Object.fromEntries(due.map((id) => [id, { digest: before[id]?.digest ?? '', done: false }])) };
}

/** Specifications whose change needed no restart (a longer grace) are taken over. */
function refreshed(run: Run): RunState['instances'] {
  const instances = run.resolution.instances.map((spec) => {
    const current = run.state.instances[spec.id] as InstanceRecord;
    return [spec.id, { ...current, spec, digest: digestOf(spec) }] as const;
  });
  return Object.fromEntries(instances);
}

function wantedJobs(run: Run): RunState['jobs'] {
  return Object.fromEntries(
    run.resolution.jobs.flatMap(({ id }) => (run.state.jobs[id] ? [[id, run.state.jobs[id]]] : [])),
  );
}

function listed(ids: readonly string[]): string {
  return ids.length <= 4 ? ids.join(', ') : `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more`;
}
