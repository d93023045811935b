import { describe, expect, it } from 'vitest';
import { type FaultContext, faultName, parseFaultSpec, runFault } from '../../../src/bench/faults.ts';
import { type Clock, monotonicOriginMs } from '../../../src/clock.ts';
import type { FaultAccess, Instance, Witness } from '../../../src/deploy/deployment.ts';
import { DspError } from '../../../src/errors.ts';
import { seededRandom } from '../../../src/random.ts';

const roles = [
  { part: 'store', role: 'primary' },
  { part: 'store', role: 'replica' },
  { part: 'limiter', role: 'instance' },
];

function refused(text: string): DspError<'bench.fault-unknown'> {
  try {
    parseFaultSpec(text, roles);
  } catch (error) {
    expect(error).toBeInstanceOf(DspError);
    return error as DspError<'bench.fault-unknown'>;
  }
  throw new Error(`${text} was accepted`);
}

describe('parseFaultSpec', () => {
  it('reads every kind and role of the deployment, and writes it back', () => {
    expect(parseFaultSpec('kill:store.primary', roles)).toEqual({ kind: 'kill', part: 'store', role: 'primary' });
    for (const text of ['pause:store.replica', 'kill:limiter.instance']) {
      expect(faultName(parseFaultSpec(text, roles))).toBe(text);
    }
  });

  it.each([
    ['kil:store.primary', 'kill:store.primary'],
    ['pause:store.primry', 'pause:store.primary'],
    ['kill:stor.replica', 'kill:store.replica'],
    ['kill:limiter.primary', 'kill:limiter.instance'],
    ['store.primary', 'kill:store.primary'],
  ])('names what %s probably means', (text, meant) => {
    const error = refused(text);
    expect(error.exitCode).toBe(2);
    expect(error.params).toMatchObject({ given: text, nearest: meant });
    expect(error.mend).toContain(meant);
  });

  it.each([
    '',
    'kill',
    'kill:',
    'kill:store',
    'kill:store.primary.x',
    'kill:store.primary; rm -rf /',
    'KILL:STORE.PRIMARY',
  ])('refuses %j and lists what there is', (text) => {
    expect(refused(text).message).toContain('kill:store.primary, pause:store.primary');
  });

  it('guesses nothing from what is far from all', () => {
    expect(refused('xyz').params.nearest).toBeNull();
  });
});

/** A clock that is moved by its own sleeps, and processes that are only names of states. */
class World {
  nowMs = 1000;
  readonly states = new Map<string, 'running' | 'stopped' | 'dead'>();
  readonly log: string[] = [];
  /** What an action answers instead of working. */
  readonly broken = new Map<keyof FaultAccess, Witness | Error>();

  readonly clock: Clock = {
    nowMs: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    sleep: async (durationMs, signal) => {
      signal?.throwIfAborted();
      this.onSleep();
      signal?.throwIfAborted();
      this.nowMs += durationMs;
    },
  };
  onSleep: () => void = () => {};

  readonly #act = async (
    verb: keyof FaultAccess,
    id: string,
    state: 'running' | 'stopped' | 'dead',
  ): Promise<Witness> => {
    this.log.push(`${verb} ${id}`);
    this.nowMs += 3;
    const broken = this.broken.get(verb);
    if (broken instanceof Error) throw broken;
    if (broken !== undefined) return broken;
    this.states.set(id, state);
    return { hit: true, seen: `${id} is ${state}` };
  };

  readonly access: FaultAccess = {
    kill: (id) => this.#act('kill', id, 'dead'),
    pause: (id) => this.#act('pause', id, 'stopped'),
    resume: (id) => this.#act('resume', id, 'running'),
    restart: (id) => this.#act('restart', id, 'running'),
  };
}

const instances: readonly Instance[] = Array.from({ length: 6 }, (_, ordinal) => ({
  id: `store-redis-${ordinal}`,
  set: 'store-redis',
  part: 'store',
  ordinal,
  kind: 'engine',
  host: '127.0.0.1',
  ports: { redis: 7000 + ordinal },
  logPath: '',
}));
const primaries = ['store-redis-4', 'store-redis-1', 'store-redis-2'];

