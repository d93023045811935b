/** A running deployment made ready for windows of load: who is called, how often, and by how many threads. */

import type { BenchInput } from '../input.ts';
import type { LoadDeps } from '../load.ts';
import { mostWorkers, readyLoading } from '../loading.ts';
import { cpuBetween } from '../machine/process-cpu.ts';
import { type BenchedPart, checkReachable } from '../system.ts';
import type { ModelInput } from './machine-model.ts';
import { type Rates, runWindow, sumRates, type Window, windowMs } from './window.ts';

export interface Rig {
  readonly parts: readonly BenchedPart[];
  readonly loaded: readonly BenchedPart[];
  /** As planned, at the deployment's scale. */
  readonly rates: Rates;
  readonly workers: number;
  /** The parts as the prediction sees them. */
  readonly model: Omit<ModelInput, 'measured'>;
  /** `whole`: fills the part first and reads it back after. */
  window(
    rates: Rates,
    options: { readonly whole: boolean; readonly seed?: number; readonly leastMs?: number },
  ): Promise<Window>;
}

const warmupMs = 1000;
const longestMs = 20_000;
/** Others may use this share of the machine when a window begins. */
const quietShare = 0.12;

/** Throws as a bench does before its load: `bench.no-deployment`, `bench.unreachable`, `bench.threshold`. */
export async function readyRig(input: BenchInput, deps: LoadDeps, leastMs: number): Promise<Rig> {
  const { plan, settings, patternOf } = input;
  const { requirements } = plan;
  const { parts, loaded, thresholds } = await readyLoading(input, 1);
  await checkReachable(loaded);
  const rates: Rates = Object.fromEntries(loaded.map(({ part, offeredLoad }) => [part.name, offeredLoad]));
  const workers = settings.workers ?? mostWorkers();
  return {
    parts,
    loaded,
    rates,
    workers,
    model: { parts: parts.map(({ part }) => ({ part, pattern: patternOf(part.pattern) })), plan, rates, workers },
    window: async (offered, { whole, seed = settings.seed, leastMs: least = leastMs }) => {
      await untilQuiet(deps);
      return runWindow(
        {
          ...{ loaded, rates: offered, requirements, thresholds, seed, workers, whole },
          arrivals: settings.arrivals,
          skew: settings.skew ?? null,
          warmupMs,
          steadyMs: windowMs(sumRates(offered), thresholds, [least, longestMs]),
        },
        deps,
      );
    },
  };
}

const lookMs = 400;
const patienceMs = 20_000;

/** Waits while others use the machine, but not for ever: what they then spoil is told by the window itself. */
async function untilQuiet({ clock, signal, sampleCpu }: LoadDeps): Promise<void> {
  const until = clock.monotonicMs() + patienceMs;
  while (clock.monotonicMs() < until) {
    const before = sampleCpu();
    await clock.sleep(lookMs, signal);
    const seen = cpuBetween(before, sampleCpu());
    if (seen === null || seen.foreignShare <= quietShare) return;
  }
}
