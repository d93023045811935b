/** Which parts there are and who serves whom: composition by capability, never by a pattern's name. */

import type {
  Catalogue,
  Decision,
  Demand,
  Excuse,
  Guarantees,
  Hardware,
  Json,
  Pattern,
  ServiceTime,
  Sized,
} from '../pattern.ts';
import type { Requirements } from '../requirements/requirements.ts';
import { costOf } from './cost.ts';

/** A pattern that was sized, and which part serves each capability that it demands. */
export interface Sizing {
  readonly name: string;
  readonly pattern: Pattern;
  readonly need: string | null;
  readonly options: Readonly<Record<string, Json>>;
  readonly served: readonly Demand[];
  readonly sized: Sized<Json>;
  readonly providers: Readonly<Record<string, string>>;
}

export interface Link {
  readonly from: string;
  readonly to: string;
  readonly capability: string;
  readonly because: string;
}

export interface Composition {
  /** Providers first. */
  readonly parts: readonly Sizing[];
  readonly links: readonly Link[];
  readonly decisions: readonly Decision[];
}

export interface World {
  readonly requirements: Requirements;
  readonly catalogue: Catalogue;
  readonly hardware: Hardware;
  readonly measured: Readonly<Record<string, ServiceTime>>;
}

export type Composed = Composition | { readonly rejected: readonly [Excuse, ...Excuse[]] };

/** Sizes the parts that the user asked for and those that they call for. */
export function compose(world: World): Composed {
  const wanted = world.catalogue.filter((pattern) => world.requirements.needs.includes(pattern.need.id));
  const parts = new Map<string, Sizing>();
  const links: Link[] = [];
  const decisions: Decision[] = [];
  for (const pattern of consumersFirst(wanted)) {
    const need = pattern.need.id;
    const own = pattern.userDemand?.(world.requirements);
    const served = own === undefined ? [] : [{ ...own, from: 'user' }];
    const sized = sizePart(world, { name: pattern.partName, pattern, need, served });
    if ('rejected' in sized) return sized;
    parts.set(sized.name, sized);
  }
  for (const consumer of [...parts.values()]) {
    const failed = serve(world, consumer, parts, links, decisions);
    if (failed !== null) return failed;
  }
  return { parts: inOrder(parts, links), links, decisions };
}

function consumersFirst(patterns: Catalogue): Catalogue {
  return [...patterns].sort((a, b) => a.provides.length - b.provides.length);
}

interface Request {
  readonly name: string;
  readonly pattern: Pattern;
  readonly need: string | null;
  readonly served: readonly Demand[];
}

function sizePart(world: World, request: Request): Sizing | { rejected: readonly [Excuse, ...Excuse[]] } {
  const options = optionsOf(request, world.requirements);
  const { requirements, hardware, measured } = world;
  const sized = request.pattern.size({ requirements, demands: request.served, options, hardware, measured });
  if (sized.kind === 'unsized') return { rejected: sized.rejected };
  return { ...request, options, sized, providers: {} };
}

/** The pattern's answers, its questions' priors where they were not asked, and for a part that nobody asked for. */
function optionsOf({ pattern, need }: Request, requirements: Requirements): Readonly<Record<string, Json>> {
  const priors = Object.fromEntries(pattern.questions.map((question) => [question.key, question.prior]));
  return need === null ? priors : { ...priors, ...requirements.options[need] };
}

/** Finds a provider for each demand of `consumer`: a part that is there, or one of its own. */
function serve(world: World, consumer: Sizing, parts: Map<string, Sizing>, links: Link[], decisions: Decision[]) {
  for (const demanded of consumer.sized.demands) {
    const demand: Demand = { ...demanded, from: consumer.name };
    const shared = share(world, demand, [...parts.values()]);
    const own = ownProvider(world, consumer, demand);
    const chosen = choose(shared, own);
    if ('rejected' in chosen) return chosen;
    parts.set(chosen.part.name, chosen.part);
    const current = parts.get(consumer.name) ?? consumer;
    parts.set(consumer.name, {
      ...current,
      providers: { ...current.providers, [demand.capability]: chosen.part.name },
    });
    links.push({ from: consumer.name, to: chosen.part.name, capability: demand.capability, because: chosen.because });
    decisions.push({
      about: `${demand.capability} of ${consumer.name}`,
      chosen: chosen.part.name,
      because: chosen.because,
      numbers: chosen.numbers,
      from: ['needs', 'cost.usdPerMonth'],
    });
  }
  return null;
}

interface Offer {
  readonly part: Sizing;
  /** What it adds to the month's cost. */
  readonly usdPerMonth: number;
}

type Offered = Offer | { readonly rejected: readonly [Excuse, ...Excuse[]] };

