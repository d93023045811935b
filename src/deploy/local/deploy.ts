/** The local target: a plan's local topology, as processes on this machine that outlive dsp. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import type { Topology } from '../../pattern.ts';
import { bundlesOf } from '../../plan/bundles.ts';
import type { Plan } from '../../plan/plan.ts';
import { hash32 } from '../../random.ts';
import type { Deployment, Instance, Instrumentation, Serving } from '../deployment.ts';
import { findEngines } from '../engines.ts';
import { clearAway, lockProject, stopEverything, stopStrays } from './destroy.ts';
import { carryOut, type Run } from './execute.ts';
import { findInstruments } from './find-instruments.ts';
import { leavingNeeds, proxyId, proxyNeeds, proxySet, routesOf } from './instruments.ts';
import { type Current, planSteps, type Wanted } from './order.ts';
import { type Paths, pathsOf } from './paths.ts';
import { allocatePorts, isPortFree, type PortMap, type PortNeed, portNeeds, portRange, reservedWith } from './ports.ts';
import { ephemeralPortStart, requireProcfs } from './procfs.ts';
import { openProxy } from './proxy/client.ts';
import { routesFile } from './proxy/files.ts';
import { probe } from './ready.ts';
import {
  deploymentOf,
  processOf,
  type RunState,
  readKeptPorts,
  readState,
  writeState,
  writeWhole,
} from './registry.ts';
import { withReservations } from './reservations.ts';
import { bundlePath, digestOf, type Resolution, resolveTopology } from './resolve.ts';
import { readyLocalSecrets } from './secrets.ts';
import { withSidecarSets } from './sidecars.ts';

export interface DeployLocalOptions {
  readonly clock: Clock;
  /** Aborted by Ctrl-C: a first deployment is taken back, a later one stays as far as it came. */
  readonly signal: AbortSignal;
  /** One line for people about what happens now. */
  readonly report: (line: string) => void;
  /** False when the bundles are known to be there. */
  readonly build: boolean;
  /**
   * Told of the instances that run and may be called: when some have become ready, and before some are stopped, which waits
   * for it. What it does is what a Service does when its members change.
   */
  readonly serving?: Serving;
  /** What faults may reach. Absent: as it is now, at first `none`. */
  readonly instrumented?: Instrumentation;
}

/**
 * Makes what runs for the project at `root` what `plan.local` describes, and changes nothing else. Resolves when
 * everything is ready. Throws `env.*` before anything is started, `deploy.*` when something does not start.
 */
export async function deployLocal(root: string, plan: Plan, options: DeployLocalOptions): Promise<Deployment> {
  requireProcfs();
  const paths = pathsOf(root);
  const { clock, signal, report } = options;
  const lock = await lockProject(paths, 'dsp deploy', clock, signal, report);
  try {
    const before = readState(paths);
    await stopStrays(paths, sessionsOf(before), clock);
    const topology = withSidecarSets(plan.local.topology);
    return await deployLocked(paths, { ...plan, local: { ...plan.local, topology } }, before, options);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    await lock.release();
  }
}

/** Whether a process is one that the record knows, or was forked by one. */
function sessionsOf(state: RunState | null): (process: { readonly session: number }) => boolean {
  const sessions = new Set(Object.values(state?.instances ?? {}).map((record) => processOf(record)?.pid));
  return ({ session }) => sessions.has(session);
}

