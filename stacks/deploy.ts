/** A topology on Kubernetes: every process set and job as a component, in the order that `dependsOn` asks for. */

import type { ComponentResource, Resource } from '@pulumi/pulumi';
import { JobComponent } from './job.ts';
import { ProcessSetComponent } from './process-set.ts';
import type { Target } from './target.ts';
import type { Topology } from './topology.ts';

export interface Deployed {
  readonly sets: ReadonlyMap<string, ProcessSetComponent>;
  readonly jobs: ReadonlyMap<string, JobComponent>;
  /** Of the exposed port, inside the cluster; undefined when the topology exposes none. */
  readonly url: string | undefined;
}

/**
 * Declares `topology` under `parent`. What it depends on is in it or was deployed on the same target before; throws
 * when neither, or when processes wait for each other in a circle.
 */
export function deployTopology(topology: Topology, target: Target, parent: ComponentResource): Deployed {
  const sets = new Map<string, ProcessSetComponent>();
  const jobs = new Map<string, JobComponent>();
  const start = (id: string, dependsOn: Resource[]): Resource => {
    const options = { parent, dependsOn };
    const set = topology.processSets.find((candidate) => candidate.id === id);
    if (set) return remember(sets, id, new ProcessSetComponent(set, target, options));
    const job = topology.jobs.find((candidate) => candidate.id === id);
    if (job) return remember(jobs, id, new JobComponent(job, target, options));
    throw new Error(`${id} is depended on, and is neither in this part nor in one before it`);
  };
  const dependencies = new Map([...topology.processSets, ...topology.jobs].map(({ id, dependsOn }) => [id, dependsOn]));
  for (const id of dependencies.keys()) ensureStarted(id, dependencies, target.started, start, []);
  const url = [...sets.values()].map((set) => set.url).find((found) => found !== undefined);
  return { sets, jobs, url };
}

function ensureStarted(
  id: string,
  dependencies: ReadonlyMap<string, readonly string[]>,
  started: Map<string, Resource>,
  start: (id: string, dependsOn: Resource[]) => Resource,
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
