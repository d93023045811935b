/** Sharded Redis as processes: redis-servers, the job that makes them one cluster, and the HTTP service. */

import type {
  Binding,
  Guarantees,
  Job,
  PartContext,
  Probe,
  ProcessSet,
  Sidecar,
  Topology,
  Value,
} from '../../src/pattern.ts';
import {
  accessFile,
  clientEnv,
  converger,
  observerAccess,
  secretFiles,
  secrets,
  serverName,
  tlsFiles,
} from './access.ts';
import type { StoreSizing } from './sizing.ts';

type Part = PartContext<StoreSizing>;

const redisPort = 'redis';
/** Three times the memory of a small machine: a volume that is outgrown takes work to enlarge. */
const leastVolumeGiB = 12;

export function topology(part: Part): Topology {
  const { sizing } = part;
  return {
    processSets: [redis(part), ...(sizing.apiInstances > 0 ? [api(part)] : [])],
    jobs: sizing.mode === 'store' ? [converge(part)] : [],
    secrets: secrets(part),
  };
}

export function connect(part: Part, guarantees: Guarantees, consumer: string): Readonly<Record<string, Binding>> {
  return { kv: { part: part.name, env: kvEnv(part, consumer), dependsOn: readyAfter(part), guarantees } };
}

const redisSet = (part: Part) => `${part.name}-redis`;
const convergeJob = (part: Part) => `${part.name}-converge`;
const nodesOf = (part: Part) => part.sizing.shards * (1 + part.sizing.replicasPerShard);

function readyAfter(part: Part): readonly string[] {
  return part.sizing.mode === 'store' ? [convergeJob(part)] : [redisSet(part)];
}

/** The kv capability's environment, as kit reads it. */
function kvEnv(part: Part, consumer: string): Readonly<Record<string, Value>> {
  const names = Array.from({ length: nodesOf(part) }, (_, ordinal) => `${redisSet(part)}-${ordinal}`);
  return {
    KV_MODE: part.sizing.mode === 'store' ? 'cluster' : 'ring',
    KV_NODES: { addressesOf: redisSet(part), port: redisPort },
    KV_NAMES: names.join(','),
    KV_TIMEOUT_MS: `${kvTimeoutMs(part)}`,
    ...clientEnv(part, consumer),
  };
}

/** Long enough for a redirect or two, short enough that a lost primary is told from a slow one. */
function kvTimeoutMs(part: Part): number {
  return Math.min(2000, Math.max(250, Math.round(part.requirements.latency.p99Ms * 10)));
}

function redis(part: Part): ProcessSet {
  const { sizing } = part;
  const cluster = sizing.mode === 'store';
  return {
    id: redisSet(part),
    part: part.name,
    program: { kind: 'engine', program: 'redis-server', image: 'redis:7.2.5-bookworm' },
    replicas: nodesOf(part),
    args: redisArgs(sizing),
    env: {},
    ports: [{ name: redisPort, containerPort: 6379, ...(cluster ? { alsoReserveOffset: 10_000 } : {}) }],
    volumes: [{ name: 'data', sizeGiB: Math.max(leastVolumeGiB, Math.ceil((sizing.maxmemoryMiB * 3) / 1024)) }],
    files: [{ name: 'config', path: `parts/${part.name}/redis.conf` }],
    secretFiles: secretFiles(part),
    access: observerAccess(part),
    readiness: redisProbe(part),
    liveness: redisProbe(part),
    // Redis itself waits up to 10 s for its replicas when it is told to stop.
    stop: { signal: 'SIGTERM', graceMs: 15_000 },
    resources: { cpuMillis: 1000, memoryMiB: sizing.memoryMiBPerProcess },
    dependsOn: [],
    spread: true,
  };
}

function redisProbe(part: Part): Probe {
  const tls = part.sizing.tls ? { tls: { ca: tlsFiles.ca, serverName: serverName(part) } } : {};
  return { kind: 'redis', port: redisPort, ...tls };
}

function redisArgs(sizing: StoreSizing): readonly Value[] {
  const port: readonly Value[] = sizing.tls
    ? ['--port', '0', '--tls-port', { ownPort: redisPort }, ...tlsArgs]
    : ['--port', { ownPort: redisPort }];
  const address: readonly Value[] = ['--include', { file: accessFile }, ...port, '--bind', { listenHost: true }];
  const own: readonly Value[] = ['--dir', { volume: 'data' }, '--maxmemory', `${sizing.maxmemoryMiB}mb`];
  const cluster: readonly Value[] = [
    '--cluster-node-timeout',
    `${sizing.nodeTimeoutMs}`,
    '--cluster-announce-ip',
    { ownHost: true },
    sizing.tls ? '--cluster-announce-tls-port' : '--cluster-announce-port',
    { reachedPort: redisPort },
    '--cluster-announce-bus-port',
    { reachedPort: redisPort, beside: true },
    '--repl-timeout',
    `${replTimeoutSeconds(sizing)}`,
    // Kept in the node's own record: where addresses change, the name tells who somebody was.
    '--cluster-announce-hostname',
    { ownName: true },
  ];
  return [{ file: 'config' }, ...address, ...own, ...(sizing.mode === 'store' ? cluster : [])];
}

