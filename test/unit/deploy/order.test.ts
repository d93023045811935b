import { describe, expect, it } from 'vitest';
import { type Current, levelsOf, planSteps, type Step, type Wanted } from '../../../src/deploy/local/order.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

const wanted: Wanted = {
  sets: [
    { id: 'api', dependsOn: ['converge'] },
    { id: 'store', dependsOn: [] },
  ],
  instances: [
    { id: 'api-0', set: 'api', digest: 'a1' },
    { id: 'store-0', set: 'store', digest: 's1' },
    { id: 'store-1', set: 'store', digest: 's1' },
  ],
  jobs: [{ id: 'converge', dependsOn: ['store'], digest: 'j1', drains: 'store', dependantsWait: false }],
};

const running = (id: string, digest: string, state: 'ready' | 'unready' | 'dead' = 'ready', drained = false) => ({
  id,
  set: id.replace(/-\d+$/, ''),
  digest,
  state,
  drained,
});

const settled: Current = {
  instances: [running('api-0', 'a1'), running('store-0', 's1'), running('store-1', 's1')],
  jobs: [{ id: 'converge', digest: 'j1', done: true }],
};

const replaced = (...instances: Current['instances']): Current => ({
  ...settled,
  instances: [...settled.instances.filter(({ id }) => !instances.some((other) => other.id === id)), ...instances],
});

describe('planSteps', () => {
  it('starts everything in the order of dependency', () => {
    expect(planSteps(wanted, { instances: [], jobs: [] })).toEqual([
      { kind: 'start', instances: ['store-0', 'store-1'] },
      { kind: 'job', job: 'converge', leaving: [] },
      { kind: 'start', instances: ['api-0'] },
    ]);
  });

  it('does nothing when nothing changed', () => {
    expect(planSteps(wanted, settled)).toEqual([]);
  });

  it('restarts changed members one after another, and runs the jobs that depend on them', () => {
    const changed = replaced(running('store-0', 'old'), running('store-1', 'old'));
    expect(planSteps(wanted, changed)).toEqual([
      { kind: 'restart', instance: 'store-0' },
      { kind: 'restart', instance: 'store-1' },
      { kind: 'job', job: 'converge', leaving: [] },
    ]);
  });

  it('waits for what runs and is not ready', () => {
    expect(planSteps(wanted, replaced(running('api-0', 'a1', 'unready')))).toEqual([
      { kind: 'await', instances: ['api-0'] },
    ]);
  });

  it('revives a dead member that is to be drained, tells the job, and stops it last', () => {
    const shrunk = replaced(running('store-2', 's1', 'dead'), running('api-0', 'old'), running('api-1', 'old'));
    expect(planSteps(wanted, shrunk)).toEqual([
      { kind: 'start', instances: ['store-2'] },
      { kind: 'job', job: 'converge', leaving: ['store-2'] },
      { kind: 'restart', instance: 'api-0' },
      { kind: 'stop', instances: ['store-2', 'api-1'] },
    ]);
  });

  it('drains a living member that leaves before it stops it', () => {
    expect(planSteps(wanted, replaced(running('store-2', 's1')))).toEqual([
      { kind: 'job', job: 'converge', leaving: ['store-2'] },
      { kind: 'stop', instances: ['store-2'] },
    ]);
  });

  it('runs a job again after a job that it depends on', () => {
    const later = { id: 'seed', dependsOn: ['converge'], digest: 'j2', drains: null, dependantsWait: false };
    const done = [...settled.jobs, { id: 'seed', digest: 'j2', done: true }];
    const more = { ...wanted, jobs: [...wanted.jobs, later] };
    expect(planSteps(more, { ...settled, jobs: done })).toEqual([]);
    expect(planSteps(more, { ...replaced(running('store-0', 'old')), jobs: done })).toEqual([
      { kind: 'restart', instance: 'store-0' },
      { kind: 'job', job: 'converge', leaving: [] },
      { kind: 'job', job: 'seed', leaving: [] },
    ]);
  });

  it('does not drain twice, and gives a drained member that is wanted again a new start', () => {
    const cutShort = replaced(running('store-2', 's1', 'dead', true), running('store-1', 's1', 'ready', true));
    expect(planSteps(wanted, cutShort)).toEqual([
      { kind: 'restart', instance: 'store-1' },
      { kind: 'job', job: 'converge', leaving: [] },
      { kind: 'stop', instances: ['store-2'] },
    ]);
  });

  it('starts who waits for a job while it runs, and counts nobody ready before it is done', () => {
    const [converge] = wanted.jobs as readonly [Wanted['jobs'][number]];
    const waiting = { ...wanted, jobs: [{ ...converge, dependantsWait: true }] };
    expect(planSteps(waiting, { instances: [], jobs: [] })).toEqual([
      { kind: 'start', instances: ['store-0', 'store-1'] },
      { kind: 'launch', instances: ['api-0'] },
      { kind: 'job', job: 'converge', leaving: [] },
      { kind: 'await', instances: ['api-0'] },
    ]);
    expect(planSteps(waiting, replaced(running('store-0', 'old'), running('api-0', 'old')))).toEqual([
      { kind: 'restart', instance: 'store-0' },
      { kind: 'job', job: 'converge', leaving: [] },
      { kind: 'restart', instance: 'api-0' },
    ]);
  });

  it('starts nobody beside a job who depends on another one that comes after it', () => {
    const [converge] = wanted.jobs as readonly [Wanted['jobs'][number]];
    const jobs = [
      { ...converge, dependantsWait: true },
      { id: 'fill', dependsOn: ['store'], digest: 'f', drains: null, dependantsWait: false },
    ];
    const both = { ...wanted, jobs, sets: [{ id: 'api', dependsOn: ['converge', 'fill'] }, ...wanted.sets.slice(1)] };
    expect(planSteps(both, { instances: [], jobs: [] }).map(({ kind }) => kind)).toEqual([
      'start',
      'job',
      'job',
      'start',
    ]);
  });

  it('runs a job that changed or was cut short', () => {
    const again = [{ kind: 'job', job: 'converge', leaving: [] }];
    expect(planSteps(wanted, { ...settled, jobs: [{ id: 'converge', digest: 'old', done: true }] })).toEqual(again);
    expect(planSteps(wanted, { ...settled, jobs: [{ id: 'converge', digest: 'j1', done: false }] })).toEqual(again);
  });

  it('refuses a cycle', () => {
    const a = { id: 'a', dependsOn: ['b'] };
    expect(() => levelsOf([a, { id: 'b', dependsOn: ['a'] }])).toThrow('a → b → a');
  });
});

