/** (Requirements, catalogue, hardware and prices) → Plan, or the nearest that was tried and the requirement to relax. Pure. */

import { defaultHardware, referenceLocalMachine } from '../capacity/hardware.ts';
import type {
  Catalogue,
  Decision,
  Downtime,
  Excuse,
  Hardware,
  Json,
  PartContext,
  Pattern,
  Prediction,
  ServiceTime,
} from '../pattern.ts';
import { requirementsDigest } from '../requirements/digest.ts';
import type { Requirements } from '../requirements/requirements.ts';
import { type Composed, type Composition, compose, type Sizing, type World } from './compose.ts';
import { costOf, machineOf } from './cost.ts';
import { hotKeyOf } from './hot-key.ts';
import { type LocalMachine, localScale } from './local-scale.ts';
import { composeOverWorlds } from './over-worlds.ts';
import type { NoPlan, Part, Plan } from './plan.ts';
import { relaxationsFor } from './relax.ts';
import { staffed } from './staffed.ts';
import { type WiredPart, wire } from './wire.ts';

export interface AssembleOptions {
  readonly dspVersion?: string;
  readonly hardware?: Hardware;
  /** Service times measured on the user's system, by name. */
  readonly measured?: Readonly<Record<string, ServiceTime>>;
  /** How long something is away after a fault, measured, by `<fault kind>:<part>.<role>`. */
  readonly downtimes?: Readonly<Record<string, Downtime>>;
  /** 0 < scale ≤ 1; without it the largest that fits the local machine. */
  readonly scale?: number;
  readonly localMachine?: LocalMachine;
}

export function isNoPlan(result: Plan | NoPlan): result is NoPlan {
  return 'kind' in result && result.kind === 'no-plan';
}

export function assemblePlan(
  requirements: Requirements,
  catalogue: Catalogue,
  options: AssembleOptions = {},
): Plan | NoPlan {
  const worldOf = (asked: Requirements): World => ({
    requirements: asked,
    catalogue,
    hardware: options.hardware ?? defaultHardware,
    measured: options.measured ?? {},
    downtimes: options.downtimes ?? {},
  });
  const world = worldOf(requirements);
  const { composed, decisions } = composeOverWorlds(world, affordable);
  if (!('rejected' in composed)) {
    return planOf(staffedWorld(world), { ...composed, decisions: [...decisions, ...composed.decisions] }, options);
  }
  const replan = (relaxed: Requirements) => {
    const again = affordable(worldOf(relaxed));
    return 'rejected' in again ? again.rejected : null;
  };
  return { kind: 'no-plan', ...composed, ...relaxationsFor(requirements, composed.rejected, replan) };
}

function repairDecision({ machineUnavailability, machineRepairMs }: Hardware): Decision {
  return {
    about: 'machines',
    chosen: `each away ${Number((machineUnavailability * 100).toPrecision(2))} % of the time`,
    because: 'the less somebody looks after them, the longer a lost one stays away, and the more copies are needed',
    numbers: { unavailability: machineUnavailability, repairMs: machineRepairMs },
    from: ['operations.effort', 'operations.lossesPerYear'],
    source: 'prior',
  };
}

/** Said once for all parts: what was measured holds for the machine that it was measured on. */
function measuredDecision(used: readonly (readonly [string, ServiceTime])[]): readonly Decision[] {
  const [first] = used;
  if (first === undefined) return [];
  return [
    {
      about: 'service times',
      chosen: used.map(([name]) => name).join(', '),
      because: `${first[1].citation}; the machines on offer are taken to be as fast`,
      numbers: Object.fromEntries(used.map(([name, { meanUs }]) => [`${name} µs`, meanUs])),
      from: ['measured.json'],
      source: 'measured',
    },
  ];
}

function staffedWorld(asked: World): World {
  return { ...asked, hardware: staffed(asked.hardware, asked.requirements) };
}

/** The composition, if it costs no more than may be spent. */
function affordable(asked: World): Composed {
  const world = staffedWorld(asked);
  const composed = compose(world);
  if ('rejected' in composed) return composed;
  const usdPerMonth = usdOf(composed, world.hardware);
  const isAffordable = usdPerMonth <= world.requirements.cost.usdPerMonth;
  return isAffordable ? composed : { rejected: [tooDear(world.requirements, usdPerMonth, composed)] };
}

