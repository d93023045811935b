/**
 * `dsp bench --find-capacity`: the highest rate that meets every objective on this machine, beside the rate that was
 * predicted for it. Short windows on one deployment; what the generator or other programs spoilt tells nothing and is
 * asked again.
 */

import { availableParallelism } from 'node:os';
import type { Capacity } from '../../capacity/machine-capacity.ts';
import type { Clock } from '../../clock.ts';
import type { CapacityReport, CapacityStep } from '../report.ts';
import type { SearchHead } from '../results/results.ts';
import { crowdedShare, keptUpShare } from '../verdict/checks.ts';
import { nextStep, type Outcome, type SearchRules, type Tried } from './capacity-search.ts';
import { type ModelInput, predictCapacity } from './machine-model.ts';
import { sumRates, type Window } from './window.ts';

export interface CapacityInput {
  readonly model: ModelInput;
  readonly times: string;
  /** Offers the planned rates times the factor for one window. */
  readonly run: (factor: number) => Promise<Window>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onStep: (step: CapacityStep) => void;
}

/** Others are given this long to finish before a window is asked again. */
const patienceMs = 3000;

export function rulesFor(predicted: Capacity): SearchRules {
  const first = predicted.factor * 0.6;
  const range = [first / 50, first * 50] as const;
  return { first, range, raise: 1.35, resolution: 1.08, confirmations: 2, most: 40, mostInconclusive: 6 };
}

/** Throws as a window does. */
export async function findCapacity(input: CapacityInput): Promise<CapacityReport> {
  const predicted = predictCapacity(input.model);
  const rules = rulesFor(predicted);
  const steps: CapacityStep[] = [];
  const tried: Tried[] = [];
  for (;;) {
    const next = nextStep(tried, rules);
    if (next.kind !== 'try') return reportOf(input, steps, next);
    if (next.why === 'again') await input.clock.sleep(patienceMs, input.signal);
    const window = await input.run(next.factor);
    const step = { ...judgeWindow(window, availableParallelism()), factor: next.factor, why: next.why };
    steps.push(step);
    tried.push({ factor: next.factor, outcome: step.outcome });
    input.onStep(step);
  }
}

/** A machine that is this busy has nothing left to give. */
const exhaustedShare = 0.9;

/** Of the answers, those that may be late. While a hypervisor runs somebody else every answer is, so that as much is enough. */
const lateShare = 0.01;

/**
 * A missed objective is the system's when the generator kept up, or when all of the machine was used up by the system and
 * its generator together: they share its cores, and the prediction counts both. A generator that fell behind with cores
 * to spare, others that took a quarter of them, or a hypervisor that took more than the share of answers that may be late
 * spoil a window that failed; one that passed has passed.
 */
export function judgeWindow(window: Window, cores: number): Omit<CapacityStep, 'factor' | 'why'> {
  const { offeredPerSecond, achievedPerSecond, p99Ms, failedShare, cpu, behindShare } = window;
  const shown = {
    offeredPerSecond,
    achievedPerSecond,
    p99Ms,
    failedShare,
    ownShare: cpu?.ownShare ?? null,
    foreignShare: cpu?.foreignShare ?? null,
  };
  const done = (outcome: Outcome, note: string) => ({ ...shown, outcome, note });
  const objectives = window.checks.filter(({ check }) => check.from !== 'bench');
  const missed = objectives.filter(({ check: { measured, bound, name, verdict } }) => {
    if (verdict === 'pass' || measured === null) return false;
    return name.includes('>=') ? measured < bound : measured > bound;
  });
  const unseen = objectives.find(({ check }) => check.verdict !== 'pass' && check.measured === null);
  const fewSamples = objectives.find(({ check }) => check.verdict === 'inconclusive' && / it takes /.test(check.note));
  const first = missed[0]?.check;
  const isBehind = behindShare > 1 - keptUpShare;
  if (first === undefined) {
    if (isBehind) return done('inconclusive', 'the generator fell behind');
    if (unseen !== undefined) return done('inconclusive', `${unseen.check.name}: no sample`);
    if (fewSamples !== undefined) return done('inconclusive', `${fewSamples.check.name}: ${fewSamples.check.note}`);
    return done('pass', '');
  }
  const why = `${first.name}: ${Number((first.measured ?? 0).toPrecision(4))} ${first.unit}`.trim();
  if (cpu !== null && cpu.foreignShare > crowdedShare) {
    return done('inconclusive', `${why}, while others took ${Math.round(cpu.foreignShare * 100)} % of the machine`);
  }
  if (cpu !== null && cpu.stolenShare > lateShare) {
    return done(
      'inconclusive',
      `${why}, while a hypervisor took ${(cpu.stolenShare * 100).toFixed(1)} % of the machine`,
    );
  }
  const exhausted = cpu !== null && cpu.ownShare + cpu.foreignShare >= exhaustedShare;
  const generatorFull = cpu !== null && cpu.benchUs >= 0.9 * 1000 * window.durationMs && cores > 1;
  if (isBehind && (generatorFull || !exhausted)) return done('inconclusive', `${why}, but the generator fell behind`);
  return done('fail', exhausted ? `${why}; the machine’s cores were used up` : why);
}

/** What is known before the first window. */
export function searchHead({ model, times }: Pick<CapacityInput, 'model' | 'times'>): SearchHead {
  const { perSecond, binding } = predictCapacity(model);
  return {
    plannedPerSecond: sumRates(model.rates),
    predictedPerSecond: perSecond,
    binding,
    calibrated: model.measured !== null,
    times,
    cores: availableParallelism(),
  };
}

function reportOf(
  { model, times }: CapacityInput,
  steps: readonly CapacityStep[],
  end: Exclude<ReturnType<typeof nextStep>, { kind: 'try' }>,
): CapacityReport {
  const head = searchHead({ model, times });
  const planned = head.plannedPerSecond;
  const [lower, upper] = end.kind === 'none' ? [null, end.lowest] : [end.lower, end.upper];
  const atEdge = steps.filter(({ factor }) => factor === lower || factor === upper);
  const foreign = median(atEdge.flatMap(({ foreignShare }) => foreignShare ?? []));
  const left = predictCapacity(model, foreign);
  const found = lower === null ? null : lower * planned;
  return {
    verdict: end.kind,
    because: becauseOf(end),
    foundPerSecond: found,
    failedFromPerSecond: upper === null ? null : upper * planned,
    ...head,
    predictedLeftPerSecond: left.perSecond,
    ratio: found === null ? null : found / left.perSecond,
    steps,
  };
}

function becauseOf(end: Exclude<ReturnType<typeof nextStep>, { kind: 'try' }>): string {
  switch (end.kind) {
    case 'found':
      return end.upper === null
        ? 'the highest rate that may be tried still passed'
        : 'the rate below passed again, and the one above failed again';
    case 'none':
      return 'even the lowest rate that was tried missed an objective';
    case 'inconclusive':
      return `${end.why}: the generator fell behind, or others took the CPU`;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
