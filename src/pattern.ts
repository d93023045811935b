/** What templates/<pattern>/ imports of src: the contract of a pattern, and nothing else of src. */

import type { Json, Topology, Value } from '../stacks/topology.ts';
import type { Requirements } from './requirements/requirements.ts';

export type * from '../stacks/topology.ts';
export type * from './bench/generator/workload.ts';
export type * from './checkers/invariant.ts';
export type { Instance } from './deploy/deployment.ts';
export type { KeySkew } from './key-skew.ts';
export type { FaultKind } from './requirements/faults.ts';
export type { ConsistencyLevel, Interval, OperationsEffort, Requirements } from './requirements/requirements.ts';

/** Where a figure comes from: a documented guess, someone's publication, or a measurement on the user's system. */
export type Source = 'prior' | 'published' | 'measured';

export interface ServiceTime {
  readonly meanUs: number;
  /** Where the mean surely lies: a confidence interval of 95 % where it was measured; absent: by its source. */
  readonly lowUs?: number;
  readonly highUs?: number;
  /** Squared coefficient of variation of the service time: 1 exponential, 0 constant. */
  readonly scv: number;
  readonly source: Source;
  /** Where the figure was read or measured. */
  readonly citation: string;
}

/** How long something was away after a fault, as benches saw it. */
export interface Downtime {
  /** From the fault to the last request that failed, with its 95 % confidence interval. */
  readonly meanMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly samples: number;
  /** What the plan took it to be, of the system on which it was measured. */
  readonly plannedMs: number;
  /** Where it was measured, and when. */
  readonly citation: string;
}

/** One machine size on offer. */
export interface Machine {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryGiB: number;
  readonly usdPerMonth: number;
  /** What its network carries for hours, each way; absent: never the bottleneck. */
  readonly networkGbps?: number;
}

export interface Hardware {
  readonly machines: readonly Machine[];
  /** Round trip between two machines of one zone, between zones. */
  readonly roundTripMs: { readonly sameZone: number; readonly crossZone: number };
  /** p99 of a file's fsync. */
  readonly diskSyncMs: number;
  /** Probability that one machine is down at a moment. */
  readonly machineUnavailability: number;
  /** Mean time until a machine that is down is back or replaced. */
  readonly machineRepairMs: number;
  readonly prices: { readonly source: string; readonly date: string };
}

/** Interfaces between parts, by name (`kv`, …): what one part offers and another asks for. */
export interface Guarantees {
  /** Keys are dropped when memory is full. */
  readonly evicts: boolean;
  /** `none`: a restart is empty; `disk`: an append-only file. */
  readonly durability: 'none' | 'disk';
  /** Copies of each key beyond the first. */
  readonly replicas: number;
  /** Scripts run atomically over keys of one hash tag. */
  readonly atomicScripts: boolean;
  /** The client can wait for a replica's acknowledgement before it answers. */
  readonly waitsForReplica: boolean;
  /** A single fault's loss of acknowledged writes, in ms before the fault, without waiting for a replica. */
  readonly failoverLossMs: number;
  /** How long a key is unavailable when its machine is lost. */
  readonly failoverMs: number;
  /** Nobody on the network can read or change what is said. */
  readonly encrypted: boolean;
}

/** Who asks a capability for what. The user's own use is a demand too, `from: 'user'`. */
export interface Demand {
  readonly capability: string;
  /** A part's name, or `user`. */
  readonly from: string;
  /** At peak, high bound of the interval. */
  readonly readPerSecond: number;
  readonly writePerSecond: number;
  readonly payloadBytes: number;
  readonly totalMiB: number;
  /** Values or entries that are kept at once; absent: `totalMiB` of `payloadBytes` each. */
  readonly keys?: number;
  /** Server time of one write ÷ that of a plain write of the payload; absent: 1. A script takes more. */
  readonly writeCost?: number;
  /** Its keys move between shards in this many pieces of equal load; absent: each key by itself. */
  readonly pieces?: number;
  /** The share of the p99 that the provider may use. */
  readonly p99Ms: number;
  /** Processes that connect, each to every server; 1 unless given. */
  readonly clients?: number;
  /** What it does there, so that it may do no more: prefixes of its keys, and the commands that its scripts call. */
  readonly uses?: { readonly keyPrefixes: readonly string[]; readonly scriptCommands: readonly string[] };
  /** Each named guarantee must be met: booleans and names equal, `replicas` at least, the *Ms at most. */
  readonly guarantees: Partial<Guarantees>;
}

/** What did not fit, and why: a value, never an exception. */
export interface Excuse {
  /** What was rejected: `<pattern>` or `<pattern>: <variant>`. */
  readonly option: string;
  readonly reason: string;
  /** The resource or requirement that it broke on. */
  readonly bottleneck: string;
  readonly numbers: Readonly<Record<string, number>>;
  /** Of the worlds that unsure answers leave open, those in which it was rejected for this; absent: there is but one. */
  readonly worlds?: { readonly rejectedIn: number; readonly of: number };
  /** The requirement (dsp.yaml key) to relax, and the value from which on it fits, where that is known. */
  readonly relax?: { readonly key: string; readonly to: Json };
}