async function deployLocked(
  paths: Paths,
  plan: Plan,
  before: RunState | null,
  options: DeployLocalOptions,
): Promise<Deployment> {
  const { clock, signal, report } = options;
  const { topology } = plan.local;
  // What a missing engine would stop must not be built first.
  const engines = await findEngines(enginesOf(topology), process.env.PATH ?? '');
  if (options.build) {
    const { buildProject } = await import('../build.ts');
    await buildProject(paths, { outputs: bundlesOf(topology).map(bundlePath), signal, report });
  }
  const keepData = existsSync(paths.dataDir);
  const level = options.instrumented ?? before?.instrumented ?? 'none';
  const instruments = findInstruments(level, paths.runDir);
  const digests = digestsOf(paths, topology);
  try {
    const reserved = await reservePorts(paths, plan, before, level, clock, signal);
    const node = { path: process.execPath, version: process.version };
    const secrets = await readyLocalSecrets(paths, topology.secrets ?? [], clock.nowMs());
    const inputs = { paths, topology, ports: reserved.ports, engines, node, digests, secrets, instruments };
    const resolution = resolveTopology(inputs);
    await tellRoutes(reserved, resolution);
    const serving = async (run: Run, stopping: readonly string[]) =>
      options.serving?.(membersOf(run.state, [...stopping, ...run.launched]));
    const run: Run = { launched: new Set(), paths, state: reserved, resolution, clock, signal, report, serving };
    await carryOut(run, planSteps(wantedOf(topology, resolution, instruments !== null), await currentOf(reserved)));
    return deploymentOf(run.state);
  } catch (error) {
    await settleFailure(paths, before, keepData, options);
    throw error;
  }
}

function membersOf(state: RunState, uncallable: readonly string[]): readonly Instance[] {
  const runs = (id: string) => processOf(state.instances[id]) !== null && !uncallable.includes(id);
  return deploymentOf(state).instances.filter(({ id }) => runs(id));
}

const takeBackGraceMs = 3_000;

/**
 * After a failure or Ctrl-C: a first deployment leaves its logs and nothing else; one that found nothing running stops
 * what it started; a change of what ran leaves it as far as it came, and the next deployment goes on from there.
 */
async function settleFailure(
  paths: Paths,
  before: RunState | null,
  keepData: boolean,
  { clock, report }: DeployLocalOptions,
): Promise<void> {
  if (before !== null && Object.values(before.instances).some((record) => processOf(record) !== null)) {
    report('what runs goes on running: `dsp status` shows it, `dsp deploy` goes on, `dsp destroy` stops it');
    return;
  }
  report('stopping what was started');
  const hurry = AbortSignal.timeout(takeBackGraceMs);
  const state = readState(paths);
  if (before === null) await clearAway(paths, state, { keepData, keepLogs: true, clock, signal: hurry });
  else await stopEverything(paths, state, clock, hurry);
}

function enginesOf(topology: Topology): readonly string[] {
  return topology.processSets.flatMap(({ program }) => (program.kind === 'engine' ? [program.program] : []));
}

function digestsOf(paths: Paths, topology: Topology): Readonly<Record<string, string>> {
  const read = new Map(bundlesOf(topology).map((bundle) => [bundlePath(bundle), 'a service']));
  for (const set of topology.processSets) for (const { path } of set.files) read.set(path, set.id);
  return Object.fromEntries(
    [...read].map(([path, reader]) => {
      const absolute = join(paths.root, path);
      if (!existsSync(absolute)) throw new DspError('deploy.file-missing', { path, reader });
      return [path, sha256(readFileSync(absolute))];
    }),
  );
}

/** The state with a port for each need, written while no other project can choose. */
async function reservePorts(
  paths: Paths,
  plan: Plan,
  before: RunState | null,
  instrumented: Instrumentation,
  clock: Clock,
  signal: AbortSignal,
): Promise<RunState> {
  const { topology } = plan.local;
  const needs = [...portNeeds(topology), ...(instrumented === 'none' ? [] : proxyPorts(topology, before))];
  const { requirementsDigest } = plan;
  const named = { name: plan.requirements.name, scale: plan.local.scale, requirementsDigest, instrumented };
  const isNamed =
    before?.root === paths.root &&
    before.name === named.name &&
    before.scale === named.scale &&
    (before.instrumented ?? 'none') === instrumented &&
    before.requirementsDigest === requirementsDigest;
  if (isNamed && holdsAll(before, needs)) return before;
  return withReservations(paths, clock, signal, async (takenByOthers) => {
    const wanted = new Set(needs.map(({ instance }) => instance));
    const leaving = Object.values(before?.instances ?? {}).filter(({ spec }) => !wanted.has(spec.id));
    const kept = leaving.flatMap(({ spec }) => spec.reserved);
    const ports = await allocatePorts({
      needs,
      range: portRange(ephemeralPortStart()),
      start: hash32(paths.root),
      taken: new Set([...takenByOthers, ...kept]),
      held: heldPorts(before),
      preferred: before?.ports ?? readKeptPorts(paths),
      isFree: isPortFree,
    });
    const state: RunState = {
      schemaVersion: 1,
      root: paths.root,
      ...named,
      settled: false,
      ports: { ...Object.fromEntries(leaving.map(({ spec }) => [spec.id, spec.ports])), ...ports },
      reserved: [
        ...kept,
        ...needs.flatMap((need) => reservedWith(ports[need.instance]?.[need.name] ?? 0, need.alsoReserveOffset)),
      ],
      instances: before?.instances ?? {},
      jobs: before?.jobs ?? {},
    };
    await writeState(paths, state);
    await writeWhole(paths.portsPath, `${JSON.stringify(state.ports)}\n`);
    return state;
  });
}

