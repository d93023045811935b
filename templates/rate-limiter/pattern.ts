/** A distributed rate limiter: stateless instances over a kv store, exact through a single fault. */

import { definePattern, type PartContext, type ProcessSet, type Topology } from '../../src/pattern.ts';
import { chunkFor, serviceTimePriors } from './capacity.ts';
import { type LimiterSizing, leastInstances, size } from './size.ts';

const maxLimit = 1_000_000;
const dayMs = 86_400_000;

export default definePattern<LimiterSizing>({
  id: 'rate-limiter',
  title: 'Rate limiter',
  need: { id: 'limit-callers', words: 'limit callers' },
  partName: 'limiter',
  provides: [],
  reads: ['rate', 'latency', 'availability', 'loss', 'cost', 'operations'],
  questions: [
    {
      key: 'limit',
      ask: 'How many requests may one caller make in a period?',
      feeds: 'the limiter’s rate and burst',
      type: { kind: 'number', min: 2, max: maxLimit, integer: true, unit: 'requests' },
      prior: 100,
      priorSource: 'a common public API’s limit',
    },
    {
      key: 'periodMs',
      ask: 'How long is that period?',
      feeds: 'the limiter’s rate',
      type: { kind: 'number', min: 100, max: dayMs, integer: true, unit: 'ms' },
      prior: 60_000,
      priorSource: 'limits are usually said for a minute',
    },
    {
      key: 'hardCap',
      ask: 'Is the limit a hard cap for every window of that length?',
      feeds:
        'how the limit is split: a hard cap keeps burst + refill within it, else a full burst may precede a full refill',
      type: { kind: 'confirm' },
      prior: false,
      priorSource: 'most limits protect a service and count no contract',
    },
    {
      key: 'allowedErrorPercent',
      ask: 'By how much may a caller pass the limit, in percent of it (0: never)?',
      feeds: 'whether every check asks the store, or instances lease units and decide most checks themselves',
      type: { kind: 'number', min: 0, max: 100, integer: true, unit: '%' },
      prior: 0,
      priorSource: 'the exact choice',
    },
    {
      key: 'onStoreFailure',
      ask: 'While the counters cannot be reached, callers are …',
      feeds: 'what the limiter answers during a failover',
      type: {
        kind: 'choice',
        choices: [
          { value: 'closed', words: 'denied: the limit holds' },
          { value: 'open', words: 'admitted: the service stays open' },
          { value: 'local', words: 'limited by each instance on its own' },
        ],
      },
      prior: 'closed',
      priorSource: 'the exact choice',
      unasked: true,
    },
    {
      key: 'minInstances',
      ask: 'At least how many instances?',
      feeds: 'a floor under the number of instances, to grow ahead of the load',
      type: { kind: 'number', min: leastInstances, max: 100, integer: true, unit: 'instances' },
      prior: leastInstances,
      priorSource: 'the planner’s own number is enough, and never less than two',
      unasked: true,
    },
    {
      key: 'tls',
      ask: 'Is what instances and counters say to each other to be encrypted?',
      feeds: 'whether the store of the counters speaks TLS',
      type: { kind: 'confirm' },
      prior: false,
      priorSource: 'the network between the machines is trusted with what they say',
      unasked: true,
    },
  ],
  size,
  local,
  footprint: (sizing) => ({
    cpus: (sizing.checksPerSecond * serviceTimePriors['limiter.check'].meanUs) / 1e6 + sizing.instances * 0.01,
    memoryMiB: sizing.instances * 90,
  }),
  scales: {
    instances: (sizing, by) => withInstances(sizing, sizing.instances + (by > 0 ? by : sizing.instances)),
  },
  topology,
  connect: () => ({}),
  files: ({ sizing }) => [
    {
      path: 'policies.yaml',
      template: 'policies.yaml.hbs',
      values: { ...sizing.policy, onStoreFailure: sizing.onStoreFailure },
      ownership: 'generated',
    },
  ],
  stack: () => ({ module: 'stack.ts', construct: 'RateLimiter', args: {} }),
  serviceTimes: serviceTimePriors,
  work: ({ name, sizing }, { offered }) => [
    {
      time: 'limiter.check',
      set: `${name}-api`,
      instances: sizing.instances,
      visitsPerSecond: offered.check ?? 0,
      extraUsPerSecond: 0,
      busiestShare: 1 / sizing.instances,
    },
  ],
  offeredLoad: ({ sizing: { checksPerSecond: check } }): Readonly<Record<string, number>> =>
    check > 0 ? { check } : {},
  workloadModule: 'workload',
  invariantsModule: 'invariants',
});

/** Two instances are the structure: what they share is what must be right. */
function local(sizing: LimiterSizing, scale: number): LimiterSizing {
  if (scale >= 1) return sizing;
  const instances = Math.min(sizing.instances, Math.max(2, Math.round(sizing.instances * scale)));
  return { ...withInstances(sizing, instances), checksPerSecond: sizing.checksPerSecond * scale };
}

/** Instances share what they may lease in all. */
function withInstances(sizing: LimiterSizing, instances: number): LimiterSizing {
  const leaseChunk = sizing.leaseChunk === 0 ? 0 : chunkFor(sizing.policy, instances);
  return { ...sizing, instances, leaseChunk };
}

function topology(part: PartContext<LimiterSizing>): Topology {
  return { processSets: [api(part)], jobs: [] };
}

function api({ name, sizing, bindings }: PartContext<LimiterSizing>): ProcessSet {
  return {
    id: `${name}-api`,
    part: name,
    program: { kind: 'service', bundle: 'rate-limiter', entry: 'patterns/rate-limiter/service/src/main.ts' },
    replicas: sizing.instances,
    args: [],
    env: {
      HOST: { listenHost: true },
      PORT: { ownPort: 'http' },
      LOG_LEVEL: 'info',
      POLICIES_FILE: { file: 'policies' },
      BUCKETS: `${sizing.buckets}`,
      WAIT_REPLICAS: `${sizing.waitReplicas}`,
      WAIT_TIMEOUT_MS: `${sizing.waitTimeoutMs}`,
      INSTANCES: `${sizing.instances}`,
      ...bindings.kv?.env,
    },
    ports: [{ name: 'http', containerPort: 8080, exposed: true }],
    volumes: [],
    files: [{ name: 'policies', path: `parts/${name}/policies.yaml` }],
    readiness: { kind: 'http', port: 'http', path: '/readyz' },
    liveness: { kind: 'http', port: 'http', path: '/livez' },
    stop: { signal: 'SIGTERM', graceMs: 15_000 },
    resources: { cpuMillis: 1000, memoryMiB: 256 },
    dependsOn: bindings.kv?.dependsOn ?? [],
    spread: true,
  };
}
