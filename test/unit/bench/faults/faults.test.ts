import { describe, expect, it } from 'vitest';
import { type FaultContext, runFault } from '../../../../src/bench/faults/fault-course.ts';
import { drawSchedules, knownFaults, parsePhase, phaseName, runPhase } from '../../../../src/bench/faults/faults.ts';
import { type Clock, monotonicOriginMs } from '../../../../src/clock.ts';
import type { FaultAccess, Hold, Instance, Witness } from '../../../../src/deploy/deployment.ts';
import { DspError } from '../../../../src/errors.ts';
import { seededRandom } from '../../../../src/random.ts';
import { type FaultSpec, readFault } from '../../../../src/requirements/faults.ts';

const roles = [
  { part: 'store', role: 'primary' },
  { part: 'store', role: 'replica' },
  { part: 'limiter', role: 'instance' },
];

function refused(text: string): DspError<'bench.fault-unknown'> {
  try {
    parsePhase(text, roles);
  } catch (error) {
    expect(error).toBeInstanceOf(DspError);
    return error as DspError<'bench.fault-unknown'>;
  }
  throw new Error(`${text} was accepted`);
}

describe('parsePhase', () => {
  it('reads every kind and role of the deployment, and writes it back', () => {
    const withScale = [...roles, { part: 'store', role: 'shards', kinds: ['scale'] as const }];
    const known = knownFaults(withScale);
    expect(known).toContain('kill:store.primary');
    expect(known).toContain('scale:store.shards');
    expect(known).not.toContain('kill:store.shards');
    expect(known).not.toContain('scale:store.primary');
    for (const text of known) expect(phaseName(parsePhase(text, withScale))).toBe(text);
  });

  it('reads several that are joined, each with parameters of its own', () => {
    const text = 'kill:store.primary+latency:limiter.instance,ms=20,atMs=500';
    expect(parsePhase(text, roles)).toMatchObject([
      { kind: 'kill', part: 'store', role: 'primary', atMs: 0 },
      { kind: 'latency', part: 'limiter', role: 'instance', ms: 20, atMs: 500 },
    ]);
    expect(() => parsePhase('kill:store.primary,ms=20', roles)).toThrow(/has "ms"; kill takes forMs, atMs/);
    expect(refused('kill:store.primary+kil:store.replica').params).toMatchObject({ nearest: 'kill:store.replica' });
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

  /** What is held for as long as it is not lifted. */
  readonly #hold = async (verb: keyof FaultAccess, id: string): Promise<Hold> => {
    const began = await this.#act(verb, id, 'running');
    return {
      began,
      lift: async () => {
        this.log.push(`lift ${verb} ${id}`);
        return this.lifted ?? { hit: true, seen: `${verb} is over` };
      },
    };
  };
  lifted: Witness | null = null;
  offsetMs = 0;

  readonly access: FaultAccess = {
    stop: (id) => this.#act('stop', id, 'dead'),
    disturb: (id) => this.#hold('disturb', id),
    stepClock: async (id, offsetMs) => {
      const hold = await this.#hold('stepClock', id);
      this.offsetMs = offsetMs;
      return {
        ...hold,
        lift: async () => {
          this.offsetMs = 0;
          return hold.lift();
        },
      };
    },
    cutPower: (id) => this.#act('cutPower', id, 'dead'),
    fillDisk: (id) => this.#hold('fillDisk', id),
    kill: (id) => this.#act('kill', id, 'dead'),
    pause: (id) => this.#act('pause', id, 'stopped'),
    resume: (id) => this.#act('resume', id, 'running'),
    restart: (id) => this.#act('restart', id, 'running'),
    rollingRestart: async (set, serving) => {
      await serving(instances.slice(1));
      return this.#act('rollingRestart', set, 'running');
    },
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

const target = (find: () => Promise<readonly string[]>) => ({ role: 'primary', find });

function contextOf(world: World, over: Partial<FaultContext> = {}): FaultContext {
  return {
    access: world.access,
    target: target(async () => primaries),
    rescale: null,
    serving: async (called) => void world.log.push(`calls ${called.length}`),
    taken: new Set(),
    instances,
    clock: world.clock,
    random: seededRandom(1),
    holdMs: 5000,
    signal: new AbortController().signal,
    ...over,
  };
}

const fault = (text: string) => readFault(text) as FaultSpec;
const kill = fault('kill:store.primary');
const pause = fault('pause:store.primary');

describe('runFault', () => {
  it.each([
    [kill, 'kill', 'restart'],
    [pause, 'pause', 'resume'],
    [fault('power:store.primary'), 'cutPower', 'restart'],
    [fault('restart:store.primary,forMs=5000'), 'stop', 'restart'],
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

  it('restarts a whole set in turn, whoever has the role', async () => {
    const world = new World();
    const scope = async () => ['a key'];
    const context = contextOf(world, { target: { ...target(async () => primaries), scope } as never });
    const run = await runFault(fault('rolling-restart:store.primary'), context);
    expect(world.log).toEqual(['calls 5', 'rollingRestart store-redis']);
    expect(run).toMatchObject({ kind: 'rolling-restart', instance: 'store-redis', set: 'store-redis', hit: true });
    // Every instance was away at some time: no part of the keys is spared.
    expect(run.scope).toBeUndefined();
    const broken = new World();
    broken.broken.set('rollingRestart', { hit: false, seen: 'the third does not come back' });
    expect((await runFault(fault('rolling-restart:store.primary'), contextOf(broken))).hit).toBe(false);
  });

  it('chooses by seed, and every candidate by some seed', async () => {
    const chosen = async (seed: number) =>
      (await runFault(kill, contextOf(new World(), { random: seededRandom(seed) }))).instance;
    expect(await chosen(5)).toBe(await chosen(5));
    const all = await Promise.all(Array.from({ length: 40 }, (_, seed) => chosen(seed)));
    expect([...new Set(all)].sort()).toEqual([...primaries].sort());
  });

  it('chooses alike whatever the order in which the roles were found', async () => {
    const found = await runFault(
      kill,
      contextOf(new World(), { target: target(async () => [...primaries].reverse()) }),
    );
    expect(found.instance).toBe((await runFault(kill, contextOf(new World()))).instance);
  });

  it('did not hit when nobody has the role', async () => {
    const world = new World();
    const run = await runFault(kill, contextOf(world, { target: target(async () => []) }));
    expect(run).toMatchObject({ hit: false, instance: '', part: 'store' });
    expect(run.witness).toBe('none of the 6 instances of store is primary now');
    expect(world.log).toEqual([]);
  });

  it.each([
    ['is not seen', { hit: false, seen: 'pid 7 is still there' }, /^pid 7 is still there/],
    ['throws', new Error('no such process'), /the kill of store.primary failed: no such process/],
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

describe('a fault that is held', () => {
  it.each([
    ['latency:store.primary', 'disturb'],
    ['reset:store.primary', 'disturb'],
    ['half-open:store.primary', 'disturb'],
    ['partition:store.primary', 'disturb'],
    ['disk-full:store.primary', 'fillDisk'],
  ])('%s is lifted at its end', async (text, verb) => {
    const world = new World();
    if (verb === 'fillDisk') world.broken.set('restart', { hit: false, seen: 'it runs already' });
    const run = await runFault(fault(`${text},forMs=700`), contextOf(world));
    expect(world.log.slice(0, 2)).toEqual([`${verb} ${run.instance}`, `lift ${verb} ${run.instance}`]);
    expect(run).toMatchObject({ hit: true, fault: `${text},forMs=700` });
    expect(run.healedMs - run.startMs).toBeGreaterThanOrEqual(700);
  });

  it('did not hit when nothing was seen of it, though it was asked for', async () => {
    const world = new World();
    world.lifted = { hit: false, seen: 'the proxy delayed 0 bytes' };
    const run = await runFault(fault('latency:store.primary'), contextOf(world));
    expect(run).toMatchObject({ hit: false });
    expect(run.witness).toContain('delayed 0 bytes');
  });

  it('is witnessed by the clock of the process where it steps that', async () => {
    const world = new World();
    const readClockMs = async () => world.nowMs + world.offsetMs;
    const seen = { ...target(async () => primaries), readClockMs };
    const run = await runFault(fault('clock:store.primary,stepMs=-60000'), contextOf(world, { target: seen }));
    expect(run).toMatchObject({ hit: true, kind: 'clock' });
    expect(run.witness).toMatch(/clock is -60.0 s off; its clock is 0.0 s off/);
    const deaf = { ...seen, readClockMs: async () => world.nowMs };
    const missed = await runFault(fault('clock:store.primary'), contextOf(world, { target: deaf }));
    expect(missed.hit).toBe(false);
  });

  it('tells what the instance was responsible for', async () => {
    const scoped = { ...target(async () => primaries), scope: async (_: unknown, id: string) => ({ slots: [id] }) };
    const run = await runFault(kill, contextOf(new World(), { target: scoped }));
    expect(run.scope).toEqual({ slots: [run.instance] });
  });

  it('deploys another size, and the one before', async () => {
    const log: string[] = [];
    const rescale = async (part: string, what: string, by: number) => {
      log.push(`${part}.${what} +${by}`);
      return {
        sizing: { shards: 5 },
        began: { hit: true, seen: '6 → 8' },
        lift: async () => ({ hit: true, seen: `back ${log.push('back')}` }),
      };
    };
    const run = await runFault(fault('scale:store.shards,by=2'), contextOf(new World(), { target: null, rescale }));
    expect(run).toMatchObject({ kind: 'scale', hit: true, instance: 'store', sizing: { shards: 5 } });
    expect(log).toEqual(['store.shards +2', 'back']);
  });
});

describe('a phase', () => {
  it('hits different instances, each at its moment', async () => {
    const world = new World();
    const specs = [pause, fault('kill:store.primary,atMs=300')];
    const runs = await runPhase(specs, (_, taken) => contextOf(world, { taken }));
    expect(new Set(runs.map(({ instance }) => instance)).size).toBe(2);
    expect(runs.every(({ hit }) => hit)).toBe(true);
  });

  it('heals the others before it fails', async () => {
    const world = new World();
    world.broken.set('restart', { hit: false, seen: 'pid 9 ended at once' });
    const failure = runPhase([kill, pause], (_, taken) => contextOf(world, { taken }));
    await expect(failure).rejects.toMatchObject({ code: 'bench.fault-not-healed' });
    expect(world.log.filter((line) => line.startsWith('resume'))).toHaveLength(1);
  });
});

describe('schedules drawn from a seed', () => {
  const pool = ['kill:store.primary', 'pause:store.primary', 'reset:limiter.instance', 'scale:store.shards', 'x:y.z'];
  const seeds = Array.from({ length: 10 }, (_, i) => i + 1);
  const draw = (count: number, seed = 1) => drawSchedules(pool, seeds, count, seededRandom(seed));

  it('are the same for the same seed, and go on for more seeds', () => {
    expect([...draw(2)]).toEqual([...draw(2)]);
    expect([...draw(2)]).not.toEqual([...draw(2, 2)]);
    const longer = drawSchedules(pool, [...seeds, 11, 12], 2, seededRandom(1));
    expect([...longer].slice(0, 10)).toEqual([...draw(2)]);
  });

  it('deal every fault before any again', () => {
    const dealt = [...draw(1).values()].flat().map((text) => text.replace(/,atMs=.*/, ''));
    expect(dealt.slice(0, 5).sort()).toEqual([...pool].sort());
    expect(dealt.slice(5).sort()).toEqual([...pool].sort());
  });

  it('join some of different parts, so that they overlap', () => {
    const phases = [...draw(3).values()].flat();
    const joined = phases.filter((text) => text.includes('+'));
    expect(joined.length).toBeGreaterThan(0);
    for (const text of joined) {
      const [first, second] = text.split('+').map((one) => /:(\w+)\./.exec(one)?.[1]);
      expect(first).not.toBe(second);
      expect(text).not.toContain('scale:');
    }
    expect([...drawSchedules([], seeds, 2, seededRandom(1)).values()].flat()).toEqual([]);
  });
});
