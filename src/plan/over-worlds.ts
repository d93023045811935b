/** One plan for unsure requirements: planned for each world that they may turn out to be, chosen by least regret. */

import type { Decision, Excuse, Hardware } from '../pattern.ts';
import type { Composed, Composition, World } from './compose.ts';
import { machineOf } from './cost.ts';
import { leastRegret, type Outlay, type Weighted } from './least-regret.ts';
import { cornersOf, drawWorlds, isSure, type Known, worldCount } from './worlds.ts';

export interface OverWorlds {
  readonly composed: Composed;
  readonly decisions: readonly Decision[];
}

/**
 * `compose` plans one world. Where everything is sure there is but that one. Where half of the worlds or more have no plan,
 * there is none: then what `compose` says of the high bounds is the answer.
 */
export function composeOverWorlds(world: World, compose: (world: World) => Composed): OverWorlds {
  const known = knownIn(world);
  const high = compose(world);
  if (isSure(world.requirements, known) || isSameEverywhere(world, known, high, compose)) {
    return { composed: high, decisions: [] };
  }
  const drawn = drawWorlds(world.requirements, known);
  const plannedIn = (worlds: typeof drawn) =>
    worlds.map(({ count, ...each }) => ({ count, composed: compose({ ...world, ...each }) }));
  const planned = plannedIn(drawn);
  const needs = foundIn(planned, world.hardware);
  const withPlan = needs.reduce((sum, { count }) => sum + count, 0);
  const counts = countExcuses(planned);
  // What is chosen is planned with the priors as they are; what it is judged by are worlds in which they are not.
  const candidates = foundIn(plannedIn(drawWorlds(world.requirements, { ...known, priors: {} })), world.hardware);
  const best = leastRegret(merged(candidates), merged(needs));
  if (best === null || withPlan <= worldCount / 2) {
    return { composed: 'rejected' in high ? { rejected: counted(high.rejected, counts) } : high, decisions: [] };
  }
  const { chosen, regret, regretOfDearest, enoughIn } = best;
  const usd = needs.map(({ outlay }) => outlay.usdPerMonth);
  const decision: Decision = {
    about: 'worlds',
    chosen: `${Math.round(chosen.outlay.usdPerMonth)} USD a month`,
    because: `the least regret over ${worldCount} worlds that answers, measurements and priors leave open; it is enough in ${enoughIn} of them`,
    numbers: {
      worlds: worldCount,
      withPlan,
      enoughIn,
      leastUsd: Math.min(...usd),
      mostUsd: Math.max(...usd),
      regret,
      regretOfMost: regretOfDearest,
    },
    from: ['rate', 'data', ...(Object.keys(world.measured).length > 0 ? ['measured.json'] : [])],
  };
  const parts = chosen.plan.parts.map((part) => ({
    ...part,
    excuses: counted(part.excuses, counts),
    sized: { ...part.sized, rejected: counted(part.sized.rejected, counts) },
  }));
  return { composed: { ...chosen.plan, parts }, decisions: [decision] };
}

type Planned = readonly { readonly composed: Composed; readonly count: number }[];

/** The worlds that have a plan, each with its own. */
function foundIn(planned: Planned, hardware: Hardware): readonly Weighted<Composition>[] {
  return planned.flatMap(({ composed, count }) =>
    'rejected' in composed ? [] : [{ plan: composed, outlay: outlayOf(composed, hardware), count }],
  );
}

function knownIn({ measured, downtimes, catalogue }: World): Known {
  return { measured, downtimes, priors: Object.assign({}, ...catalogue.map(({ serviceTimes }) => serviceTimes)) };
}

/** More asked is never planned with less, so that what is the same in every corner is the same in every world between. */
function isSameEverywhere(world: World, known: Known, high: Composed, compose: (world: World) => Composed): boolean {
  if ('rejected' in high) return false;
  const machines = machinesOf(high);
  return cornersOf(world.requirements, known).every((corner) => {
    const composed = compose({ ...world, ...corner });
    return !('rejected' in composed) && machinesOf(composed) === machines;
  });
}

const machinesOf = ({ parts }: Composition) => JSON.stringify(parts.map(({ name, sized }) => [name, sized.machines]));

function outlayOf({ parts }: Composition, hardware: Hardware): Outlay {
  const machines = parts.flatMap(({ sized }) => sized.machines);
  const sum = (of: (name: string) => number) => machines.reduce((all, each) => all + each.count * of(each.machine), 0);
  return {
    usdPerMonth: sum((name) => machineOf(hardware, name).usdPerMonth),
    memoryGiB: sum((name) => machineOf(hardware, name).memoryGiB),
  };
}

/** Worlds with the same machines have the same plan: the one that was planned for most. */
function merged(found: readonly Weighted<Composition>[]): readonly Weighted<Composition>[] {
  const kinds = new Map<string, Weighted<Composition>>();
  for (const each of found) {
    const key = machinesOf(each.plan);
    const known = kinds.get(key);
    const plan = known === undefined || askedOf(each.plan) > askedOf(known.plan) ? each.plan : known.plan;
    kinds.set(key, { ...each, plan, count: each.count + (known?.count ?? 0) });
  }
  return [...kinds.values()];
}

/** Operations and bytes that the parts were sized for. */
function askedOf({ parts }: Composition): number {
  const asked = parts.flatMap(({ served, sized }) => [...served, ...sized.demands]);
  return asked.reduce(
    (sum, { readPerSecond, writePerSecond, payloadBytes, totalMiB }) =>
      sum + (readPerSecond + writePerSecond) * Math.max(1, payloadBytes) + totalMiB,
    0,
  );
}

type Counts = ReadonlyMap<string, number>;

const keyOf = ({ option, bottleneck }: Excuse) => `${option} [${bottleneck}]`;

/** In how many worlds each option was rejected for the same thing. */
function countExcuses(planned: Planned): Counts {
  const counts = new Map<string, number>();
  for (const { composed, count } of planned) {
    const excuses =
      'rejected' in composed
        ? composed.rejected
        : composed.parts.flatMap(({ sized, excuses: other }) => [...sized.rejected, ...other]);
    for (const key of new Set(excuses.map(keyOf))) counts.set(key, (counts.get(key) ?? 0) + count);
  }
  return counts;
}

function counted<T extends readonly Excuse[]>(excuses: T, counts: Counts): T {
  return excuses.map((excuse) => {
    const rejectedIn = counts.get(keyOf(excuse)) ?? 0;
    return { ...excuse, worlds: { rejectedIn, of: worldCount } };
  }) as unknown as T;
}