/** A part that is there already, sized for one demand more. */
function share(world: World, demand: Demand, parts: readonly Sizing[]): Offered {
  const rejected: Excuse[] = [];
  for (const part of parts.filter((candidate) => candidate.pattern.provides.includes(demand.capability))) {
    const resized = sizePart(world, { ...part, served: [...part.served, demand] });
    if ('rejected' in resized) {
      rejected.push(...resized.rejected);
      continue;
    }
    const unmet = unmetBy(resized.sized.guarantees[demand.capability], demand);
    if (unmet === null)
      return { part: resized, usdPerMonth: costOf(resized.sized, world.hardware) - costOf(part.sized, world.hardware) };
    rejected.push({ option: `share ${part.name}`, reason: unmet, bottleneck: demand.capability, numbers: {} });
  }
  const none: Excuse = {
    option: `share ${demand.capability}`,
    reason: 'no part that the user asked for offers it',
    bottleneck: demand.capability,
    numbers: {},
  };
  return { rejected: [rejected[0] ?? none, ...rejected.slice(1)] };
}

/** A provider for this demand alone. */
function ownProvider(world: World, consumer: Sizing, demand: Demand): Offered {
  const rejected: Excuse[] = [];
  for (const pattern of world.catalogue.filter((candidate) => candidate.provides.includes(demand.capability))) {
    const name = `${consumer.name}-${pattern.partName}`;
    const part = sizePart(world, { name, pattern, need: null, served: [demand] });
    if ('rejected' in part) {
      rejected.push(...part.rejected);
      continue;
    }
    const unmet = unmetBy(part.sized.guarantees[demand.capability], demand);
    if (unmet === null) return { part, usdPerMonth: costOf(part.sized, world.hardware) };
    rejected.push({ option: pattern.id, reason: unmet, bottleneck: demand.capability, numbers: {} });
  }
  const none: Excuse = {
    option: demand.capability,
    reason: 'no pattern of the catalogue offers it',
    bottleneck: demand.capability,
    numbers: {},
  };
  return { rejected: [rejected[0] ?? none, ...rejected.slice(1)] };
}

/** Sharing unless the shared part does not meet the demand, or its growth costs more than a part alone. */
function choose(shared: Offered, own: Offered) {
  if ('rejected' in shared) {
    if ('rejected' in own) return own;
    const because = `its own: ${shared.rejected[0].reason}`;
    return { part: own.part, because, numbers: { usdPerMonth: own.usdPerMonth } };
  }
  const ownUsd = 'rejected' in own ? Number.MAX_SAFE_INTEGER : own.usdPerMonth;
  const numbers = { sharedUsdPerMonth: shared.usdPerMonth, ownUsdPerMonth: ownUsd };
  if (!('rejected' in own) && ownUsd < shared.usdPerMonth) {
    return {
      part: own.part,
      because: 'its own: the shared one would have to grow by more than a part alone costs',
      numbers,
    };
  }
  const because = `shared: it meets every guarantee asked, and adds ${Math.round(shared.usdPerMonth)} USD a month where its own would add ${Math.round(ownUsd)}`;
  return { part: shared.part, because, numbers };
}

/** The first guarantee that is not met, in words; null when all are. */
export function unmetBy(offered: Guarantees | undefined, demand: Demand): string | null {
  if (offered === undefined) return `it does not offer ${demand.capability}`;
  const asked = demand.guarantees;
  for (const name of ['evicts', 'durability', 'atomicScripts', 'waitsForReplica'] as const) {
    if (asked[name] !== undefined && asked[name] !== offered[name]) {
      return `${demand.from} needs ${name} = ${asked[name]}, and it offers ${offered[name]}`;
    }
  }
  if (asked.replicas !== undefined && offered.replicas < asked.replicas) {
    return `${demand.from} needs ${asked.replicas} replicas, and it has ${offered.replicas}`;
  }
  for (const name of ['failoverLossMs', 'failoverMs'] as const) {
    const most = asked[name];
    if (most !== undefined && offered[name] > most)
      return `${demand.from} allows ${name} ≤ ${most}, and it has ${offered[name]}`;
  }
  return null;
}

/** Providers before their consumers, else by name. */
function inOrder(parts: ReadonlyMap<string, Sizing>, links: readonly Link[]): readonly Sizing[] {
  const ordered: Sizing[] = [];
  const visit = (name: string) => {
    const part = parts.get(name);
    if (part === undefined || ordered.includes(part)) return;
    for (const link of links) if (link.from === name) visit(link.to);
    ordered.push(part);
  };
  for (const name of [...parts.keys()].sort()) visit(name);
  return ordered;
}