/** A system that carries out steps as the executor does, and complains when one breaks a promise. */
class Simulation {
  readonly instances: Map<string, Current['instances'][number]>;
  readonly jobs: Map<string, Current['jobs'][number]>;
  /** Moment of the last change of a set and of the last run of a job. */
  readonly changedAt = new Map<string, number>();
  readonly touched = new Set<string>();
  #now = 0;
  #wanted: Wanted;

  constructor(now: Current, next: Wanted) {
    this.instances = new Map(now.instances.map((one) => [one.id, one]));
    this.jobs = new Map(now.jobs.map((one) => [one.id, one]));
    this.#wanted = next;
  }

  get current(): Current {
    return { instances: [...this.instances.values()], jobs: [...this.jobs.values()] };
  }

  /** Carries out `steps`, or the first `count` of them, as if dsp was killed then. */
  run(steps: readonly Step[], count = steps.length): void {
    for (const step of steps) {
      if (step.kind === 'job')
        this.jobs.set(step.job, { ...(this.jobs.get(step.job) ?? { id: step.job, digest: '' }), done: false });
    }
    for (const step of steps.slice(0, count)) {
      this.#now++;
      if (step.kind === 'job') this.#runJob(step.job, step.leaving);
      else if (step.kind === 'stop') this.#stop(step.instances, steps);
      else if (step.kind === 'restart') this.#start(step.instance);
      else if (step.kind === 'start') for (const id of step.instances) this.#start(id);
      else if (step.kind === 'launch') for (const id of step.instances) this.#start(id, 'unready');
      else for (const id of step.instances) this.#set(id, { state: 'ready' });
    }
  }

  #set(id: string, change: Partial<Current['instances'][number]>): void {
    const set = id.replace(/-\d+$/, '');
    const before = this.instances.get(id) ?? { id, set, digest: '', state: 'dead' as const, drained: false };
    this.instances.set(id, { ...before, ...change });
    this.touched.add(id);
  }

  #start(id: string, state: 'ready' | 'unready' = 'ready'): void {
    const instance = this.#wanted.instances.find((one) => one.id === id);
    const set = id.replace(/-\d+$/, '');
    const node = this.#wanted.sets.find((one) => one.id === set);
    for (const before of node?.dependsOn ?? []) {
      const isWaitedFor = this.#wanted.jobs.some((job) => job.id === before && job.dependantsWait);
      if (state === 'ready' || !isWaitedFor) this.#expectServing(before, id);
    }
    this.#set(id, { state, drained: false, ...(instance ? { digest: instance.digest } : {}) });
    this.changedAt.set(set, this.#now);
  }

  #runJob(id: string, leaving: readonly string[]): void {
    const job = this.#wanted.jobs.find((one) => one.id === id);
    for (const before of job?.dependsOn ?? []) this.#expectServing(before, id);
    const holding = [...this.instances.values()].filter(
      (one) => one.set === job?.drains && !one.drained && !this.#wanted.instances.some((other) => other.id === one.id),
    );
    expect(leaving).toEqual(holding.map((one) => one.id));
    expect(holding.filter(({ state }) => state !== 'ready' && state !== 'unready')).toEqual([]);
    this.jobs.set(id, { id, digest: job?.digest ?? '', done: true });
    this.changedAt.set(id, this.#now);
  }

  #stop(ids: readonly string[], steps: readonly Step[]): void {
    expect(steps.at(-1)).toEqual({ kind: 'stop', instances: ids });
    for (const job of this.#wanted.jobs) {
      if (ids.some((id) => !this.instances.get(id)?.drained && this.instances.get(id)?.set === job.drains)) {
        expect(this.jobs.get(job.id)).toEqual({ id: job.id, digest: job.digest, done: true });
      }
    }
    for (const id of ids) this.instances.delete(id);
  }

  /** Every wanted member of the set is up to date and ready, or the job is done. */
  #expectServing(dependency: string, dependent: string): void {
    const job = this.#wanted.jobs.find((one) => one.id === dependency);
    if (job) expect(this.jobs.get(dependency), dependent).toEqual({ id: job.id, digest: job.digest, done: true });
    for (const { id, set, digest } of this.#wanted.instances) {
      if (set === dependency)
        expect(this.instances.get(id), dependent).toMatchObject({ digest, state: 'ready', drained: false });
    }
  }
}

