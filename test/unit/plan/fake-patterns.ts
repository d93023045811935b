/** Patterns made for a test: what they provide and demand is all there is to them. */

import type { Demand, Guarantees, Json, PartContext, Pattern, Topology } from '../../../src/pattern.ts';

export const guarantees: Guarantees = {
  evicts: false,
  durability: 'disk',
  replicas: 1,
  atomicScripts: true,
  waitsForReplica: true,
  failoverLossMs: 0,
  encrypted: false,
  failoverMs: 1000,
};

export interface Fake {
  readonly id: string;
  readonly provides?: readonly string[];
  readonly demands?: readonly string[];
  /** Machines for what is served: by default one, and one more for each 100 writes a second. */
  readonly machines?: (writePerSecond: number) => number;
  readonly guarantees?: Partial<Guarantees>;
  /** Passes what it is asked for on to whom it asks. */
  readonly passesOn?: boolean;
}

export function demandOf(capability: string, writePerSecond: number): Omit<Demand, 'from'> {
  return {
    capability,
    readPerSecond: 0,
    writePerSecond,
    payloadBytes: 100,
    totalMiB: 1,
    p99Ms: 10,
    guarantees: { evicts: false },
  };
}

/** A pattern of need `want-<id>` and part `<id>`. */
export function fake({
  id,
  provides = [],
  demands = [],
  machines,
  guarantees: offered,
  passesOn,
}: Fake): Pattern<Json> {
  const count = machines ?? ((writePerSecond: number) => 1 + Math.floor(writePerSecond / 100));
  return {
    id,
    title: id,
    need: { id: `want-${id}`, words: `want ${id}` },
    partName: id,
    provides,
    reads: [],
    questions: [],
    size({ demands: served }) {
      const rate = served.reduce((sum, demand) => sum + demand.writePerSecond, 0);
      return {
        kind: 'sized',
        sizing: { rate, served: served.map(({ from }) => from) },
        machines: [{ machine: 'small', count: count(rate), for: 'all' }],
        demands: demands.map((capability) => demandOf(capability, passesOn ? rate : 10)),
        decisions: [{ about: 'size', chosen: `${rate}`, because: 'a test', numbers: { rate }, from: ['needs'] }],
        predictions: [{ metric: 'load', predicted: 1, bound: 2, unit: '', margin: 2 }],
        rejected: [],
        guarantees: Object.fromEntries(provides.map((capability) => [capability, { ...guarantees, ...offered }])),
      };
    },
    local: (sizing) => sizing,
    footprint: () => ({ cpus: 0.01, memoryMiB: 10 }),
    topology: (part) => topologyOf(part),
    connect: (part, given) =>
      Object.fromEntries(
        provides.map((capability) => [
          capability,
          {
            part: part.name,
            env: { [`${capability.toUpperCase()}_PART`]: part.name },
            dependsOn: [`${part.name}-api`],
            guarantees: given,
          },
        ]),
      ),
    files: () => [],
    stack: () => ({ module: 'stack.ts', construct: 'Fake', args: {} }),
    serviceTimes: {},
    work: () => [],
    offeredLoad: () => ({}),
    workloadModule: 'workload',
    invariantsModule: 'invariants',
  };
}

function topologyOf({ name, bindings }: PartContext<Json>): Topology {
  const bound = Object.values(bindings);
  return {
    processSets: [
      {
        id: `${name}-api`,
        part: name,
        program: { kind: 'service', bundle: 'fake', entry: 'patterns/fake/main.ts' },
        replicas: 1,
        args: [],
        env: Object.assign({}, ...bound.map(({ env }) => env)),
        ports: [{ name: 'http', containerPort: 8080 }],
        volumes: [],
        files: [],
        readiness: { kind: 'tcp', port: 'http' },
        stop: { signal: 'SIGTERM', graceMs: 1000 },
        resources: { cpuMillis: 10, memoryMiB: 10 },
        dependsOn: bound.flatMap(({ dependsOn }) => dependsOn),
        spread: false,
      },
    ],
    jobs: [],
  };
}
