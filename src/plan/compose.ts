/**
 * Which parts there are and who serves whom: composition by capability, never by a pattern's name. Every option is tried
 * on a composition of its own, with all that it calls for, so that options are compared by what the whole then costs.
 */

import type {
  Catalogue,
  Decision,
  Demand,
  Downtime,
  Excuse,
  Hardware,
  Json,
  Pattern,
  ServiceTime,
  Sized,
} from '../pattern.ts';
import type { Requirements } from '../requirements/requirements.ts';
import { costOf } from './cost.ts';
import { unmetBy } from './guarantees.ts';

/** A pattern that was sized, and which part serves each capability that it demands. */
export interface Sizing {
  readonly name: string;
  readonly pattern: Pattern;
  readonly need: string | null;
  readonly options: Readonly<Record<string, Json>>;
  readonly served: readonly Demand[];
  readonly sized: Sized<Json>;
  readonly providers: Readonly<Record<string, string>>;
  /** Ways to serve it that were not taken. */
  readonly excuses: readonly Excuse[];
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
  /** By `<fault kind>:<part>.<role>`. */
  readonly downtimes: Readonly<Record<string, Downtime>>;
}

type Rejected = { readonly rejected: readonly [Excuse, ...Excuse[]] };
export type Composed = Composition | Rejected;

/** A composition under way. Never changed: each step gives another. */
interface State {
  readonly parts: ReadonlyMap<string, Sizing>;
  readonly links: readonly Link[];
  readonly decisions: readonly Decision[];
}

/** Sizes the parts that the user asked for and those that they call for. */
export function compose(world: World): Composed {
  const wanted = world.catalogue.filter((pattern) => world.requirements.needs.includes(pattern.need.id));
  let state: State = { parts: new Map(), links: [], decisions: [] };
  for (const pattern of wanted) {
    const own = pattern.userDemand?.(world.requirements);
    const served = own === undefined ? [] : [{ ...own, from: 'user' }];
    const part = sizePart(world, { name: pattern.partName, pattern, need: pattern.need.id, served });
    if ('rejected' in part) return part;
    state = withPart(state, part);
  }
  for (let name = nextToServe(state); name !== null; name = nextToServe(state)) {
    const next = serve(world, state, name);
    if ('rejected' in next) return next;
    state = next;
  }
  return { ...state, parts: inOrder(state) };
}

/** A part with a demand that nobody serves: of those, one that provides the least, for it changes no other part's size. */
function nextToServe({ parts }: State): string | null {
  const waiting = [...parts.values()].filter((part) => unserved(part).length > 0);
  waiting.sort((a, b) => a.pattern.provides.length - b.pattern.provides.length);
  return waiting[0]?.name ?? null;
}

function unserved({ sized, providers }: Sizing): Sizing['sized']['demands'] {
  return sized.demands.filter(({ capability }) => providers[capability] === undefined);
}

function withPart(state: State, part: Sizing): State {
  return { ...state, parts: new Map([...state.parts, [part.name, part]]) };
}

function partOf({ parts }: State, name: string): Sizing {
  const part = parts.get(name);
  if (part === undefined) throw new RangeError(`no part ${name}`);
  return part;
}

interface Request {
  readonly name: string;
  readonly pattern: Pattern;
  readonly need: string | null;
  readonly served: readonly Demand[];
}

function sizePart(world: World, request: Request): Sizing | Rejected {
  const options = optionsOf(request, world.requirements);
  const { requirements, hardware, measured } = world;
  const downtimes = downtimesOf(world, request.name);
  const sized = request.pattern.size({ requirements, demands: request.served, options, hardware, measured, downtimes });
  if (sized.kind === 'unsized') return { rejected: sized.rejected };
  return { ...request, options, sized, providers: {}, excuses: [] };
}

/** Those of one part, without its name. */
export function downtimesOf({ downtimes }: Pick<World, 'downtimes'>, part: string): Readonly<Record<string, Downtime>> {
  return Object.fromEntries(
    Object.entries(downtimes).flatMap(([fault, downtime]) => {
      const [kind = '', target = ''] = fault.split(':');
      return target.startsWith(`${part}.`) ? [[`${kind}:${target.slice(part.length + 1)}`, downtime]] : [];
    }),
  );
}

/** The pattern's answers, its questions' priors where they were not asked, and for a part that nobody asked for. */
function optionsOf({ pattern, need }: Request, requirements: Requirements): Readonly<Record<string, Json>> {
  const priors = Object.fromEntries(pattern.questions.map((question) => [question.key, question.prior]));
  return need === null ? priors : { ...priors, ...requirements.options[need] };
}

