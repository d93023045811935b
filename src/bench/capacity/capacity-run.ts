/** The two searches as whole runs: from plan and deployment to a report with the capacity, or to measured service times. */

import { type BusyPoint, increasing } from '../../capacity/busy-curve.ts';
import type { MeasuredTimes } from '../../capacity/measured.ts';
import { seededRandom, shuffled } from '../../random.ts';
import { conclude } from '../conclude.ts';
import type { BenchInput } from '../input.ts';
import type { LoadDeps } from '../load.ts';
import { type Benched, Recording } from '../recorded.ts';
import type { CapacityStep } from '../report.ts';
import { type LoadLine, type OpenResults, runHead } from '../results/results.ts';
import { busyPoint, fitTimes, type Observation, observe, observeNearLimits } from './calibrate.ts';
import { findCapacity, searchHead } from './find-capacity.ts';
import { predictCapacity } from './machine-model.ts';
import { type Rig, readyRig } from './rig.ts';
import { type Rates, timesRates, type Window } from './window.ts';

export interface SearchDeps extends LoadDeps {
  onStep(step: CapacityStep): void;
  onWindow(done: number, window: Window): void;
  /** Absent: the results are not kept. */
  readonly open?: OpenResults;
}

export interface TimesUsed {
  readonly measured: MeasuredTimes | null;
  /** Where they are from, or why they are not used. */
  readonly words: string;
  /** CPU time of a visit here ÷ where the priors were measured. */
  readonly slowness: number;
}

/** Of a window that counts (one stall of 40 ms decides the p99 of 4 s), and of one that warms the services' code up. */
const searchMs = 8000;
const warmMs = 20_000;
/** A service that was just started runs uncompiled code: this share of the predicted capacity warms it up. */
const warmShare = 0.4;

/**
 * The report is that of a run at the found rate, with its invariants; the verdict is the search's. Throws as
 * {@link readyRig} does, and the signal's reason when interrupted.
 */
export async function runCapacity(input: BenchInput, times: TimesUsed, deps: SearchDeps): Promise<Benched> {
  const shownLines = latestLines();
  const rig = await readyRig(input, { ...deps, begin: shownLines.begin }, searchMs);
  const model = { ...rig.model, measured: times.measured, slowness: times.slowness };
  const recording = new Recording(deps.open);
  const search = searchHead({ model, times: times.words });
  recording.begin({ ...runHead(input, rig.loaded, deps.clock.nowMs()), search });
  await warmUp(rig, predictCapacity(model).factor);
  let last: Window | null = null;
  const { steps, ...capacity } = await findCapacity({
    model,
    times: times.words,
    clock: deps.clock,
    signal: deps.signal,
    onStep: (step) => {
      recording.write({ kind: 'step', step });
      deps.onStep(step);
    },
    run: async (factor) => {
      last = await rig.window(timesRates(rig.rates, factor), { whole: false });
      return last;
    },
  });
  recording.write({ kind: 'capacity', capacity });
  const { foundPerSecond, plannedPerSecond } = capacity;
  const factor = foundPerSecond === null ? null : foundPerSecond / plannedPerSecond;
  const seed = input.settings.seed + 1;
  const shown =
    factor === null ? last : await rig.window(timesRates(rig.rates, factor), { whole: true, seed, leastMs: searchMs });
  for (const line of shownLines.lines()) recording.write(line);
  const { result } = shown as unknown as Window;
  recording.write(await conclude({ ...input, parts: rig.parts, loaded: rig.loaded, result }));
  return recording.benched();
}

/** What the latest window measured: only one of a search is shown, and which is known in the end. */
function latestLines() {
  let latest: LoadLine[] = [];
  return {
    begin: () => {
      const lines: LoadLine[] = [];
      latest = lines;
      return (line: LoadLine) => void lines.push(line);
    },
    lines: (): readonly LoadLine[] => latest,
  };
}

async function warmUp(rig: Rig, factor: number): Promise<void> {
  await rig.window(timesRates(rig.rates, factor * warmShare), { whole: true, leastMs: warmMs });
}

const windowMs = 6000;

/** Throws `bench.nothing-measured` when the machine was too busy all along, and else as {@link readyRig} does. */
export async function runCalibration(input: BenchInput, deps: SearchDeps): Promise<MeasuredTimes> {
  const rig = await readyRig(input, deps, windowMs);
  const model = { ...rig.model, measured: null };
  await warmUp(rig, predictCapacity(model).factor);
  const roleOf = await rolesOf(rig);
  const points: BusyPoint[] = [];
  let done = 0;
  const measure = async (rates: Rates): Promise<Observation | null> => {
    const window = await rig.window(rates, { whole: false });
    done++;
    deps.onWindow(done, window);
    const point = busyPoint(window);
    if (point !== null) points.push(point);
    return observe(window, rig.model, roleOf);
  };
  // What changes with time must not look as if it changed with the rate.
  const random = seededRandom(input.settings.seed).fork('windows');
  const observations = await observeNearLimits(rig.model, measure, (windows) => shuffled(windows, random));
  const times = fitTimes(observations, model, new Date(deps.clock.nowMs()).toISOString().slice(0, 10));
  return { ...times, busyCurve: increasing(points) };
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
