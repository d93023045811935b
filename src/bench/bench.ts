/** A bench from plan and deployment to report: load with faults, then invariants, checks and verdict. */

import type { Serving } from '../deploy/deployment.ts';
import { seededRandom } from '../random.ts';
import type { FaultSpec } from '../requirements/faults.ts';
import type { Requirements } from '../requirements/requirements.ts';
import { conclude } from './conclude.ts';
import type { FaultContext } from './faults/fault-course.ts';
import { parsePhase, phaseName, runPhase } from './faults/faults.ts';
import { startControl } from './generator/control.ts';
import type { GeneratorPart } from './generator/generator-protocol.ts';
import { shardsOf } from './hot-shards.ts';
import type { BenchInput, BenchSettings } from './input.ts';
import { type FaultStep, type LoadDeps, type LoadPlan, type Retarget, runLoad } from './load.ts';
import { generatorPart, maxConnections, mostWorkers, readyLoading, timeoutMsOf } from './loading.ts';
import { type Benched, Recording } from './recorded.ts';
import { type OpenResults, runHead } from './results/results.ts';
import { type BenchedPart, checkReachable, defaultFaults, exposedBy, faultRoles } from './system.ts';

/** A thread sends a few tens of thousands of requests a second; a quarter of that leaves the intended times exact. */
const ratePerWorker = 5000;

export interface BenchDeps extends LoadDeps {
  /** Absent: the results are not kept. */
  readonly open?: OpenResults;
}

/**
 * Throws before any load when the deployment, a threshold or a fault is not what it should be (`bench.no-deployment`,
 * `bench.unreachable`, `bench.threshold`, `bench.fault-unknown`). When interrupted, heals what it hit, leaves no thread
 * and throws the signal's reason.
 */
export async function bench(input: BenchInput, deps: BenchDeps): Promise<Benched> {
  const { plan, settings } = input;
  const { requirements } = plan;
  const { parts, loaded } = await readyLoading(input, settings.rateFactor, settings.via);
  const faults = faultSteps(input, parts, deps);
  await checkReachable(loaded);
  const shards = await shardsOf(parts);
  const ratePerSecond = loaded.flatMap(({ offeredLoad }) => Object.values(offeredLoad)).reduce((a, b) => a + b, 0);
  const control = await startControl(requirements, ratePerSecond, settings.seed);
  try {
    const { seed, skew } = settings;
    const ownLoad = ({ offeredLoad }: BenchedPart) => ({ requirements, seed, skew: skew ?? null, offeredLoad });
    const generated = [...loaded.map((part) => generatorPart(part, ownLoad(part))), control.part];
    const recording = new Recording(deps.open);
    const begin = (startMs: number) => {
      recording.begin(runHead(input, loaded, startMs));
      return recording.write;
    };
    const load = loadPlan(settings, requirements, generated, faults, ratePerSecond);
    const result = await runLoad(load, { ...deps, begin });
    recording.write(await conclude({ ...input, parts, loaded, shards, result }));
    return recording.benched();
  } finally {
    await control.stop();
  }
}

function faultSteps(input: BenchInput, parts: readonly BenchedPart[], deps: LoadDeps): readonly FaultStep[] {
  const roles = faultRoles(parts);
  const random = seededRandom(input.settings.seed);
  return faultPhases(input, parts).map((text, i) => {
    const specs = parsePhase(text, roles);
    const streams = specs.map((_, j) => random.fork(j === 0 ? `fault/${i}` : `fault/${i}/${j}`));
    return {
      name: phaseName(specs),
      run: (signal: AbortSignal, retarget: Retarget) =>
        runPhase(specs, (spec, taken) => ({
          ...faultContext(input, parts, spec, deps, retarget),
          random: streams[specs.indexOf(spec)] ?? random,
          taken,
          signal,
        })),
    };
  });
}

/** What the bench breaks: said by a flag, by the requirements, or by nobody. */
function faultPhases({ settings, plan }: BenchInput, parts: readonly BenchedPart[]): readonly string[] {
  return settings.faults ?? plan.requirements.faults ?? defaultFaults(parts);
}

function faultContext(
  input: BenchInput,
  parts: readonly BenchedPart[],
  spec: FaultSpec,
  { clock }: LoadDeps,
  retarget: Retarget,
): Omit<FaultContext, 'random' | 'taken' | 'signal'> {
  const benched = parts.find(({ part }) => part.name === spec.part);
  const { access, rescale } = input;
  const serving = following(input, parts, retarget);
  return {
    access,
    target: benched?.invariants.faultTargets.find(({ role }) => role === spec.role) ?? null,
    rescale: rescale === undefined ? null : (part, what, by) => rescale(part, what, by, serving),
    serving,
    instances: benched?.instances ?? [],
    clock,
    holdMs: holdMs(input.plan.requirements),
  };
}

/** The load follows the services' instances; a client that goes past them follows the engines by itself. */
function following({ plan }: BenchInput, parts: readonly BenchedPart[], retarget: Retarget): Serving {
  const called = parts.filter(({ via }) => via === 'http').map((one) => one.part);
  return async (instances) => {
    const exposed = called.map(({ name }) => [name, exposedBy(plan, name, instances)?.targets ?? []] as const);
    // Where the only one is replaced there is no other to call.
    return retarget(Object.fromEntries(exposed.filter(([, targets]) => targets.length > 0)));
  };
}

/** Longer than the recovery bound: a system that waits for the heal to recover is seen to be late. */
function holdMs({ availability }: Requirements): number {
  return Math.min(60_000, Math.max(3000, 1.2 * availability.recoveryMs + 1000));
}

function loadPlan(
  settings: BenchSettings,
  requirements: Requirements,
  parts: readonly GeneratorPart[],
  faults: readonly FaultStep[],
  ratePerSecond: number,
): LoadPlan {
  const timeoutMs = timeoutMsOf(requirements);
  return {
    parts,
    faults,
    arrivals: settings.arrivals,
    ...(settings.shape && { shape: settings.shape }),
    seed: settings.seed,
    workers: settings.workers ?? Math.min(mostWorkers(), Math.ceil(ratePerSecond / ratePerWorker)),
    warmupMs: settings.warmupMs,
    steadyMs: settings.steadyMs,
    timeoutMs,
    maxConnections,
    // Longer than the time-out: a request that is still waited for counts as not recovered.
    recover: { quietMs: timeoutMs + 1000, maxMs: requirements.availability.recoveryMs + 2 * timeoutMs + 5000 },
  };
}
