/** The two searches as whole runs: from plan and deployment to a report with the capacity, or to measured service times. */

import type { MeasuredTimes } from '../capacity/measured.ts';
import type { ExitCode } from '../errors.ts';
import { seededRandom } from '../random.ts';
import { calibrationRates, fitTimes, observe } from './calibrate.ts';
import { type Benched, conclude } from './conclude.ts';
import { type CapacityReport, type CapacityStep, findCapacity } from './find-capacity.ts';
import type { BenchInput } from './input.ts';
import { predictCapacity } from './machine-model.ts';
import { type Rig, readyRig } from './rig.ts';
import { timesRates, type Window, type WindowDeps } from './window.ts';

export interface SearchDeps extends WindowDeps {
  onStep(step: CapacityStep): void;
  onWindow(done: number, of: number, window: Window): void;
}

export interface TimesUsed {
  readonly measured: MeasuredTimes | null;
  /** Where they are from, or why they are not used. */
  readonly words: string;
}

/** Of a window that counts, and of one that warms the services' code up. */
const searchMs = 4000;
const warmMs = 6000;
/** A service that was just started runs uncompiled code: this share of the predicted capacity warms it up. */
const warmShare = 0.4;

/** Throws as {@link readyRig} does, and the signal's reason when interrupted. */
export async function runCapacity(input: BenchInput, times: TimesUsed, deps: SearchDeps): Promise<Benched> {
  const rig = await readyRig(input, deps, searchMs);
  const model = { ...rig.model, measured: times.measured };
  await warmUp(rig, predictCapacity(model).factor);
  let last: Window | null = null;
  const capacity = await findCapacity({
    model,
    times: times.words,
    clock: deps.clock,
    signal: deps.signal,
    onStep: deps.onStep,
    run: async (factor) => {
      last = await rig.window(timesRates(rig.rates, factor), { whole: false });
      return last;
    },
  });
  const factor = capacity.foundPerSecond === null ? null : capacity.foundPerSecond / capacity.plannedPerSecond;
  const seed = input.settings.seed + 1;
  const shown =
    factor === null ? last : await rig.window(timesRates(rig.rates, factor), { whole: true, seed, leastMs: searchMs });
  return judged(input, rig, capacity, shown as unknown as Window, seed);
}

async function warmUp(rig: Rig, factor: number): Promise<void> {
  await rig.window(timesRates(rig.rates, factor * warmShare), { whole: true, leastMs: warmMs });
}

/** The report is that of a run at the found rate, with its invariants; the verdict is the search's. */
async function judged(
  input: BenchInput,
  { parts, loaded }: Rig,
  capacity: CapacityReport,
  { result }: Window,
  seed: number,
): Promise<Benched> {
  const settings = { ...input.settings, seed };
  const { report } = await conclude({ ...input, settings, parts, loaded, thresholds: [], result });
  const broken = report.invariants.filter(({ verdict }) => verdict === 'violated');
  const short =
    input.deployment.scale === 1 &&
    capacity.foundPerSecond !== null &&
    capacity.foundPerSecond < capacity.plannedPerSecond;
  const verdict =
    broken.length > 0 || short || capacity.verdict === 'none'
      ? 'fail'
      : capacity.verdict === 'inconclusive'
        ? 'inconclusive'
        : 'pass';
  const reasons = [
    ...broken.map(({ part, id, violations, note }) => `invariant ${part}/${id} was violated: ${violations[0] ?? note}`),
    ...(short ? ['the machine carries less than the planned rate'] : []),
    `capacity: ${capacity.because}`,
  ];
  const exitCode: 0 | Extract<ExitCode, 98 | 99> = verdict === 'pass' ? 0 : verdict === 'fail' ? 99 : 98;
  const { seed: first, replay } = input.settings;
  return {
    report: { ...report, seed: first, replay, verdict, reasons, capacity },
    judgement: { verdict, reasons, exitCode },
  };
}

/** Windows that told nothing are asked again, up to so many times as there were windows to begin with. */
const rounds = 2;
const windowMs = 3000;

/** Throws `bench.nothing-measured` when the machine was too busy all along, and else as {@link readyRig} does. */
export async function runCalibration(input: BenchInput, deps: SearchDeps): Promise<MeasuredTimes> {
  const rig = await readyRig(input, deps, windowMs);
  const model = { ...rig.model, measured: null };
  const { factor } = predictCapacity(model);
  await warmUp(rig, factor);
  const roleOf = await rolesOf(rig);
  let waiting = shuffled(calibrationRates(rig.rates, factor), input.settings.seed);
  const observations = [];
  for (let round = 0; round < rounds && waiting.length > 0; round++) {
    const again = [];
    for (const [i, rates] of waiting.entries()) {
      const window = await rig.window(rates, { whole: false });
      deps.onWindow(i + 1, waiting.length, window);
      const observation = observe(window, rig.model, roleOf);
      if (observation === null) again.push(rates);
      else observations.push(observation);
    }
    waiting = again;
  }
  return fitTimes(observations, model, new Date(deps.clock.nowMs()).toISOString().slice(0, 10));
}

/** Instances with a role, as faults find them. */
async function rolesOf({ parts }: Rig): Promise<ReadonlyMap<string, string>> {
  const found = parts.flatMap(({ invariants, instances }) =>
    invariants.faultTargets.map(async ({ role, find }) =>
      (await find(instances)).map((id): [string, string] => [id, role]),
    ),
  );
  return new Map((await Promise.all(found)).flat());
}

/** What changes with time must not look as if it changed with the rate. */
function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  const random = seededRandom(seed).fork('windows');
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
