/** A topology on Kubernetes: every process set and job as a component, in the order that `dependsOn` asks for. */

import { ServiceAccount } from '@pulumi/kubernetes/core/v1/serviceAccount.js';
import type { ComponentResource, Resource } from '@pulumi/pulumi';
import { JobComponent } from './job.ts';
import { partLabels, serviceAccountOf } from './pod.ts';
import { type Companion, ProcessSetComponent } from './process-set.ts';
import { secretResource } from './secrets.ts';
import type { Target } from './target.ts';
import type { Job, ProcessSet, Topology } from './topology.ts';

export interface Deployed {
  readonly sets: ReadonlyMap<string, ProcessSetComponent>;
  readonly jobs: ReadonlyMap<string, JobComponent>;
  /** Of the exposed port, inside the cluster; undefined when the topology exposes none. */
  readonly url: string | undefined;
}

export interface DeployOptions {
  /** Containers beside those of the topology, by process set. */
  readonly companions?: Readonly<Record<string, Companion>>;
}

/**
 * Declares `topology` under `parent`. What it depends on is in it or was deployed on the same target before; throws
 * when neither, or when processes wait for each other in a circle.
 */
export function deployTopology(
  topology: Topology,
  target: Target,
  parent: ComponentResource,
  options: DeployOptions = {},
): Deployed {
  const sets = new Map<string, ProcessSetComponent>();
  const jobs = new Map<string, JobComponent>();
  const base = groundOf(topology, target, parent);
  const startSet = (set: ProcessSet, after: readonly Resource[]): Resource => {
    const drains = topology.jobs
      .filter((job) => job.leavingEnv?.set === set.id)
      .map((job) => new JobComponent({ job, turn: 'drain', target, after: base }, { parent }));
    const companion = options.companions?.[set.id];
    const args = { set, target, after: [...base, ...after, ...drains], ...(companion ? { companion } : {}) };
    return remember(sets, set.id, new ProcessSetComponent(args, { parent }));
  };
  const startJob = (job: Job, after: readonly Resource[]): Resource =>
    remember(jobs, job.id, new JobComponent({ job, turn: 'shape', target, after: [...base, ...after] }, { parent }));
  const start = (id: string, after: readonly Resource[]): Resource => {
    const set = topology.processSets.find((candidate) => candidate.id === id);
    if (set) return startSet(set, after);
    const job = topology.jobs.find((candidate) => candidate.id === id);
    if (job) return startJob(job, after);
    throw new Error(`${id} is depended on, and is neither in this part nor in one before it`);
  };
  const dependencies = new Map([...topology.processSets, ...topology.jobs].map(({ id, dependsOn }) => [id, dependsOn]));
  for (const id of dependencies.keys()) ensureStarted(id, dependencies, target.started, start, []);
  const url = [...sets.values()].map((set) => set.url).find((found) => found !== undefined);
  return { sets, jobs, url };
}

/** What every pod of the topology's parts stands on: an account without rights, and the secrets. */
function groundOf(topology: Topology, target: Target, parent: ComponentResource): readonly Resource[] {
  const options = { parent, dependsOn: [...target.ground] };
  const { namespace } = target;
  const parts = new Set([...topology.processSets, ...topology.jobs].map(({ part }) => part));
  const accounts = [...parts].map((part) => {
    const metadata = { name: serviceAccountOf(part), namespace, labels: partLabels(part, target) };
    return new ServiceAccount(part, { metadata, automountServiceAccountToken: false }, options);
  });
  const secrets = (topology.secrets ?? []).map((secret) => secretResource(secret, target, options));
  return [...accounts, ...secrets];
}

function ensureStarted(
  id: string,
  dependencies: ReadonlyMap<string, readonly string[]>,
  started: Map<string, Resource>,
  start: (id: string, after: readonly Resource[]) => Resource,
  waiting: readonly string[],
): Resource {
  const found = started.get(id);
  if (found) return found;
  if (waiting.includes(id)) throw new Error(`processes wait for each other: ${[...waiting, id].join(' → ')}`);
  const needs = (dependencies.get(id) ?? []).map((need) =>
    ensureStarted(need, dependencies, started, start, [...waiting, id]),
  );
  const resource = start(id, needs);
  started.set(id, resource);
  return resource;
}

function remember<T>(map: Map<string, T>, id: string, value: T): T {
  map.set(id, value);
  return value;
}
