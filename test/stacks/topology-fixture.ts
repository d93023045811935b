/** A system of two parts that uses every feature of a topology. */

import type { ProcessSet, Topology } from '../../stacks/topology.ts';

const base = {
  args: [],
  env: {},
  volumes: [],
  files: [],
  stop: { signal: 'SIGTERM', graceMs: 10_000 },
  resources: { cpuMillis: 250, memoryMiB: 256 },
  spread: true,
  dependsOn: [],
} as const;

const nodes: ProcessSet = {
  ...base,
  id: 'store-redis',
  part: 'store',
  program: { kind: 'engine', program: 'redis-server', image: 'redis:7.0' },
  replicas: 3,
  args: [
    { file: 'conf' },
    '--port',
    { ownPort: 'redis' },
    '--dir',
    { volume: 'data' },
    '--cluster-announce-ip',
    { ownHost: true },
    '--cluster-announce-hostname',
    { concat: ['node-', { ownOrdinal: true }, '.$(literal)'] },
  ],
  ports: [{ name: 'redis', containerPort: 6379, alsoReserveOffset: 10_000 }],
  volumes: [{ name: 'data', sizeGiB: 8 }],
  files: [{ name: 'conf', path: 'parts/store/redis.conf' }],
  readiness: { kind: 'redis', port: 'redis' },
  liveness: { kind: 'tcp', port: 'redis' },
};

const api: ProcessSet = {
  ...base,
  id: 'limiter-api',
  part: 'limiter',
  program: { kind: 'service', bundle: 'rate-limiter', entry: 'patterns/rate-limiter/service/src/main.ts' },
  replicas: 2,
  env: {
    HOST: { ownHost: true },
    PORT: { ownPort: 'http' },
    KV_NODES: { addressesOf: 'store-redis', port: 'redis' },
    POLICIES_FILE: { file: 'policies' },
  },
  ports: [{ name: 'http', containerPort: 8080, exposed: true }],
  files: [{ name: 'policies', path: 'parts/limiter/policies.yaml' }],
  readiness: { kind: 'http', port: 'http', path: '/readyz' },
  liveness: { kind: 'http', port: 'http', path: '/livez' },
  dependsOn: ['store-converge'],
};

export const store: Topology = {
  processSets: [nodes],
  jobs: [
    {
      id: 'store-converge',
      part: 'store',
      program: { kind: 'service', bundle: 'converge', entry: 'patterns/sharded-redis/service/src/converge.ts' },
      args: [],
      env: { NODES: { addressesOf: 'store-redis', port: 'redis' }, REPLICAS: '0' },
      leavingEnv: { name: 'LEAVING', set: 'store-redis', port: 'redis' },
      dependsOn: ['store-redis'],
      timeoutMs: 60_000,
    },
  ],
};

export const limiter: Topology = { processSets: [api], jobs: [] };

export const files: Readonly<Record<string, string>> = {
  'parts/store/redis.conf': 'appendonly yes\n',
  'parts/limiter/policies.yaml': 'policies: []\n',
};