/** Also of those that leave, which must be reached until they have handed over what they hold. */
function proxyPorts(topology: Topology, before: RunState | null): readonly PortNeed[] {
  const needs = proxyNeeds(topology);
  const staying = new Set(needs.map(({ name }) => name));
  const all = leavingNeeds(before?.ports ?? {}, Object.keys(before?.instances ?? {}));
  return [...needs, ...all.filter(({ name }) => !staying.has(name))];
}

/** A proxy that runs is told at once; one that is to start reads them. */
async function tellRoutes(state: RunState, resolution: Resolution): Promise<void> {
  const spec = resolution.instances.find(({ id }) => id === proxyId);
  if (spec === undefined) return;
  const sets = new Map([
    ...Object.values(state.instances).map(({ spec: known }) => [known.id, known.set] as const),
    ...resolution.instances.map(({ id, set }) => [id, set] as const),
  ]);
  const routes = routesOf(state.ports, (instance) => sets.get(instance));
  await writeWhole(join(spec.cwd, routesFile), JSON.stringify(routes));
  if (processOf(state.instances[proxyId]) === null) return;
  // One that does not answer is found unready, and waited for or said to have died.
  const control = await openProxy(spec).catch(() => null);
  await control?.setRoutes(routes).catch(() => {});
  control?.close();
}

/** Whether every need has its port and a running process that holds it. */
function holdsAll(state: RunState, needs: ReturnType<typeof portNeeds>): boolean {
  const held = heldPorts(state);
  return needs.every(({ instance, name }) => held[instance]?.[name] !== undefined);
}

function heldPorts(state: RunState | null): PortMap {
  const records = Object.values(state?.instances ?? {});
  return Object.fromEntries(
    records.filter((record) => processOf(record) !== null).map(({ spec }) => [spec.id, spec.ports]),
  );
}

function wantedOf(topology: Topology, resolution: Resolution, instrumented: boolean): Wanted {
  const jobDigests = new Map(resolution.jobs.map((job) => [job.id, digestOf(job)]));
  return {
    sets: instrumented
      ? [
          { id: proxySet, dependsOn: [] },
          ...topology.processSets.map(({ id, dependsOn }) => ({ id, dependsOn: [...dependsOn, proxySet] })),
        ]
      : topology.processSets,
    instances: resolution.instances.map((spec) => ({ id: spec.id, set: spec.set, digest: digestOf(spec) })),
    jobs: topology.jobs.map(({ id, dependsOn, dependantsWait, leavingEnv }) => ({
      id,
      dependsOn,
      digest: jobDigests.get(id) ?? '',
      drains: leavingEnv?.set ?? null,
      dependantsWait: dependantsWait === true,
    })),
  };
}

async function currentOf(state: RunState): Promise<Current> {
  const instances = Object.values(state.instances).map(async (record) => {
    const { id, set } = record.spec;
    const process = processOf(record);
    const known = { id, set, digest: record.digest, drained: record.drained };
    if (process === null) return { ...known, state: 'dead' as const };
    const ready = process.state === 'running' && (await probe(record.spec.readiness)) === null;
    return { ...known, state: ready ? ('ready' as const) : ('unready' as const) };
  });
  const jobs = Object.entries(state.jobs).map(([id, job]) => ({ id, ...job }));
  return { instances: await Promise.all(instances), jobs };
}
