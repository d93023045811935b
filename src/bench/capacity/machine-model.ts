/** From parts and rates to what every process takes of this machine's cores: the input of the prediction, and of the fit. */

import { availableParallelism } from 'node:os';
import { type Capacity, type Consumer, capacityOf, contention } from '../../capacity/machine-capacity.ts';
import type { MeasuredTimes } from '../../capacity/measured.ts';
import type { Demand, Pattern, ServiceTime, Work } from '../../pattern.ts';
import type { Part, Plan } from '../../plan/plan.ts';
import { type Rates, sumRates } from './window.ts';

/** The generator is a consumer like any other. */
export const generatorName = 'load generator';
export const generatorTime = 'bench.request';

/** One request made, sent, answered and judged: prior. */
export const generatorPrior: ServiceTime = {
  meanUs: 38,
  scv: 1,
  source: 'prior',
  citation: 'a guess for a request over a kept connection; --calibrate measures it',
};

/**
 * Below saturation each visit finds its process asleep: a wake-up, a turn of the event loop, a read and a write of its own,
 * which a busy process shares between many visits. µs a visit: prior.
 */
export const wakeUs = 16;
/** µs of CPU a second of a process that waits: timers, gossip, probes, the generator's naps. Priors; measured times hold both. */
const idlePriors = { engine: 3000, service: 20_000, generator: 180_000 } as const;

export interface ModelPart {
  readonly part: Part;
  readonly pattern: Pattern;
}

export interface ModelInput {
  readonly parts: readonly ModelPart[];
  /** As it was deployed. */
  readonly plan: Plan;
  /** Operations per second on this machine. */
  readonly rates: Rates;
  readonly workers: number;
  readonly measured: MeasuredTimes | null;
  /** CPU time of a visit here ÷ where the priors were measured; absent: 1. Measured times hold it already. */
  readonly slowness?: number;
}

/** {@link roundTripUs} of the machine and hour that the priors of service times are of: two cores of an AMD EPYC. */
export const referenceRoundTripUs = 14;

/** Processes of one kind: a set, or those of it that have a role. */
export const kindOf = ({ set, role }: Pick<Work, 'set' | 'role'>) => (role === undefined ? set : `${set}/${role}`);

/** Everything that the parts' processes do for these rates, the generator included. */
export function worksAt({ parts, plan, rates, workers }: Omit<ModelInput, 'measured'>): readonly Work[] {
  const works = parts.flatMap(({ part, pattern }) => {
    const { name, localSizing: sizing, options, bindings } = part;
    const demands = part.demands.filter(({ from }) => from !== 'user').map((demand) => atRates(demand, parts, rates));
    const context = { name, sizing, requirements: plan.requirements, options, bindings };
    return pattern.work(context, { offered: rates[name] ?? {}, demands });
  });
  const generator: Work = {
    time: generatorTime,
    set: generatorName,
    instances: workers,
    visitsPerSecond: sumRates(rates),
    extraUsPerSecond: 0,
    busiestShare: 1 / workers,
  };
  return [...works, generator];
}

/** Another part's demand follows what that part is offered now. */
function atRates(demand: Demand, parts: readonly ModelPart[], rates: Rates): Demand {
  const planned = parts.find(({ part }) => part.name === demand.from)?.part.offeredLoad ?? {};
  const whole = Object.values(planned).reduce((a, b) => a + b, 0);
  const factor = whole > 0 ? sumRates({ [demand.from]: rates[demand.from] ?? {} }) / whole : 0;
  const { readPerSecond, writePerSecond } = demand;
  return { ...demand, readPerSecond: readPerSecond * factor, writePerSecond: writePerSecond * factor };
}

/** The service times that the parts' patterns and the generator start from. */
export function priorTimes(parts: readonly ModelPart[]): Readonly<Record<string, ServiceTime>> {
  return Object.assign({ [generatorTime]: generatorPrior }, ...parts.map(({ pattern }) => pattern.serviceTimes));
}

/** What each kind of process takes, by measured times where there are any, else by priors. */
export function consumersAt(input: ModelInput): readonly Consumer[] {
  const { parts, measured, slowness = 1 } = input;
  const priors = priorTimes(parts);
  const kinds = new Map<string, Consumer>();
  for (const work of worksAt(input)) {
    const name = kindOf(work);
    const known = measured?.times[work.time];
    const prior = (priors[work.time]?.meanUs ?? 0) + (work.set === generatorName ? 0 : wakeUs);
    const visitUs = known?.meanUs ?? slowness * prior;
    const before = kinds.get(name);
    kinds.set(name, {
      name,
      instances: work.instances,
      idleUs: known === undefined ? slowness * idlePriors[programOf(work, input.plan)] * work.instances : 0,
      plannedUs: (before?.plannedUs ?? 0) + work.visitsPerSecond * visitUs + work.extraUsPerSecond,
      busiestShare: Math.max(before?.busiestShare ?? 0, work.busiestShare),
    });
  }
  return [...kinds.values()];
}

function programOf({ set }: Work, { local }: Plan): keyof typeof idlePriors {
  return local.topology.processSets.find(({ id }) => id === set)?.program.kind ?? 'generator';
}

/** What this machine carries, with `foreignShare` of it taken by others. */
export function predictCapacity(input: ModelInput, foreignShare = 0, cores = availableParallelism()): Capacity {
  return capacityOf({
    cores,
    foreignShare,
    consumers: consumersAt(input),
    plannedPerSecond: sumRates(input.rates),
    p99Ms: input.plan.requirements.latency.p99Ms,
    contention: input.measured === null ? contention : 0,
    busyCurve: input.measured?.busyCurve ?? [],
  });
}