/** Finds a provider for each demand of a part: one that is there, or one of its own, served in turn. */
function serve(world: World, state: State, consumer: string): State | Rejected {
  let current = state;
  for (const demanded of unserved(partOf(state, consumer))) {
    const demand: Demand = { ...demanded, from: consumer };
    const shared = shares(world, current, demand);
    const own = owns(world, current, demand);
    const chosen = choose(shared, own);
    if ('rejected' in chosen) return chosen;
    current = connect(chosen, demand);
  }
  return current;
}

/** One way to serve a demand, as the composition that comes of it. */
interface Option {
  readonly state: State;
  readonly provider: string;
  /** What it adds to the month's cost. */
  readonly usdPerMonth: number;
}

interface Options {
  /** Cheapest first. */
  readonly found: readonly Option[];
  readonly rejected: readonly Excuse[];
}

function optionsFrom(tried: readonly (Option | Rejected)[]): Options {
  const found = tried.filter((each): each is Option => !('rejected' in each));
  const rejected = tried.flatMap((each) => ('rejected' in each ? each.rejected : []));
  return { found: found.sort((a, b) => a.usdPerMonth - b.usdPerMonth), rejected };
}

/** The parts that are there already, each sized for one demand more. */
function shares(world: World, state: State, demand: Demand): Options {
  const candidates = [...state.parts.values()].filter(
    ({ name, pattern }) => pattern.provides.includes(demand.capability) && !reaches(state, name, demand.from),
  );
  return optionsFrom(candidates.map((part) => share(world, state, part.name, demand)));
}

function share(world: World, state: State, provider: string, demand: Demand): Option | Rejected {
  const { served } = partOf(state, provider);
  const resized = resize(world, state, provider, [...served, demand]);
  if ('rejected' in resized) return resized;
  const unmet = firstUnmet(resized, provider);
  if (unmet !== null) return { rejected: [{ option: `share ${provider}`, bottleneck: demand.capability, ...unmet }] };
  return { state: resized, provider, usdPerMonth: usdOf(world, resized) - usdOf(world, state) };
}

/** Sized again for other demands, and so is whoever serves it, for what it now asks for. */
function resize(world: World, state: State, name: string, served: readonly Demand[]): State | Rejected {
  const old = partOf(state, name);
  const fresh = sizePart(world, { ...old, served });
  if ('rejected' in fresh) return fresh;
  let current = withPart(state, { ...fresh, providers: old.providers, excuses: old.excuses });
  for (const [capability, provider] of Object.entries(old.providers)) {
    const asked = fresh.sized.demands.find((demand) => demand.capability === capability);
    const others = partOf(current, provider).served.filter(
      (demand) => demand.from !== name || demand.capability !== capability,
    );
    const next = resize(world, current, provider, asked === undefined ? others : [...others, { ...asked, from: name }]);
    if ('rejected' in next) return next;
    const unmet = firstUnmet(next, provider);
    if (unmet !== null) return { rejected: [{ option: `${provider} for ${name}`, bottleneck: capability, ...unmet }] };
    current = next;
  }
  return current;
}

/** The first of a provider's demands that it does not meet. */
function firstUnmet(state: State, provider: string) {
  const { served, sized } = partOf(state, provider);
  for (const demand of served) {
    const unmet = unmetBy(sized.guarantees[demand.capability], demand);
    if (unmet !== null) return unmet;
  }
  return null;
}

/** A provider for this demand alone, of each pattern that there is. */
function owns(world: World, state: State, demand: Demand): Options {
  const patterns = world.catalogue.filter((candidate) => candidate.provides.includes(demand.capability));
  const callers = new Set(
    [...callersOf(state, demand.from), demand.from].map((name) => partOf(state, name).pattern.id),
  );
  return optionsFrom(patterns.map((pattern) => ownOf(world, state, { pattern, demand, callers })));
}

interface Own {
  readonly pattern: Pattern;
  readonly demand: Demand;
  /** Patterns that wait for this one already: one of them would call for itself without end. */
  readonly callers: ReadonlySet<string>;
}

function ownOf(world: World, state: State, { pattern, demand, callers }: Own): Option | Rejected {
  const option = `${pattern.id} for ${demand.from} alone`;
  if (callers.has(pattern.id)) {
    const reason = 'it would call for itself';
    return { rejected: [{ option, reason, bottleneck: demand.capability, numbers: { callers: callers.size } }] };
  }
  const name = freeName(state, `${demand.from}-${pattern.partName}`);
  const part = sizePart(world, { name, pattern, need: null, served: [demand] });
  if ('rejected' in part) return part;
  const unmet = unmetBy(part.sized.guarantees[demand.capability], demand);
  if (unmet !== null) return { rejected: [{ option, bottleneck: demand.capability, ...unmet }] };
  // Linked before it is served, so that what it calls for knows who waits.
  const linked = connect({ state: withPart(state, part), provider: name, usdPerMonth: 0, because: '' }, demand);
  const served = serve(world, linked, name);
  if ('rejected' in served) return served;
  const unlinked = { ...served, links: served.links.filter(({ from, to }) => from !== demand.from || to !== name) };
  return { state: unlinked, provider: name, usdPerMonth: usdOf(world, served) - usdOf(world, state) };
}

