/** A hand-made plan of one fake pattern, whose answers reach every kind of generated file. */

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../../src/package-root.ts';
import type { Binding, Catalogue, Json, PartContext, PartFile, Pattern, Topology } from '../../../src/pattern.ts';
import type { Part, Plan } from '../../../src/plan/plan.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';

/** A folder of templates/ that has a stack.ts and a service; the fake pattern borrows it. */
const folder = 'rate-limiter';
const template = (name: string) =>
  relative(`${packageRoot()}/templates/${folder}/config`, fileURLToPath(new URL(name, import.meta.url)));

export const requirements: Requirements = {
  schemaVersion: 1,
  name: 'shop',
  needs: ['limit-callers'],
  rate: { readPerSecond: exactly(100), writePerSecond: exactly(50), peakFactor: exactly(2) },
  data: { payloadBytes: exactly(200), totalMiB: exactly(64) },
  latency: { p99Ms: 20 },
  consistency: { level: 'bounded', stalenessMs: 1000 },
  availability: { target: 0.999, recoveryMs: 15_000 },
  loss: { rpoMs: 1000 },
  cost: { usdPerMonth: 900 },
  operations: { effort: 'low' },
  options: { 'limit-callers': { title: 'Limits', label: 'a', limits: [{ name: 'default', limit: 100 }] } },
  slo: {},
};

type Options = Readonly<Record<string, Json>>;

export function topologyOf(part: string, options: Options): Topology {
  return {
    processSets: [
      {
        id: `${part}-api`,
        part,
        program: { kind: 'service', bundle: 'fake', entry: `patterns/${folder}/service/src/main.ts` },
        replicas: 2,
        args: ['--title', String(options.title)],
        env: {
          HOST: { ownHost: true },
          PORT: { ownPort: 'http' },
          TITLE: String(options.title),
          CONF: { file: 'conf' },
        },
        ports: [{ name: 'http', containerPort: 8080, exposed: true }],
        volumes: [],
        files: [{ name: 'conf', path: `parts/${part}/service.conf` }],
        readiness: { kind: 'http', port: 'http', path: '/readyz' },
        stop: { signal: 'SIGTERM', graceMs: 5000 },
        resources: { cpuMillis: 100, memoryMiB: 128 },
        dependsOn: [],
        spread: true,
      },
    ],
    jobs: [],
  };
}

const binding: Binding = { part: 'fake', env: {}, dependsOn: [], guarantees: {} as Binding['guarantees'] };

export const fakePattern: Pattern<Json> = {
  id: folder,
  title: 'Fake limiter',
  need: { id: 'limit-callers', words: 'limit callers' },
  partName: 'fake',
  provides: [],
  reads: [],
  questions: [],
  size: () => ({ kind: 'unsized', rejected: [{ option: 'fake', reason: '', bottleneck: '', numbers: {} }] }),
  local: (sizing: Json) => sizing,
  footprint: () => ({ cpus: 1, memoryMiB: 64 }),
  topology: (part: PartContext<Json>) => topologyOf(part.name, part.options),
  connect: () => ({ kv: binding }),
  files: ({ options }: PartContext<Json>): readonly PartFile[] => [
    {
      path: 'settings.yaml',
      template: template('settings.yaml.hbs'),
      values: { title: options.title ?? '', limits: options.limits ?? [] },
      ownership: 'yours',
    },
    {
      path: 'service.conf',
      template: template('service.conf.hbs'),
      values: { threads: 4, label: options.label ?? '' },
      ownership: 'generated',
    },
  ],
  stack: ({ options }: PartContext<Json>) => ({ module: 'stack.ts', construct: 'RateLimiter', args: { options } }),
  serviceTimes: {},
  work: () => [],
  offeredLoad: () => ({}),
  workloadModule: 'workload',
  invariantsModule: 'invariants',
};

export const fakeCatalogue: Catalogue = [fakePattern];

/** The plan that these requirements would have; `part` changes the part's name. */
export function planOf(asked: Requirements = requirements, part = 'fake'): Plan {
  const options = asked.options['limit-callers'] ?? {};
  const title = String(options.title);
  const topology = topologyOf(part, options);
  return {
    schemaVersion: 1,
    dspVersion: '1.2.3',
    requirements: asked,
    requirementsDigest: 'd'.repeat(64),
    parts: [fakePart(part, options)],
    edges: [{ from: part, to: part, capability: title, because: title }],
    topology,
    cost: { usdPerMonth: 12.5, budgetUsdPerMonth: 900, machines: [], priceSource: title, priceDate: '2026-01-01' },
    tightest: null,
    local: { scale: 1, because: title, topology },
    decisions: [{ about: 'title', chosen: title, because: title, numbers: {}, from: ['options'] }],
  };
}

function fakePart(name: string, options: Options): Part {
  const title = String(options.title);
  return {
    name,
    pattern: folder,
    need: 'limit-callers',
    sizing: { instances: 2 },
    localSizing: { instances: 2 },
    options,
    demands: [],
    machines: [{ machine: 'small', count: 2, for: title }],
    usdPerMonth: 12.5,
    decisions: [{ about: title, chosen: title, because: title, numbers: {}, from: [] }],
    predictions: [{ metric: title, predicted: 1, bound: 2, unit: 'ms', margin: 2 }],
    rejected: [{ option: title, reason: title, bottleneck: title, numbers: {} }],
    guarantees: {},
    bindings: {},
    offeredLoad: {},
  };
}
