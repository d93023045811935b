/** Topology and ports → what to execute: every reference becomes a literal. Pure. */

import { join } from 'node:path';
import { sha256 } from '../../digest.ts';
import type { Job, Probe, ProcessSet, Program, SecretText, Topology, Value } from '../../pattern.ts';
import type { Instance } from '../deployment.ts';
import { type SecretValues, secretText } from '../secrets.ts';
import { controlPort, type Instruments, instrumented, proxyId, proxyPort, proxySet } from './instruments.ts';
import { logPathOf, type Paths, secretFilePath } from './paths.ts';
import { instanceId, type PortMap, reservedWith } from './ports.ts';
import { sidecarSet } from './sidecars.ts';

export const localHost = '127.0.0.1';

export type ResolvedProbe =
  | { readonly kind: 'http'; readonly port: number; readonly path: string }
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'redis'; readonly port: number; readonly tls?: ProbeTls };

export interface ProbeTls {
  /** Absolute path of the authority's certificate. */
  readonly caPath: string;
  readonly serverName: string;
}

/** A piece of a text that holds secrets: the record of what runs has their names only. */
export type PrivateText = string | SecretText;

/** What both instances and jobs execute. */
interface Execution {
  /** Absolute path of the executable. */
  readonly command: string;
  readonly args: readonly string[];
  /** Without what every process inherits. */
  readonly env: Readonly<Record<string, string>>;
  /** What the environment has beside that. */
  readonly secretEnv: Readonly<Record<string, SecretText>>;
  readonly cwd: string;
  readonly logPath: string;
  /** SHA-256 over the program, the files that it reads, and its secrets. */
  readonly content: string;
}

export interface InstanceSpec extends Execution, Omit<Instance, 'access'> {
  /** Port by name that others connect to, where it is not its own. */
  readonly reached?: Readonly<Record<string, number>>;
  /** Every port that it may listen on. */
  readonly reserved: readonly number[];
  /** Absolute paths of the volumes. */
  readonly volumes: readonly string[];
  /** Written before each start. */
  readonly secretFiles: readonly { readonly path: string; readonly parts: readonly PrivateText[] }[];
  /** What somebody who looks into it from outside needs. */
  readonly access: Readonly<Record<string, readonly PrivateText[]>>;
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
  readonly secrets: SecretValues;
  /** Null: nothing stands between the processes, and they start as they are. */
  readonly instruments: Instruments | null;
}

export function bundlePath(bundle: string): string {
  return `dist/${bundle}.mjs`;
}