function freeName({ parts }: State, wanted: string): string {
  let name = wanted;
  for (let number = 2; parts.has(name); number++) name = `${wanted}-${number}`;
  return name;
}

interface Chosen extends Option {
  readonly because: string;
  readonly decision?: Decision;
  readonly excuses?: readonly Excuse[];
}

/**
 * Sharing unless no shared part meets the demand, or its growth costs more than a part alone: who shares also shares
 * the fate of the other.
 */
function choose(shared: Options, own: Options): Chosen | Rejected {
  const [cheapShare, cheapOwn] = [shared.found[0], own.found[0]];
  const numbers = {
    ...(cheapShare ? { sharedUsdPerMonth: cheapShare.usdPerMonth } : {}),
    ...(cheapOwn ? { ownUsdPerMonth: cheapOwn.usdPerMonth } : {}),
  };
  const usd = (option: Option) => `${Math.round(option.usdPerMonth)} USD a month`;
  if (cheapShare === undefined) {
    if (cheapOwn === undefined) return noProvider([...shared.rejected, ...own.rejected]);
    const because = `its own: ${shared.rejected[0]?.reason ?? 'no part that the user asked for offers it'}`;
    return chosenOf(cheapOwn, because, numbers, shared.rejected);
  }
  if (cheapOwn !== undefined && cheapOwn.usdPerMonth < cheapShare.usdPerMonth) {
    const because = `its own: ${cheapShare.provider} would have to grow by ${usd(cheapShare)}, a part alone adds ${usd(cheapOwn)}`;
    return chosenOf(cheapOwn, because, numbers, [loser(`share ${cheapShare.provider}`, cheapShare, cheapOwn)]);
  }
  const alone = cheapOwn === undefined ? 'nothing else would serve it' : `its own would add ${usd(cheapOwn)}`;
  const because = `shared: it meets every guarantee asked, and adds ${usd(cheapShare)} where ${alone}`;
  const losers =
    cheapOwn === undefined ? own.rejected : [loser(`${cheapOwn.provider} of its own`, cheapOwn, cheapShare)];
  return chosenOf(cheapShare, because, numbers, losers);
}

function chosenOf(option: Option, because: string, numbers: Decision['numbers'], excuses: readonly Excuse[]): Chosen {
  const from = ['needs', 'cost.usdPerMonth'];
  return { ...option, because, excuses, decision: { about: '', chosen: option.provider, because, numbers, from } };
}

function loser(option: string, lost: Option, won: Option): Excuse {
  const numbers = { usdPerMonth: lost.usdPerMonth, chosenUsdPerMonth: won.usdPerMonth };
  return {
    option,
    reason: `${won.provider} serves it for no more`,
    bottleneck: 'cost',
    numbers,
  };
}

function noProvider(rejected: readonly Excuse[]): Rejected {
  const none: Excuse = {
    option: 'a provider',
    reason: 'no pattern of the catalogue offers what is asked',
    bottleneck: 'capability',
    numbers: { offers: 0 },
  };
  return { rejected: [rejected[0] ?? none, ...rejected.slice(1)] };
}

/** Writes down who serves the demand, and why. */
function connect({ state, provider, because, decision, excuses = [] }: Chosen, demand: Demand): State {
  const consumer = partOf(state, demand.from);
  const { capability, from } = demand;
  const providers = { ...consumer.providers, [capability]: provider };
  const next = withPart(state, { ...consumer, providers, excuses: [...consumer.excuses, ...excuses] });
  return {
    ...next,
    links: [...next.links, { from, to: provider, capability, because }],
    decisions: decision ? [...next.decisions, { ...decision, about: `${capability} of ${from}` }] : next.decisions,
  };
}

/** Whether `from` is `to`, or calls for it through whom it calls for. */
function reaches({ links }: State, from: string, to: string): boolean {
  return from === to || links.some((link) => link.from === from && reaches({ links } as State, link.to, to));
}

/** Everyone who waits for a part, directly or not. */
function callersOf(state: State, name: string): readonly string[] {
  return [...state.parts.keys()].filter((caller) => caller !== name && reaches(state, caller, name));
}

function usdOf({ hardware }: World, { parts }: State): number {
  return [...parts.values()].reduce((sum, { sized }) => sum + costOf(sized, hardware), 0);
}

/** Providers before their consumers, else by name. */
function inOrder({ parts, links }: State): readonly Sizing[] {
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