const setIds = ['a', 'b', 'c', 'd'];

/** Sets depend on earlier ones and on their jobs; a job depends on its set and may drain it. */
function randomWanted(random: Random): Wanted {
  const chosen = setIds.filter(() => random.next() < 0.8);
  const jobs = chosen
    .filter(() => random.next() < 0.5)
    .map((set) => ({
      id: `job-of-${set}`,
      dependsOn: [set],
      digest: `j${random.integer(2)}`,
      drains: random.next() < 0.7 ? set : null,
      dependantsWait: random.next() < 0.5,
    }));
  const sets = chosen.map((id, i) => {
    const earlier = chosen.slice(0, i).filter(() => random.next() < 0.5);
    return {
      id,
      dependsOn: earlier.flatMap((other) => [
        other,
        ...jobs.map((job) => job.id).filter((job) => job === `job-of-${other}`),
      ]),
    };
  });
  const instances = chosen.flatMap((set) => {
    const digest = `d${random.integer(2)}`;
    return Array.from({ length: 1 + random.integer(3) }, (_, i) => ({ id: `${set}-${i}`, set, digest }));
  });
  return { sets: [...sets].reverse(), instances, jobs };
}

/** Processes die and hang between two deployments. */
function disturb(current: Current, random: Random): Current {
  const states = ['ready', 'ready', 'ready', 'unready', 'dead'] as const;
  return {
    ...current,
    instances: current.instances.map((one) => ({ ...one, state: states[random.integer(5)] ?? 'ready' })),
  };
}

describe('planSteps over random histories', () => {
  const seed = 4_711;
  const histories = 300;

  it(`keeps its promises and comes to its end, whenever it is cut short (seed ${seed})`, () => {
    const random = seededRandom(seed);
    let drainedJobs = 0;
    for (let history = 0; history < histories; history++) {
      let current: Current = { instances: [], jobs: [] };
      for (let deployment = 0; deployment < 6; deployment++) {
        const next = randomWanted(random);
        const simulation = new Simulation(disturb(current, random), next);
        for (let cut = random.integer(3); cut > 0; cut--) {
          const steps = planSteps(next, simulation.current);
          simulation.run(steps, random.integer(steps.length + 1));
        }
        const before = simulation.current;
        simulation.touched.clear();
        const steps = planSteps(next, before);
        drainedJobs += steps.filter((step) => step.kind === 'job' && step.leaving.length > 0).length;
        simulation.run(steps);
        current = prune(simulation.current, next);
        expect([...current.instances].map(({ id, digest, state }) => [id, digest, state]).sort()).toEqual(
          next.instances.map(({ id, digest }) => [id, digest, 'ready']).sort(),
        );
        expect(planSteps(next, current)).toEqual([]);
        expectUntouched(before, next, simulation.touched);
        for (const job of next.jobs) {
          const lastChange = Math.max(...job.dependsOn.map((id) => simulation.changedAt.get(id) ?? -1));
          expect(simulation.changedAt.get(job.id) ?? lastChange).toBeGreaterThanOrEqual(lastChange);
          if (lastChange > 0) expect(simulation.changedAt.has(job.id)).toBe(true);
        }
      }
    }
    expect(drainedJobs).toBeGreaterThan(100);
  });
});

/** Records of jobs that are no longer wanted are dropped at the end of a deployment. */
function prune(current: Current, next: Wanted): Current {
  return { ...current, jobs: current.jobs.filter(({ id }) => next.jobs.some((job) => job.id === id)) };
}

/** What was as wanted already was left alone. */
function expectUntouched(before: Current, next: Wanted, touched: ReadonlySet<string>): void {
  const same = before.instances.filter(
    ({ id, digest, state, drained }) =>
      state === 'ready' && !drained && next.instances.some((one) => one.id === id && one.digest === digest),
  );
  expect(same.filter(({ id }) => touched.has(id))).toEqual([]);
}