export function resolveTopology(input: ResolveInput): Resolution {
  const instances = input.topology.processSets.flatMap((set) =>
    Array.from({ length: set.replicas }, (_, ordinal) => resolveInstance(input, set, ordinal)),
  );
  const { instruments } = input;
  return {
    instances: instruments === null ? instances : [proxySpec(input, instruments), ...instances],
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
  const secretFiles = (set.secretFiles ?? []).map(({ name, fileName, text }) => ({
    name,
    path: secretFilePath(cwd, fileName),
    parts: privateParts(id, text),
  }));
  const files = {
    ...Object.fromEntries(set.files.map(({ name, path }) => [name, join(input.paths.root, path)])),
    ...Object.fromEntries(secretFiles.map(({ name, path }) => [name, path])),
  };
  const offsets = Object.fromEntries(set.ports.map(({ name, alsoReserveOffset }) => [name, alsoReserveOffset ?? 0]));
  const { plain, secretEnv } = splitEnv(set.env);
  const text = (value: Value) => complete(value, { input, set: set.id, id, ports, offsets, ordinal, volumes, files });
  const { command, leading } = resolveProgram(input, set.program);
  const exposed = set.ports.find((port) => port.exposed === true);
  const execution = {
    command,
    args: [...leading, ...set.args.map(text)],
    env: mapValues(plain, text),
    cwd,
  };
  return {
    id,
    set: set.id,
    part: set.part,
    ordinal,
    kind: set.program.kind,
    host: localHost,
    ports,
    ...(input.instruments === null
      ? {}
      : { reached: Object.fromEntries(set.ports.map(({ name }) => [name, reachedPort(input, id, name, 0)])) }),
    reserved: set.ports.flatMap(({ name, alsoReserveOffset }) =>
      reservedWith(portOf(ports, id, name), alsoReserveOffset ?? 0),
    ),
    volumes: Object.values(volumes),
    ...(input.instruments === null ? execution : instrumented(execution, input.instruments)),
    secretEnv,
    secretFiles: secretFiles.map(({ path, parts }) => ({ path, parts })),
    access: mapValues(set.access ?? {}, (value) => privateParts(id, value)),
    logPath: logPathOf(input.paths, id),
    content: contentOf(input, {
      program: set.program,
      files: set.files.map(({ path }) => path),
      secrets: [...Object.values(secretEnv), ...secretFiles.flatMap(({ parts }) => parts)],
    }),
    readiness: resolveProbe(set.readiness, {
      port: (name) => portOf(ports, id, name),
      file: (name) => known(files[name], `${id} has no file ${name}`),
    }),
    stop: set.stop,
    endpoint: exposed ? `${set.readiness.kind}://${localHost}:${portOf(ports, id, exposed.name)}` : null,
  };
}

/** The fault proxy reads its routes from its folder, so that a new route does not make it another process. */
function proxySpec({ paths, ports, node }: ResolveInput, { proxyMain }: Instruments): InstanceSpec {
  const own = ports[proxyId] ?? {};
  const control = portOf(own, proxyId, controlPort);
  return {
    id: proxyId,
    set: proxySet,
    part: proxySet,
    ordinal: 0,
    kind: 'engine',
    host: localHost,
    ports: own,
    reserved: Object.values(own),
    volumes: [],
    command: node.path,
    args: [proxyMain, `${control}`, paths.dataDir],
    env: {},
    secretEnv: {},
    secretFiles: [],
    access: {},
    cwd: join(paths.dataDir, proxyId),
    logPath: logPathOf(paths, proxyId),
    content: node.version,
    readiness: { kind: 'tcp', port: control },
    stop: { signal: 'SIGTERM', graceMs: 2000 },
    endpoint: null,
  };
}

function resolveJob(input: ResolveInput, job: Job): JobSpec {
  const cwd = join(input.paths.dataDir, job.id);
  const text = (value: Value) =>
    complete(value, { input, set: job.id, id: job.id, ports: {}, offsets: {}, ordinal: 0, volumes: {}, files: {} });
  const { command, leading } = resolveProgram(input, job.program);
  const { plain, secretEnv } = splitEnv(job.env);
  return {
    id: job.id,
    part: job.part,
    command,
    args: [...leading, ...job.args.map(text)],
    env: mapValues(plain, text),
    secretEnv,
    cwd,
    logPath: logPathOf(input.paths, job.id),
    content: contentOf(input, { program: job.program, files: [], secrets: Object.values(secretEnv) }),
    leavingEnv: job.leavingEnv ?? null,
    timeoutMs: job.timeoutMs,
  };
}

interface SplitEnv {
  readonly plain: Readonly<Record<string, Value>>;
  readonly secretEnv: Readonly<Record<string, SecretText>>;
}

function splitEnv(env: Readonly<Record<string, Value>>): SplitEnv {
  const isSecret = (value: Value): value is SecretText => typeof value !== 'string' && 'secret' in value;
  const entries = Object.entries(env);
  return {
    plain: Object.fromEntries(entries.filter(([, value]) => !isSecret(value))),
    secretEnv: Object.fromEntries(entries.flatMap(([name, value]) => (isSecret(value) ? [[name, value]] : []))),
  };
}

/** Strings and secret texts, in order. */
function privateParts(id: string, value: Value): readonly PrivateText[] {
  if (typeof value === 'string' || 'secret' in value) return [value];
  if ('concat' in value) return value.concat.flatMap((part) => privateParts(id, part));
  throw new Error(`topology: ${id} has ${JSON.stringify(value)} in a text of strings and secrets`);
}

interface Scope {
  readonly input: ResolveInput;
  /** Of the process set, or the job. */
  readonly set: string;
  readonly id: string;
  readonly ports: Readonly<Record<string, number>>;
  /** Of the port that is reserved beside each. */
  readonly offsets: Readonly<Record<string, number>>;
  readonly ordinal: number;
  readonly volumes: Readonly<Record<string, string>>;
  /** Absolute path by name. */
  readonly files: Readonly<Record<string, string>>;
}

function complete(value: Value, scope: Scope): string {
  if (typeof value === 'string') return value;
  if ('concat' in value) return value.concat.map((part) => complete(part, scope)).join('');
  if ('addressesOf' in value) {
    return addressesOf(scope.input, value.addressesOf, value.port).join(value.separator ?? ',');
  }
  if ('ownPort' in value) return String(portOf(scope.ports, scope.id, value.ownPort));
  if ('reachedPort' in value) {
    const offset = value.beside ? (scope.offsets[value.reachedPort] ?? 0) : 0;
    return String(reachedPort(scope.input, scope.id, value.reachedPort, offset));
  }
  if ('ownHost' in value || 'ownName' in value || 'listenHost' in value) return localHost;
  if ('ownOrdinal' in value) return String(scope.ordinal);
  if ('secret' in value) throw new Error(`topology: ${scope.id} has a secret where everybody can see it`);
  if ('sidecar' in value) {
    const beside = instanceId(sidecarSet(scope.set, value.sidecar), scope.ordinal);
    return `${localHost}:${portOf(scope.input.ports[beside], beside, value.port)}`;
  }
  if ('volume' in value) return known(scope.volumes[value.volume], `${scope.id} has no volume ${value.volume}`);
  return known(scope.files[value.file], `${scope.id} has no file ${value.file}`);
}

function addressesOf(input: ResolveInput, set: string, port: string): readonly string[] {
  const found = known(
    input.topology.processSets.find(({ id }) => id === set),
    `no process set ${set}`,
  );
  return Array.from({ length: found.replicas }, (_, ordinal) => {
    const id = instanceId(set, ordinal);
    return `${localHost}:${reachedPort(input, id, port, 0)}`;
  });
}

/** The port that others connect to: the proxy's where one stands before it. */
function reachedPort({ ports, instruments }: ResolveInput, id: string, name: string, offset: number): number {
  const before = instruments === null ? undefined : proxyPort(ports, id, name, offset);
  return before ?? portOf(ports[id], id, name) + offset;
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

/** An engine's or node's upgrade, a new bundle, an edited file and another secret all count. */
function contentOf(
  input: ResolveInput,
  read: { readonly program: Program; readonly files: readonly string[]; readonly secrets: readonly PrivateText[] },
): string {
  const { program, files, secrets } = read;
  const version = program.kind === 'engine' ? input.engines[program.program]?.version : input.node.version;
  const paths = program.kind === 'engine' ? files : [bundlePath(program.bundle), ...files];
  const digests = paths.map((path) => known(input.digests[path], `no digest of ${path}`));
  // Nobody can guess 256 bits back from a digest of them.
  const texts = secrets.map((part) => (typeof part === 'string' ? part : secretText(input.secrets, part)));
  return sha256(JSON.stringify([version, digests, ...(texts.length > 0 ? [sha256(JSON.stringify(texts))] : [])]));
}

interface Named {
  readonly port: (name: string) => number;
  readonly file: (name: string) => string;
}

function resolveProbe(probe: Probe, named: Named): ResolvedProbe {
  const port = named.port(probe.port);
  if (probe.kind === 'http') return { kind: 'http', port, path: probe.path };
  if (probe.kind === 'tcp' || probe.tls === undefined) return { kind: probe.kind, port };
  const { ca, serverName } = probe.tls;
  return { kind: 'redis', port, tls: { caPath: named.file(ca), serverName } };
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, map: (value: V) => W): Readonly<Record<string, W>> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** A reference that names nothing is a defect of the pattern, not of the user's input. */
function known<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Error(`topology: ${otherwise}`);
  return value;
}