function usdOf({ parts }: Composition, hardware: Hardware): number {
  return parts.reduce((sum, part) => sum + costOf(part.sized, hardware), 0);
}

function planOf(world: World, composed: Composition, options: AssembleOptions): Plan {
  const { requirements, hardware } = world;
  const known = new Set(composed.parts.flatMap(({ pattern }) => Object.keys(pattern.serviceTimes)));
  const used = Object.entries(options.measured ?? {}).filter(([name]) => known.has(name));
  const local = localScale(composed.parts, options.scale, options.localMachine ?? referenceLocalMachine);
  const target = wire(
    composed.parts.map((part) => wiredPart(part, part.sized.sizing)),
    requirements,
  );
  const here = wire(
    composed.parts.map((part) => wiredPart(part, part.pattern.local(part.sized.sizing, local.scale))),
    requirements,
  );
  const parts = composed.parts.map((part, index) =>
    withHotKey(partOf(part, target.contexts[index]!, here.contexts[index]!, hardware), part.pattern, world),
  );
  return {
    schemaVersion: 1,
    dspVersion: options.dspVersion ?? '0.0.0',
    requirements,
    requirementsDigest: requirementsDigest(requirements),
    parts,
    edges: composed.links,
    topology: target.topology,
    cost: {
      usdPerMonth: usdOf(composed, hardware),
      budgetUsdPerMonth: requirements.cost.usdPerMonth,
      machines: machinesOf(parts, hardware),
      priceSource: hardware.prices.source,
      priceDate: hardware.prices.date,
    },
    tightest: tightestOf(parts.flatMap((part) => part.predictions)),
    local: { ...local, topology: here.topology },
    decisions: [repairDecision(hardware), ...measuredDecision(used), ...composed.decisions],
    ...(used.length > 0 ? { measured: Object.fromEntries(used) } : {}),
    ...(Object.keys(world.downtimes).length > 0 ? { downtimes: world.downtimes } : {}),
  };
}

function wiredPart({ name, pattern, options, providers, sized }: Sizing, sizing: Json): WiredPart {
  return { name, pattern, sizing, options, providers, guarantees: sized.guarantees };
}

function partOf(part: Sizing, context: PartContext<Json>, here: PartContext<Json>, hardware: Hardware): Part {
  const { sized, pattern } = part;
  return {
    name: part.name,
    pattern: pattern.id,
    need: part.need,
    sizing: sized.sizing,
    localSizing: here.sizing,
    options: part.options,
    demands: part.served,
    machines: sized.machines,
    usdPerMonth: costOf(sized, hardware),
    decisions: sized.decisions,
    predictions: sized.predictions,
    rejected: [...sized.rejected, ...part.excuses],
    guarantees: sized.guarantees,
    bindings: context.bindings,
    offeredLoad: pattern.offeredLoad(context),
  };
}

/** Where the requirements make a key hot, what can be done about it. */
function withHotKey(part: Part, pattern: Pattern, world: World): Part {
  const hotKey = hotKeyOf(part, pattern, world, null);
  return hotKey === null ? part : { ...part, hotKey };
}

function machinesOf(parts: readonly Part[], hardware: Hardware): Plan['cost']['machines'] {
  const counts = new Map<string, number>();
  for (const { machine, count } of parts.flatMap((part) => part.machines)) {
    counts.set(machine, (counts.get(machine) ?? 0) + count);
  }
  return [...counts].map(([name, count]) => ({ machine: machineOf(hardware, name), count }));
}

function tightestOf(predictions: readonly Prediction[]): Prediction | null {
  return predictions.reduce<Prediction | null>(
    (least, p) => (least === null || p.margin < least.margin ? p : least),
    null,
  );
}

function tooDear(requirements: Requirements, usdPerMonth: number, { parts }: Composition): Excuse {
  const to = Math.ceil(usdPerMonth);
  return {
    option: parts.map((part) => part.name).join(' + '),
    reason: `it meets the other requirements for ${to} USD a month`,
    bottleneck: 'cost.usdPerMonth',
    numbers: { usdPerMonth, budgetUsdPerMonth: requirements.cost.usdPerMonth },
    relax: { key: 'cost.usdPerMonth', to },
  };
}
