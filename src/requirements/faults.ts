/**
 * What the user writes for a fault, on the command line and in dsp.yaml:
 *
 *     <kind>:<part>.<role>[,<parameter>=<value>…]     one fault
 *     <fault>+<fault>                                 at once, or overlapping: each has its own atMs
 *
 * Which parts and roles there are is the deployment's to say.
 */

import { nearest } from './nearest.ts';

export const faultKinds = [
  'kill',
  'pause',
  'restart',
  'power',
  'rolling-restart',
  'latency',
  'reset',
  'half-open',
  'partition',
  'clock',
  'disk-full',
  'scale',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/**
 * A change that is made to a running system and takes as long as it takes: what counts is whether anything still fails
 * once it is made.
 */
export function isChange(kind: FaultKind): boolean {
  return kind === 'scale' || kind === 'rolling-restart';
}

/** It hits again and again until it is healed: what counts is whether anything still fails after the last time. */
export function recurs(kind: FaultKind): boolean {
  return kind === 'reset';
}

export interface FaultSpec {
  readonly kind: FaultKind;
  readonly part: string;
  /** As the part's pattern names it: `primary`, `instance`; of a `scale`, what there will be more of. */
  readonly role: string;
  /** From hit to heal; null: as long as the bench thinks right. */
  readonly forMs: number | null;
  /** From the beginning of the fault phase; matters where several are joined. */
  readonly atMs: number;
  /** latency: added each way, and up to how much more by chance. */
  readonly ms: number;
  readonly jitterMs: number;
  /** reset: how often. */
  readonly everyMs: number;
  /** Whose connections with it: all, those of its own set, or those of everybody else. */
  readonly among: 'all' | 'peers' | 'clients';
  /** partition: what runs to it, what comes from it, or both. */
  readonly way: 'both' | 'in' | 'out';
  /** clock: how far; negative: back. */
  readonly stepMs: number;
  /** scale: how many more; 0: what the pattern thinks right. */
  readonly by: number;
  /** As it was written, without what only repeats a default. */
  readonly text: string;
}

type Parameter =
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly prior: number | null }
  | { readonly kind: 'choice'; readonly choices: readonly string[]; readonly prior: string };

const duration = (prior: number | null): Parameter => ({ kind: 'number', min: 0, max: 600_000, prior });
const dayMs = 86_400_000;

const parameters = {
  forMs: duration(null),
  atMs: duration(0),
  ms: duration(100),
  jitterMs: duration(0),
  everyMs: { kind: 'number', min: 10, max: 600_000, prior: 1000 },
  among: { kind: 'choice', choices: ['all', 'peers', 'clients'], prior: 'all' },
  way: { kind: 'choice', choices: ['both', 'in', 'out'], prior: 'both' },
  stepMs: { kind: 'number', min: -365 * dayMs, max: 365 * dayMs, prior: 3_600_000 },
  by: { kind: 'number', min: 0, max: 100, prior: 0 },
} as const satisfies Readonly<Record<string, Parameter>>;
type ParameterName = keyof typeof parameters;

const common: readonly ParameterName[] = ['forMs', 'atMs'];
const own: Readonly<Record<FaultKind, readonly ParameterName[]>> = {
  kill: [],
  pause: [],
  restart: [],
  power: [],
  'rolling-restart': [],
  latency: ['ms', 'jitterMs', 'among'],
  reset: ['everyMs', 'among'],
  'half-open': ['among'],
  partition: ['way', 'among'],
  clock: ['stepMs'],
  'disk-full': [],
  scale: ['by'],
};

const form = /^(?<kind>[a-z-]+):(?<part>[a-z][a-z0-9-]*)\.(?<role>[a-z][a-z0-9-]*)(?<rest>(,[^,]*)*)$/;

/** The fault, or what is wrong with the text. */
export function readFault(text: string): FaultSpec | { readonly problem: string } {
  const found = form.exec(text)?.groups;
  if (found === undefined) return { problem: 'is no <kind>:<part>.<role>[,<parameter>=<value>…]' };
  const { kind = '', part = '', role = '', rest = '' } = found;
  if (!isKind(kind))
    return { problem: `is of no kind that there is${meant(kind, faultKinds)}: ${faultKinds.join(', ')}` };
  const known = [...common, ...own[kind]];
  const given: Partial<Record<ParameterName, number | string>> = {};
  for (const pair of rest.split(',').slice(1)) {
    const [name = '', value] = pair.split('=', 2);
    if (!isOneOf(known, name))
      return { problem: `has ${JSON.stringify(name)}${meant(name, known)}; ${kind} takes ${known.join(', ')}` };
    const read = readParameter(parameters[name], value ?? '');
    if (typeof read === 'object') return { problem: `has ${name}=${value ?? ''}; it takes ${read.takes}` };
    if (read !== parameters[name].prior) given[name] = read;
    else delete given[name];
  }
  const written = Object.entries(given).map(([name, value]) => `,${name}=${value}`);
  const priors = Object.fromEntries(Object.entries(parameters).map(([name, { prior }]) => [name, prior]));
  return { ...priors, ...given, kind, part, role, text: `${kind}:${part}.${role}${written.join('')}` } as FaultSpec;
}

/** The faults of one phase, or what is wrong with the text. */
export function readFaults(text: string): readonly FaultSpec[] | { readonly problem: string } {
  const specs: FaultSpec[] = [];
  for (const one of text.split('+')) {
    const spec = readFault(one.trim());
    if ('problem' in spec) return spec;
    specs.push(spec);
  }
  return specs;
}

/** From the least to the most, each with those before it. */
type Reach = 'none' | 'network' | 'power' | 'clock';

/** What the deployment must let faults reach for it. */
function reachOf({ kind }: FaultSpec): Reach {
  if (kind === 'clock' || kind === 'power') return kind;
  return ['latency', 'reset', 'half-open', 'partition', 'disk-full'].includes(kind) ? 'network' : 'none';
}

/** What the faults of all phases need at least. */
export function reachOfPhases(phases: readonly string[]): Reach {
  const specs = phases.map(readFaults).flatMap((found) => ('problem' in found ? [] : found));
  const reached = specs.map(reachOf);
  return (['clock', 'power', 'network'] as const).find((reach) => reached.includes(reach)) ?? 'none';
}

function readParameter(parameter: Parameter, text: string): number | string | { readonly takes: string } {
  if (parameter.kind === 'choice') {
    return parameter.choices.includes(text) ? text : { takes: parameter.choices.join(', ') };
  }
  const value = Number(text);
  const fits = /^-?\d+$/.test(text) && value >= parameter.min && value <= parameter.max;
  return fits ? value : { takes: `a whole number from ${parameter.min} to ${parameter.max}` };
}

function isKind(text: string): text is FaultKind {
  return isOneOf(faultKinds, text);
}

function isOneOf<T extends string>(all: readonly T[], text: string): text is T {
  return (all as readonly string[]).includes(text);
}

function meant(given: string, known: readonly string[]): string {
  const found = nearest(given, known);
  return found === null ? '' : ` (${found}?)`;
}
