/** Topology and ports → what to execute: every reference becomes a literal. Pure. */

import { join } from 'node:path';
import { sha256 } from '../../digest.ts';
import type { Job, Probe, ProcessSet, Program, Topology, Value } from '../../pattern.ts';
import { logPathOf, type Paths } from './paths.ts';
import { instanceId, type PortMap, reservedWith } from './ports.ts';

export const localHost = '127.0.0.1';

export type ResolvedProbe =
  | { readonly kind: 'http'; readonly port: number; readonly path: string }
  | { readonly kind: 'tcp' | 'redis'; readonly port: number };

/** What both instances and jobs execute. */
interface Execution {
  /** Absolute path of the executable. */
  readonly command: string;
  readonly args: readonly string[];
  /** Without what every process inherits. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logPath: string;
  /** SHA-256 over the program and the files that it reads. */
  readonly content: string;
}

export interface InstanceSpec extends Execution {
  readonly id: string;
  readonly set: string;
  readonly part: string;
  readonly ordinal: number;
  readonly kind: 'engine' | 'service';
  readonly host: string;
  readonly ports: Readonly<Record<string, number>>;
  /** Every port that it may listen on. */
  readonly reserved: readonly number[];
  /** Absolute paths of the volumes. */
  readonly volumes: readonly string[];
  readonly readiness: ResolvedProbe;
  readonly stop: ProcessSet['stop'];
  /** Base URL when the set is exposed. */
  readonly endpoint: string | null;
}

export interface JobSpec extends Execution {
  readonly id: string;
  readonly part: string;
  readonly leavingEnv: NonNullable<Job['leavingEnv']> | null;
  readonly timeoutMs: number;
}

export interface Resolution {
  readonly instances: readonly InstanceSpec[];
  readonly jobs: readonly JobSpec[];
}

export interface ResolveInput {
  readonly paths: Paths;
  readonly topology: Topology;
  readonly ports: PortMap;
  /** By program name. */
  readonly engines: Readonly<Record<string, { readonly path: string; readonly version: string }>>;
  /** The node that runs services. */
  readonly node: { readonly path: string; readonly version: string };
  /** SHA-256 of files, by path relative to the root: mounted files and bundles. */
  readonly digests: Readonly<Record<string, string>>;
}

export function bundlePath(bundle: string): string {
  return `dist/${bundle}.mjs`;
}

export function resolveTopology(input: ResolveInput): Resolution {
  return {
    instances: input.topology.processSets.flatMap((set) =>
      Array.from({ length: set.replicas }, (_, ordinal) => resolveInstance(input, set, ordinal)),
    ),
    jobs: input.topology.jobs.map((job) => resolveJob(input, job)),
  };
}

/** What makes a running process another one; a changed log path or grace does not. */
export function digestOf(spec: InstanceSpec | JobSpec): string {
  const env = Object.entries(spec.env).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([spec.command, spec.args, env, spec.cwd, spec.content]));
}

function resolveInstance(input: ResolveInput, set: ProcessSet, ordinal: number): InstanceSpec {
  const id = instanceId(set.id, ordinal);
  const cwd = join(input.paths.dataDir, id);
  const ports = input.ports[id] ?? {};
  const volumes = Object.fromEntries(set.volumes.map(({ name }) => [name, join(cwd, name)]));
  const files = Object.fromEntries(set.files.map(({ name, path }) => [name, path]));
  const text = (value: Value) => complete(value, { input, id, ports, ordinal, volumes, files });
  const { command, leading } = resolveProgram(input, set.program);
  const exposed = set.ports.find((port) => port.exposed === true);
  return {
    id,
    set: set.id,
    part: set.part,
    ordinal,
    kind: set.program.kind,
    host: localHost,
    ports,
    reserved: set.ports.flatMap(({ name, alsoReserveOffset }) =>
      reservedWith(portOf(ports, id, name), alsoReserveOffset ?? 0),
    ),
    volumes: Object.values(volumes),
    command,
    args: [...leading, ...set.args.map(text)],
    env: mapValues(set.env, text),
    cwd,
    logPath: logPathOf(input.paths, id),
    content: contentOf(input, set.program, Object.values(files)),
    readiness: resolveProbe(set.readiness, (name) => portOf(ports, id, name)),
    stop: set.stop,
    endpoint: exposed ? `${set.readiness.kind}://${localHost}:${portOf(ports, id, exposed.name)}` : null,
  };
}

