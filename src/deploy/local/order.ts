/**
 * What to do, and in which order, to come from what runs to what is wanted. Pure. Engines start before the jobs that
 * shape them, those before the services that use them; what is no longer wanted stops last, when the jobs have drained
 * it and nobody is told its address any more.
 */

/** A process set or a job. */
export interface WantedNode {
  readonly id: string;
  readonly dependsOn: readonly string[];
}

export interface WantedInstance {
  readonly id: string;
  readonly set: string;
  readonly digest: string;
}

export interface WantedJob extends WantedNode {
  readonly digest: string;
  /** The set whose leaving instances it drains. */
  readonly drains: string | null;
  /** Who depends on it may start while it runs. */
  readonly dependantsWait: boolean;
}

export interface Wanted {
  readonly sets: readonly WantedNode[];
  readonly instances: readonly WantedInstance[];
  readonly jobs: readonly WantedJob[];
}

export interface Current {
  readonly instances: readonly {
    readonly id: string;
    readonly set: string;
    readonly digest: string;
    /** `ready` answers its probe; `unready` runs and does not (or is paused). */
    readonly state: 'ready' | 'unready' | 'dead';
    /** A deployment that was cut short had drained it already. */
    readonly drained: boolean;
  }[];
  readonly jobs: readonly { readonly id: string; readonly digest: string; readonly done: boolean }[];
}

export type Step =
  /** Start these at once, with the wanted specification, or the recorded one when they are leaving; wait until ready. */
  | { readonly kind: 'start'; readonly instances: readonly string[] }
  /** Start these at once, and go on: an `await` of them follows. */
  | { readonly kind: 'launch'; readonly instances: readonly string[] }
  /** They run already: wait until ready. */
  | { readonly kind: 'await'; readonly instances: readonly string[] }
  /** Stop, start with the wanted specification, wait until ready. */
  | { readonly kind: 'restart'; readonly instance: string }
  | { readonly kind: 'job'; readonly job: string; readonly leaving: readonly string[] }
  /** Stop for good. */
  | { readonly kind: 'stop'; readonly instances: readonly string[] };

/** Empty when nothing is to be done. */
export function planSteps(wanted: Wanted, current: Current): readonly Step[] {
  const running = new Map(current.instances.map((instance) => [instance.id, instance]));
  const wantedIds = new Set(wanted.instances.map(({ id }) => id));
  const leaving = current.instances.filter(({ id }) => !wantedIds.has(id));
  const drainedSets = new Set(wanted.jobs.map(({ drains }) => drains));
  const changed = new Set(leaving.map(({ set }) => set));
  const steps: Step[] = [];
  const behind = new Set<string>();

  // A member that is to be drained must be there to hand over what it holds.
  const holding = leaving.filter(({ drained }) => !drained);
  const toRevive = holding.filter(({ set, state }) => drainedSets.has(set) && state === 'dead');
  for (const level of levelsOf([...wanted.sets, ...wanted.jobs])) {
    const sets = new Set(level.map(({ id }) => id));
    const members = wanted.instances.filter(({ set }) => sets.has(set));
    const setSteps = stepsOfMembers(
      members,
      toRevive.filter(({ set }) => sets.has(set)),
      running,
    );
    for (const { set } of setSteps.changed) changed.add(set);
    steps.push(...setSteps.steps);
    for (const { id } of level) if (wanted.sets.some((set) => set.id === id)) behind.add(id);
    for (const job of wanted.jobs.filter(({ id }) => sets.has(id))) {
      const before = current.jobs.find(({ id }) => id === job.id);
      const due = before?.done !== true || before.digest !== job.digest || job.dependsOn.some((id) => changed.has(id));
      behind.add(job.id);
      if (!due) continue;
      changed.add(job.id);
      const early = job.dependantsWait ? startableBeside(job, behind, wanted, running) : [];
      for (const { id, set, digest } of early) {
        changed.add(set);
        running.set(id, { id, set, digest, state: 'unready', drained: false });
      }
      if (early.length > 0) steps.push({ kind: 'launch', instances: early.map(({ id }) => id) });
      steps.push({
        kind: 'job',
        job: job.id,
        leaving: holding.filter(({ set }) => set === job.drains).map(({ id }) => id),
      });
    }
  }
  if (leaving.length > 0) steps.push({ kind: 'stop', instances: leaving.map(({ id }) => id) });
  return steps;
}

/** Missing instances that depend on `job`, and else only on what is `behind`. */
function startableBeside(
  job: WantedJob,
  behind: ReadonlySet<string>,
  wanted: Wanted,
  running: ReadonlyMap<string, Running>,
): readonly WantedInstance[] {
  const ahead = new Set([...wanted.sets, ...wanted.jobs].map(({ id }) => id).filter((id) => !behind.has(id)));
  const dependants = wanted.sets.filter(
    ({ dependsOn }) => dependsOn.includes(job.id) && !dependsOn.some((id) => ahead.has(id)),
  );
  const sets = new Set(dependants.map(({ id }) => id));
  return wanted.instances.filter(({ id, set }) => sets.has(set) && (running.get(id)?.state ?? 'dead') === 'dead');
}

type Running = Current['instances'][number];

/** Missing ones start side by side; changed ones restart one after another, so that the others serve meanwhile. */
function stepsOfMembers(
  members: readonly WantedInstance[],
  revived: readonly Running[],
  running: ReadonlyMap<string, Running>,
): { readonly steps: readonly Step[]; readonly changed: readonly { readonly set: string }[] } {
  const stateOf = ({ id }: WantedInstance) => running.get(id)?.state ?? 'dead';
  const missing = [...members.filter((member) => stateOf(member) === 'dead'), ...revived];
  const alive = members.filter((member) => stateOf(member) !== 'dead');
  const isCurrent = (digest: string, now: Running | undefined) => now?.digest === digest && !now.drained;
  const outdated = alive.filter(({ id, digest }) => !isCurrent(digest, running.get(id)));
  const unready = alive.filter((member) => !outdated.includes(member) && stateOf(member) === 'unready');
  const steps: Step[] = [];
  if (missing.length > 0) steps.push({ kind: 'start', instances: missing.map(({ id }) => id) });
  if (unready.length > 0) steps.push({ kind: 'await', instances: unready.map(({ id }) => id) });
  for (const { id } of outdated) steps.push({ kind: 'restart', instance: id });
  return { steps, changed: [...missing, ...outdated] };
}

/**
 * Nodes by the length of their longest chain of dependencies: those of one level do not depend on each other.
 * A dependency on an id outside `nodes` does not count.
 */
export function levelsOf<N extends WantedNode>(nodes: readonly N[]): readonly (readonly N[])[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map<string, number>();
  const depthOf = (node: N, trail: readonly string[]): number => {
    if (trail.includes(node.id)) throw new Error(`topology: ${[...trail, node.id].join(' → ')} is a cycle`);
    const known = depths.get(node.id);
    if (known !== undefined) return known;
    const before = node.dependsOn.flatMap((id) => byId.get(id) ?? []);
    const depth = Math.max(0, ...before.map((other) => depthOf(other, [...trail, node.id]) + 1));
    depths.set(node.id, depth);
    return depth;
  };
  const levels: N[][] = [];
  for (const node of nodes) {
    const depth = depthOf(node, []);
    while (levels.length <= depth) levels.push([]);
    levels[depth]?.push(node);
  }
  return levels;
}
