/** The course of one fault: hit → hold → heal, with what was seen as witness. */

import type { FaultTarget, FaultWindow } from '../../checkers/invariant.ts';
import { type Clock, sharedNowMs, until } from '../../clock.ts';
import {
  type FaultAccess,
  type Hold,
  type Instance,
  missed,
  type NetworkRule,
  type Serving,
  type Witness,
} from '../../deploy/deployment.ts';
import { DspError } from '../../errors.ts';
import type { Json } from '../../pattern.ts';
import type { Random } from '../../random.ts';
import type { FaultSpec } from '../../requirements/faults.ts';
import type { Resized } from '../input.ts';

/** A fault as it went, before anyone knows when requests succeeded again. */
export interface FaultRun extends FaultWindow {
  /** As the user would write it. */
  readonly fault: string;
  /** When its heal began. */
  readonly healingMs: number;
  /** What was seen of the hit and of the heal. */
  readonly witness: string;
}

export interface FaultContext {
  readonly access: FaultAccess;
  /** Whom the role means; of a `scale` nobody is looked for. */
  readonly target: FaultTarget | null;
  /** Deploys another size of the part, and on lifting the one before. */
  readonly rescale: ((part: string, what: string, by: number) => Promise<Resized>) | null;
  /** Has the load follow the instances that may be called. */
  readonly serving: Serving;
  /** Of the spec's part. */
  readonly instances: readonly Instance[];
  /** Hit by a fault of the same phase: not to be hit again. */
  readonly taken: Set<string>;
  readonly clock: Clock;
  readonly random: Random;
  /** From hit to heal where the fault does not say; above a store's node time-out, or nothing fails over. */
  readonly holdMs: number;
  readonly signal: AbortSignal;
}

/** `healed`: it is as before. `hit`: an effect was seen. */
interface Healed extends Witness {
  readonly healed: boolean;
}

interface Course {
  hit(): Promise<Witness>;
  /** After a hit that was not seen the process may be in any state, so that it may find nothing to do. */
  heal(): Promise<Healed>;
  readonly holdMs: number;
  /** Of a scale that was hit: the part's sizing while it lasts. */
  sizing?(): Json | undefined;
}

/**
 * Hits one instance that has the role now, chosen by `random`, holds it and heals it. Times are those of the history
 * (clock's monotonic ms plus the thread's origin): the fault lies within [startMs, healedMs]. When nobody has the role
 * or the hit was not seen, `hit` is false and the witness says what was seen instead.
 * An abort heals at once, then rejects with the signal's reason. Throws `bench.fault-not-healed`.
 */
export async function runFault(spec: FaultSpec, context: FaultContext): Promise<FaultRun> {
  const { signal } = context;
  signal.throwIfAborted();
  const target = spec.kind === 'scale' ? null : await findTarget(context);
  if (target === undefined) return nobodyHit(spec, context);
  const isWhole = target === null || spec.kind === 'rolling-restart';
  const scope = isWhole ? undefined : await scopeOf(context, target.id);
  const startMs = sharedNowMs(context.clock);
  const course = courseOf(spec, target, context);
  const hit = await hitAndHold(spec, course, context);
  const healingMs = sharedNowMs(context.clock);
  const healed = await heal(spec, course, target?.id ?? spec.part, hit.hit);
  const healedMs = sharedNowMs(context.clock);
  signal.throwIfAborted();
  const sizing = course.sizing?.();
  return {
    kind: spec.kind,
    fault: spec.text,
    instance: isWhole ? (target?.set ?? spec.part) : target.id,
    set: target?.set ?? '',
    part: spec.part,
    startMs,
    healingMs,
    healedMs,
    hit: hit.hit && healed.hit,
    ...(hit.assumed ? { assumed: true as const } : {}),
    witness: `${hit.seen}; ${healed.seen}`,
    ...(sizing === undefined ? {} : { sizing }),
    ...(scope === undefined ? {} : { scope }),
  };
}

async function findTarget({ target, instances, taken, random }: FaultContext): Promise<Instance | undefined> {
  const found = (await target?.find(instances)) ?? [];
  const candidates = instances
    .filter(({ id }) => found.includes(id) && !taken.has(id))
    .sort((a, b) => a.ordinal - b.ordinal);
  const chosen = candidates[random.integer(candidates.length)];
  if (chosen !== undefined) taken.add(chosen.id);
  return chosen;
}

async function scopeOf({ target, instances }: FaultContext, id: string): Promise<FaultRun['scope']> {
  return target?.scope?.(instances, id).catch(() => undefined);
}

/** Never rejects: whatever went wrong on the way, the heal comes next. */
async function hitAndHold(spec: FaultSpec, course: Course, { clock, signal }: FaultContext): Promise<Witness> {
  let hit: Witness;
  try {
    hit = await course.hit();
  } catch (error) {
    return { hit: false, seen: `the ${spec.kind} of ${spec.part}.${spec.role} failed: ${messageOf(error)}` };
  }
  // An abort ends the hold early.
  if (hit.hit) await clock.sleep(course.holdMs, signal).catch(() => {});
  return hit;
}