function resolveJob(input: ResolveInput, job: Job): JobSpec {
  const cwd = join(input.paths.dataDir, job.id);
  const text = (value: Value) => complete(value, { input, id: job.id, ports: {}, ordinal: 0, volumes: {}, files: {} });
  const { command, leading } = resolveProgram(input, job.program);
  return {
    id: job.id,
    part: job.part,
    command,
    args: [...leading, ...job.args.map(text)],
    env: mapValues(job.env, text),
    cwd,
    logPath: logPathOf(input.paths, job.id),
    content: contentOf(input, job.program, []),
    leavingEnv: job.leavingEnv ?? null,
    timeoutMs: job.timeoutMs,
  };
}

interface Scope {
  readonly input: ResolveInput;
  readonly id: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly ordinal: number;
  readonly volumes: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

function complete(value: Value, scope: Scope): string {
  if (typeof value === 'string') return value;
  if ('concat' in value) return value.concat.map((part) => complete(part, scope)).join('');
  if ('addressesOf' in value) {
    return addressesOf(scope.input, value.addressesOf, value.port).join(value.separator ?? ',');
  }
  if ('ownPort' in value) return String(portOf(scope.ports, scope.id, value.ownPort));
  if ('ownHost' in value || 'ownName' in value || 'listenHost' in value) return localHost;
  if ('ownOrdinal' in value) return String(scope.ordinal);
  if ('secret' in value || 'sidecar' in value)
    throw new Error(`topology: ${scope.id} has ${JSON.stringify(value)} where only plain text may be`);
  if ('volume' in value) return known(scope.volumes[value.volume], `${scope.id} has no volume ${value.volume}`);
  return join(scope.input.paths.root, known(scope.files[value.file], `${scope.id} has no file ${value.file}`));
}

function addressesOf(input: ResolveInput, set: string, port: string): readonly string[] {
  const found = known(
    input.topology.processSets.find(({ id }) => id === set),
    `no process set ${set}`,
  );
  return Array.from({ length: found.replicas }, (_, ordinal) => {
    const id = instanceId(set, ordinal);
    return `${localHost}:${portOf(input.ports[id], id, port)}`;
  });
}

function portOf(ports: Readonly<Record<string, number>> | undefined, id: string, name: string): number {
  return known(ports?.[name], `${id} has no port ${name}`);
}

function resolveProgram(input: ResolveInput, program: Program): { command: string; leading: readonly string[] } {
  if (program.kind === 'engine') {
    return { command: known(input.engines[program.program], `no engine ${program.program}`).path, leading: [] };
  }
  return { command: input.node.path, leading: [join(input.paths.root, bundlePath(program.bundle))] };
}

/** An engine's or node's upgrade, a new bundle and an edited file all count. */
function contentOf(input: ResolveInput, program: Program, files: readonly string[]): string {
  const version = program.kind === 'engine' ? input.engines[program.program]?.version : input.node.version;
  const read = program.kind === 'engine' ? files : [bundlePath(program.bundle), ...files];
  return sha256(JSON.stringify([version, read.map((path) => known(input.digests[path], `no digest of ${path}`))]));
}

function resolveProbe(probe: Probe, port: (name: string) => number): ResolvedProbe {
  if (probe.kind === 'http') return { kind: 'http', port: port(probe.port), path: probe.path };
  return { kind: probe.kind, port: port(probe.port) };
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, map: (value: V) => W): Readonly<Record<string, W>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** A reference that names nothing is a defect of the pattern, not of the user's input. */
function known<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Error(`topology: ${otherwise}`);
  return value;
}