function contextOf(world: World, over: Partial<FaultContext> = {}): FaultContext {
  return {
    access: world.access,
    find: async () => primaries,
    instances,
    clock: world.clock,
    random: seededRandom(1),
    holdMs: 5000,
    signal: new AbortController().signal,
    ...over,
  };
}

const kill = { kind: 'kill', part: 'store', role: 'primary' } as const;
const pause = { ...kill, kind: 'pause' } as const;

describe('runFault', () => {
  it.each([
    [kill, 'kill', 'restart'],
    [pause, 'pause', 'resume'],
  ] as const)('hits, holds and heals: %o', async (spec, hit, heal) => {
    const world = new World();
    const run = await runFault(spec, contextOf(world));
    expect(primaries).toContain(run.instance);
    expect(world.log).toEqual([`${hit} ${run.instance}`, `${heal} ${run.instance}`]);
    expect(world.states.get(run.instance)).toBe('running');
    const startMs = monotonicOriginMs() + 1000;
    expect(run).toMatchObject({ kind: spec.kind, set: 'store-redis', part: 'store', hit: true, startMs });
    expect(run.healedMs - run.startMs).toBe(3 + 5000 + 3);
    expect(run.witness).toMatch(/is (dead|stopped); .* is running$/);
  });

  it('chooses by seed, and every candidate by some seed', async () => {
    const chosen = async (seed: number) =>
      (await runFault(kill, contextOf(new World(), { random: seededRandom(seed) }))).instance;
    expect(await chosen(5)).toBe(await chosen(5));
    const all = await Promise.all(Array.from({ length: 40 }, (_, seed) => chosen(seed)));
    expect([...new Set(all)].sort()).toEqual([...primaries].sort());
  });

  it('chooses alike whatever the order in which the roles were found', async () => {
    const found = await runFault(kill, contextOf(new World(), { find: async () => [...primaries].reverse() }));
    expect(found.instance).toBe((await runFault(kill, contextOf(new World()))).instance);
  });

  it('did not hit when nobody has the role', async () => {
    const world = new World();
    const run = await runFault(kill, contextOf(world, { find: async () => [] }));
    expect(run).toMatchObject({ hit: false, instance: '', part: 'store' });
    expect(run.witness).toBe('none of the 6 instances of store is primary now');
    expect(world.log).toEqual([]);
  });

  it.each([
    ['is not seen', { hit: false, seen: 'pid 7 is still there' }, /^pid 7 is still there/],
    ['throws', new Error('no such process'), /the kill of .* failed: no such process/],
  ])('did not hit, and tries to heal, when the kill %s', async (_, answer, seen) => {
    const world = new World();
    world.broken.set('kill', answer);
    world.broken.set('restart', { hit: false, seen: 'it runs already' });
    const run = await runFault(kill, contextOf(world));
    expect(run.hit).toBe(false);
    expect(run.witness).toMatch(seen);
    expect(world.log).toEqual([`kill ${run.instance}`, `restart ${run.instance}`]);
    // Nothing was held.
    expect(run.healedMs - run.startMs).toBeLessThan(100);
  });

  it('heals at once when it is interrupted while it holds, and says that it was interrupted', async () => {
    const world = new World();
    const controller = new AbortController();
    const reason = new DspError('interrupted', {});
    world.onSleep = () => controller.abort(reason);
    await expect(runFault(pause, contextOf(world, { signal: controller.signal }))).rejects.toBe(reason);
    expect(world.log.map((line) => line.split(' ')[0])).toEqual(['pause', 'resume']);
    expect([...world.states.values()]).toEqual(['running']);
    expect(world.nowMs).toBeLessThan(1100);
  });

  it('touches nothing when it was interrupted before', async () => {
    const world = new World();
    await expect(runFault(kill, contextOf(world, { signal: AbortSignal.abort(new Error('stop')) }))).rejects.toThrow(
      'stop',
    );
    expect(world.log).toEqual([]);
  });

  it.each([
    ['does not work', { hit: false, seen: 'pid 9 ended at once' }],
    ['throws', new Error('pid 9 ended at once')],
  ])('is an error when the heal %s', async (_, answer) => {
    const world = new World();
    world.broken.set('restart', answer);
    const failure = runFault(kill, contextOf(world));
    await expect(failure).rejects.toMatchObject({ code: 'bench.fault-not-healed', exitCode: 5 });
    await expect(failure).rejects.toThrow('pid 9 ended at once');
  });
});