const tlsArgs: readonly Value[] = [
  '--tls-ca-cert-file',
  { file: tlsFiles.ca },
  '--tls-cert-file',
  { file: tlsFiles.certificate },
  '--tls-key-file',
  { file: tlsFiles.key },
];

/** A silent link is given up as soon as a silent server would be: until then no write that waits for it is acknowledged. */
function replTimeoutSeconds({ nodeTimeoutMs }: StoreSizing): number {
  return Math.max(3, Math.ceil(nodeTimeoutMs / 1000));
}

function converge(part: Part): Job {
  const { sizing } = part;
  const timeoutMs = 120_000;
  return {
    id: convergeJob(part),
    part: part.name,
    program: {
      kind: 'service',
      bundle: 'sharded-redis-converge',
      entry: 'patterns/sharded-redis/service/src/converge.ts',
    },
    args: [],
    env: {
      NODES: { addressesOf: redisSet(part), port: redisPort },
      REPLICAS: `${sizing.replicasPerShard}`,
      NODE_TIMEOUT_MS: `${sizing.nodeTimeoutMs}`,
      TIMEOUT_MS: `${timeoutMs - 10_000}`,
      ...clientEnv(part, converger),
    },
    leavingEnv: { name: 'LEAVING', set: redisSet(part), port: redisPort },
    dependsOn: [redisSet(part)],
    // A kv client looks for the owners of the slots until it has found them.
    dependantsWait: true,
    timeoutMs,
  };
}

function api(part: Part): ProcessSet {
  const { sizing } = part;
  return {
    id: `${part.name}-api`,
    part: part.name,
    program: { kind: 'service', bundle: 'sharded-redis', entry: 'patterns/sharded-redis/service/src/main.ts' },
    replicas: sizing.apiInstances,
    args: [],
    env: {
      HOST: { listenHost: true },
      PORT: { ownPort: 'http' },
      LOG_LEVEL: 'info',
      WAIT_REPLICAS: `${sizing.waitReplicas}`,
      WAIT_TIMEOUT_MS: `${sizing.waitTimeoutMs}`,
      ...(sizing.ambassador ? ambassadorEnv(part) : kvEnv(part, 'user')),
    },
    ports: [{ name: 'http', containerPort: 8080, exposed: true }],
    volumes: [],
    files: [],
    ...(sizing.ambassador ? { sidecars: [ambassador(part)] } : {}),
    readiness: { kind: 'http', port: 'http', path: '/readyz' },
    liveness: { kind: 'http', port: 'http', path: '/livez' },
    stop: { signal: 'SIGTERM', graceMs: 15_000 },
    resources: { cpuMillis: 1000, memoryMiB: 256 },
    dependsOn: readyAfter(part),
    spread: true,
  };
}

/** To the service, the ambassador is a ring of one server, which lets in whoever reaches it. */
function ambassadorEnv(part: Part): Readonly<Record<string, Value>> {
  return {
    KV_MODE: 'ring',
    KV_NODES: { sidecar: ambassadorName, port: redisPort },
    KV_NAMES: ambassadorName,
    // Longer than the ambassador's own, so that its answer is heard.
    KV_TIMEOUT_MS: `${kvTimeoutMs(part) + 250}`,
  };
}

const ambassadorName = 'ambassador';

function ambassador(part: Part): Sidecar {
  const entry = 'patterns/sharded-redis/service/src/ambassador.ts';
  return {
    name: ambassadorName,
    program: { kind: 'service', bundle: 'sharded-redis-ambassador', entry },
    args: [],
    env: {
      HOST: { ownHost: true },
      PORT: { ownPort: 'health' },
      REDIS_PORT: { ownPort: redisPort },
      LOG_LEVEL: 'info',
      ...kvEnv(part, 'user'),
    },
    ports: [
      { name: redisPort, containerPort: 6379 },
      { name: 'health', containerPort: 8081 },
    ],
    readiness: { kind: 'http', port: 'health', path: '/readyz' },
    stop: { signal: 'SIGTERM', graceMs: 15_000 },
    resources: { cpuMillis: 500, memoryMiB: 192 },
  };
}