/** Why something is as it is: one line with the number that decided it. */
export interface Decision {
  readonly about: string;
  readonly chosen: string;
  readonly because: string;
  readonly numbers: Readonly<Record<string, number>>;
  /** The dsp.yaml keys that it follows from. */
  readonly from: readonly string[];
  readonly source?: Source;
}

/** What the plan expects to be measured. `margin` = bound ÷ predicted (≥ 1 fits); the least is shown. */
export interface Prediction {
  readonly metric: string;
  readonly predicted: number;
  readonly bound: number;
  readonly unit: string;
  readonly margin: number;
}

export interface SizeInput {
  readonly requirements: Requirements;
  /** The capability demands that this part is to serve; empty for a part that offers none. */
  readonly demands: readonly Demand[];
  /** This pattern's answers, validated by its questions: `requirements.options[need]` with defaults filled in. */
  readonly options: Readonly<Record<string, Json>>;
  readonly hardware: Hardware;
  /** Measured service times by name, which replace the pattern's priors. */
  readonly measured: Readonly<Record<string, ServiceTime>>;
  /** Measured on a part of this name, by `<fault kind>:<role>`; absent: nothing was. */
  readonly downtimes?: Readonly<Record<string, Downtime>>;
}

/** A part's size as the plan keeps it: JSON that the pattern itself reads back. */
export interface Sized<S extends Json> {
  readonly kind: 'sized';
  readonly sizing: S;
  /** Machines it needs by name of {@link Machine}. */
  readonly machines: readonly { readonly machine: string; readonly count: number; readonly for: string }[];
  /** What it asks of other parts. `from` is filled in by the planner. */
  readonly demands: readonly Omit<Demand, 'from'>[];
  readonly decisions: readonly Decision[];
  readonly predictions: readonly Prediction[];
  readonly rejected: readonly Excuse[];
  /** What it offers under each capability it provides, once sized so. */
  readonly guarantees: Readonly<Record<string, Guarantees>>;
}

/** No variant fits: every one with its excuse, the nearest first. */
export interface Unsized {
  readonly kind: 'unsized';
  readonly rejected: readonly [Excuse, ...Excuse[]];
}

/**
 * CPU that a part's processes take for its load: by it a machine's capacity is predicted, and service times are told
 * apart when they are measured.
 */
export interface Work {
  /** A name of {@link Pattern.serviceTimes}. */
  readonly time: string;
  /** The process set that does it, and of its instances those that have this role now (see FaultTarget); absent: all. */
  readonly set: string;
  readonly role?: string;
  /** Of those, as the sizing has them. */
  readonly instances: number;
  /** Service times a second, all of them together. */
  readonly visitsPerSecond: number;
  /** CPU beside the visits, e.g. for the bytes of values: µs a second. */
  readonly extraUsPerSecond: number;
  /** The share of it on the busiest instance. */
  readonly busiestShare: number;
}

/** What can be done about keys that are asked for so often that their shard is loaded above the others. */
export interface Remedy {
  readonly name: string;
  /** What is to be done, in one sentence. */
  readonly how: string;
  /** Load of the busiest shard then, 0 to 1. */
  readonly busiestLoad: number;
  /** What the part's machines cost then, and how much more that is than without the remedy as it is planned. */
  readonly usdPerMonth: number;
  readonly addsUsdPerMonth: number;
  /** What it may do to those who use the part. */
  readonly risk: string;
}

export interface HotKey {
  /** Share of the requests that go to the hottest key, 0 to 1, and the exponent of Zipf's law that gives it so much. */
  readonly share: number;
  readonly exponent: number;
  /** Load of the shard that it is on, with the planned number of shards. */
  readonly busiestLoad: number;
  /** What carries it with more shards or machines alone; null: none do, for one key is on one shard. */
  readonly usdPerMonth: number | null;
  /** Cheapest first. */
  readonly remedies: readonly Remedy[];
  readonly rejected: readonly Excuse[];
}

/** What a part is asked for in some moment, at the deployment's scale. */
export interface WorkLoad {
  /** Its own operations per second, by operation. */
  readonly offered: Readonly<Record<string, number>>;
  /** Of other parts, their rates as they are in that moment. */
  readonly demands: readonly Demand[];
}

/** How a consumer reaches a provider: environment for the consumer's processes, by the capability's convention in kit. */
export interface Binding {
  readonly part: string;
  readonly env: Readonly<Record<string, Value>>;
  /** Ids that must be ready or done before the consumer starts. */
  readonly dependsOn: readonly string[];
  readonly guarantees: Guarantees;
}