async function heal(spec: FaultSpec, course: Course, instance: string, wasHit: boolean): Promise<Healed> {
  const healed = await course
    .heal()
    .catch((error: unknown): Healed => ({ hit: false, healed: false, seen: messageOf(error) }));
  if (healed.healed || !wasHit) return healed;
  throw new DspError('bench.fault-not-healed', { kind: spec.kind, instance, seen: healed.seen });
}

function courseOf(spec: FaultSpec, target: Instance | null, context: FaultContext): Course {
  const { access, rescale } = context;
  const holdMs = spec.forMs ?? context.holdMs;
  if (target === null) return scaleCourse(holdMs, spec, rescale);
  const { id } = target;
  switch (spec.kind) {
    case 'kill':
      return process(
        holdMs,
        () => access.kill(id),
        () => access.restart(id),
      );
    case 'restart':
      return process(
        spec.forMs ?? 0,
        () => access.stop(id),
        () => access.restart(id),
      );
    case 'power':
      return process(
        holdMs,
        () => access.cutPower(id),
        () => access.restart(id),
      );
    case 'rolling-restart':
      return process(
        spec.forMs ?? 0,
        () => access.rollingRestart(target.set, context.serving),
        async () => ({ hit: true, seen: 'all are ready' }),
      );
    case 'pause':
      return process(
        holdMs,
        () => access.pause(id),
        () => access.resume(id),
      );
    case 'clock':
      return clockCourse(holdMs, spec.stepMs, target, context);
    case 'disk-full':
      return diskCourse(holdMs, id, access);
    default:
      return holding(holdMs, () => access.disturb(id, ruleOf(spec)));
  }
}

function process(holdMs: number, hit: Course['hit'], heal: () => Promise<Witness>): Course {
  return {
    holdMs,
    hit,
    heal: async () => {
      const { hit: healed, seen } = await heal();
      return { healed, hit: true, seen };
    },
  };
}

function holding(holdMs: number, begin: () => Promise<Hold>): Course {
  let hold: Hold | null = null;
  return {
    holdMs,
    async hit() {
      hold = await begin();
      return hold.began;
    },
    async heal() {
      if (hold === null) return { healed: true, hit: false, seen: 'nothing was to be healed' };
      return { healed: true, ...(await hold.lift()) };
    },
  };
}

function scaleCourse(holdMs: number, { part, role, by }: FaultSpec, rescale: FaultContext['rescale']): Course {
  let sizing: Json | undefined;
  const course = holding(holdMs, async () => {
    if (rescale === null) return missed('nothing here can be scaled');
    const resized = await rescale(part, role, by);
    sizing = resized.sizing;
    return resized;
  });
  return { ...course, sizing: () => sizing };
}

function ruleOf({ kind, among, ms, jitterMs, everyMs, way }: FaultSpec): NetworkRule {
  switch (kind) {
    case 'latency':
      return { kind, among, ms, jitterMs };
    case 'reset':
      return { kind, among, everyMs };
    case 'partition':
      return { kind, among, way };
    default:
      return { kind: 'half-open', among };
  }
}

/** What libfaketime is told reaches the process within a second or two; the process's own clock is the witness. */
const clockPatience = { timeoutMs: 5000, pollMs: 100 };
const clockToleranceMs = 2000;

function clockCourse(
  holdMs: number,
  stepMs: number,
  instance: Instance,
  { access, target, clock }: FaultContext,
): Course {
  const read = target?.readClockMs?.bind(target);
  const course = holding(holdMs, () => access.stepClock(instance.id, stepMs));
  const offsetMs = async () => (read === undefined ? Number.NaN : (await read(instance)) - clock.nowMs());
  const isOff = async (wantedMs: number): Promise<Witness> => {
    if (read === undefined) return { hit: false, seen: `nobody knows how to read the clock of ${instance.id}` };
    let foundMs = Number.NaN;
    const hit = await until(clock, clockPatience, async () => {
      foundMs = await offsetMs().catch(() => Number.NaN);
      return Math.abs(foundMs - wantedMs) <= clockToleranceMs;
    });
    return { hit, seen: `its clock is ${(foundMs / 1000).toFixed(1)} s off` };
  };
  return {
    holdMs,
    async hit() {
      const began = await course.hit();
      return began.hit ? isOff(stepMs) : began;
    },
    async heal() {
      const lifted = await course.heal();
      if (!lifted.hit) return lifted;
      const right = await isOff(0);
      return { healed: right.hit, hit: true, seen: right.seen };
    },
  };
}

/** A process that ended of its full disk is started again. */
function diskCourse(holdMs: number, id: string, access: FaultAccess): Course {
  const course = holding(holdMs, () => access.fillDisk(id));
  return {
    ...course,
    async heal() {
      const lifted = await course.heal();
      const restarted = await access.restart(id);
      return restarted.hit ? { ...lifted, seen: `${lifted.seen}; it had ended, ${restarted.seen}` } : lifted;
    },
  };
}

function nobodyHit(spec: FaultSpec, { clock, instances }: FaultContext): FaultRun {
  const atMs = sharedNowMs(clock);
  const { kind, part, role, text } = spec;
  const witness = `none of the ${instances.length} instances of ${part} is ${role} now`;
  const moments = { startMs: atMs, healingMs: atMs, healedMs: atMs };
  return { kind, fault: text, instance: '', set: '', part, ...moments, hit: false, witness };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