/** A question of the interview that only this pattern asks. */
export interface Question {
  readonly key: string;
  readonly ask: string;
  /** One line: which decision it feeds. */
  readonly feeds: string;
  readonly type:
    | {
        readonly kind: 'number';
        readonly min: number;
        readonly max: number;
        readonly integer: boolean;
        readonly unit: string;
      }
    | { readonly kind: 'choice'; readonly choices: readonly { readonly value: string; readonly words: string }[] }
    | { readonly kind: 'confirm' };
  /** What "don't know" and --yes take. */
  readonly prior: Json;
  readonly priorSource: string;
  /** Nobody is asked and nobody misses it: it takes its prior, and stands in dsp.yaml to be changed. */
  readonly unasked?: true;
}

export interface PartContext<S extends Json> {
  /** The part's name in the plan, e.g. `store`; its files are in parts/<name>/. */
  readonly name: string;
  readonly sizing: S;
  readonly requirements: Requirements;
  readonly options: Readonly<Record<string, Json>>;
  /** By capability. */
  readonly bindings: Readonly<Record<string, Binding>>;
}

/** A file written once a part, under parts/<part>/: a Handlebars template of the pattern's config/ and its typed values. */
export interface PartFile {
  /** Relative to parts/<part>/. */
  readonly path: string;
  /** Relative to templates/<pattern>/config/. */
  readonly template: string;
  readonly values: Readonly<Record<string, Json>>;
  /** `yours` files are written once and never touched again. */
  readonly ownership: 'generated' | 'yours';
}

export interface Pattern<S extends Json = Json> {
  /** Folder under templates/. */
  readonly id: string;
  readonly title: string;
  /** The user's words for it, and the id they have in dsp.yaml. */
  readonly need: { readonly id: string; readonly words: string };
  /** The part's name in the plan. */
  readonly partName: string;
  readonly provides: readonly string[];
  /** Sections of the requirements that the pattern reads, so that the interview asks no more: `data`, `consistency`, … */
  readonly reads: readonly string[];
  readonly questions: readonly Question[];
  /** The part's own demand when the user asked for it directly and it provides a capability. */
  userDemand?(requirements: Requirements): Omit<Demand, 'from'>;
  size(input: SizeInput): Sized<S> | Unsized;
  /**
   * The least sizing of the same structure (every relation of shards, replicas and quorums kept), for
   * `scale` (0 < scale ≤ 1) of the rates and amounts on one machine. At scale 1 what does not fit stays as it is.
   */
  local(sizing: S, scale: number): S;
  /** What one machine must have to run this sizing, by which the local scale is chosen. */
  footprint(sizing: S): { readonly cpus: number; readonly memoryMiB: number };
  /**
   * What can be added and taken away while it serves, by name: from a sizing and how many more (0: as many as make a
   * difference) the sizing then; null where it cannot be. `--fault scale:<part>.<name>` does so under load.
   */
  readonly scales?: Readonly<Record<string, (sizing: S, by: number) => S | null>>;
  /**
   * What to do about the hottest key of a part of that sizing: by its measured share of the requests, or null for what the
   * requirements say of it. Null where no key is hot.
   */
  hotKey?(input: SizeInput, sizing: S, share: number | null): HotKey | null;
  topology(part: PartContext<S>): Topology;
  /** By capability provided, for the part called `consumer`. */
  connect(part: PartContext<S>, guarantees: Guarantees, consumer: string): Readonly<Record<string, Binding>>;
  files(part: PartContext<S>): readonly PartFile[];
  /** `[file relative to templates/<pattern>/, default export class or function]` and its JSON arguments: the Pulumi component of the part. */
  stack(part: PartContext<S>): {
    readonly module: string;
    readonly construct: string;
    readonly args: Readonly<Record<string, Json>>;
  };
  /** Service times by name, as they are taken where nobody has measured them. */
  readonly serviceTimes: Readonly<Record<string, ServiceTime>>;
  /** Each set's work for that load; `part.sizing` is that of the deployment. */
  work(part: PartContext<S>, load: WorkLoad): readonly Work[];
  /** Rates that the bench offers to the part, per second at peak, by operation; at scale 1. */
  offeredLoad(part: PartContext<S>): Readonly<Record<string, number>>;
  /** Modules relative to templates/<pattern>/ (without extension), loaded only by the bench. */
  readonly workloadModule: string;
  readonly invariantsModule: string;
  /**
   * Ways to put load on the part beside its exposed port, by the name that `dsp bench --via` takes, which is the protocol's:
   * the module of that workload, and the process set (without the part's name before it) and port that it goes to. The
   * instances' `access` names the client (loadUser, loadPassword) and whom it trusts (ca, serverName).
   */
  readonly loadVia?: Readonly<Partial<Record<'redis', LoadVia>>>;
}

export interface LoadVia {
  readonly workloadModule: string;
  readonly set: string;
  readonly port: string;
}

/** Identity that checks the shape and keeps the sizing's type. */
export function definePattern<S extends Json>(pattern: Pattern<S>): Pattern<S> {
  return pattern;
}

/** The patterns that dsp knows, in the order the interview shows them. */
// biome-ignore lint/suspicious/noExplicitAny: a catalogue holds patterns of different sizings; each reads back only its own.
export type Catalogue = readonly Pattern<any>[];
