/** Faults: which one is meant, whom it hits, and its course: hit → hold → heal, with what was seen as witness. */

import type { FaultTarget, FaultWindow } from '../checkers/invariant.ts';
import { type Clock, monotonicOriginMs } from '../clock.ts';
import type { FaultAccess, Instance, Witness } from '../deploy/deployment.ts';
import { DspError } from '../errors.ts';
import type { Random } from '../random.ts';
import { nearest } from '../requirements/nearest.ts';

/** `<kind>:<part>.<role>` as the user writes it. */
export interface FaultSpec {
  readonly kind: FaultWindow['kind'];
  readonly part: string;
  readonly role: string;
}

/** A role of a part that a fault may name. */
export interface FaultRole {
  readonly part: string;
  readonly role: string;
}

const kinds = ['kill', 'pause'] as const;
const specForm = /^(?<kind>[a-z]+):(?<part>[a-z][a-z0-9-]*)\.(?<role>[a-z][a-z0-9-]*)$/;

/** Throws `bench.fault-unknown`, which names the fault that was probably meant. `roles`: those of the deployment. */
export function parseFaultSpec(text: string, roles: readonly FaultRole[]): FaultSpec {
  const found = specForm.exec(text)?.groups;
  const kind = kinds.find((known) => known === found?.kind);
  const target = roles.find(({ part, role }) => part === found?.part && role === found?.role);
  if (kind !== undefined && target !== undefined) return { kind, part: target.part, role: target.role };
  const known = roles.flatMap(({ part, role }) => kinds.map((name) => `${name}:${part}.${role}`));
  const ofPart = known.filter((name) => name.includes(`:${found?.part}.`));
  const meant = nearest(text, ofPart.length > 0 ? ofPart : known);
  throw new DspError('bench.fault-unknown', { given: text, known, nearest: meant });
}

export function faultName({ kind, part, role }: FaultSpec): string {
  return `${kind}:${part}.${role}`;
}

/** A fault as it went, before anyone knows when requests succeeded again. */
export interface FaultRun extends FaultWindow {
  /** What was seen of the hit and of the heal. */
  readonly witness: string;
}

export interface FaultContext {
  readonly access: FaultAccess;
  readonly find: FaultTarget['find'];
  /** Of the spec's part. */
  readonly instances: readonly Instance[];
  readonly clock: Clock;
  readonly random: Random;
  /** From hit to heal; above a store's node time-out, or nothing fails over. */
  readonly holdMs: number;
  readonly signal: AbortSignal;
}

/**
 * Hits one instance that has the role now, chosen by `random`, holds it and heals it. Times are those of the history
 * (clock's monotonic ms plus the thread's origin): the fault lies within [startMs, healedMs]. When nobody has the role
 * or the hit was not seen, `hit` is false and the witness says what was seen instead.
 * An abort heals at once, then rejects with the signal's reason. Throws `bench.fault-not-healed`.
 */
export async function runFault(spec: FaultSpec, context: FaultContext): Promise<FaultRun> {
  const { clock, instances, random, signal } = context;
  signal.throwIfAborted();
  const found = await context.find(instances);
  const candidates = instances.filter(({ id }) => found.includes(id)).sort((a, b) => a.ordinal - b.ordinal);
  const target = candidates[random.integer(candidates.length)];
  if (target === undefined) return nobodyHit(spec, context);
  const startMs = sharedNowMs(clock);
  const hit = await hitAndHold(spec, target.id, context);
  const healed = await heal(spec, target.id, context, hit.hit);
  const healedMs = sharedNowMs(clock);
  signal.throwIfAborted();
  const witness = `${hit.seen}; ${healed.seen}`;
  return {
    kind: spec.kind,
    instance: target.id,
    set: target.set,
    part: target.part,
    startMs,
    healedMs,
    hit: hit.hit,
    witness,
  };
}

/** Never rejects: whatever went wrong on the way, the heal comes next. */
async function hitAndHold(spec: FaultSpec, instance: string, context: FaultContext): Promise<Witness> {
  const { access, clock, holdMs, signal } = context;
  let hit: Witness;
  try {
    hit = await (spec.kind === 'kill' ? access.kill(instance) : access.pause(instance));
  } catch (error) {
    return { hit: false, seen: `the ${spec.kind} of ${instance} failed: ${messageOf(error)}` };
  }
  // An abort ends the hold early.
  if (hit.hit) await clock.sleep(holdMs, signal).catch(() => {});
  return hit;
}

/** After a hit that was not seen the process may be in any state, so the heal is tried and may find nothing to do. */
async function heal(spec: FaultSpec, instance: string, context: FaultContext, wasHit: boolean): Promise<Witness> {
  const { access } = context;
  const healed = await (spec.kind === 'kill' ? access.restart(instance) : access.resume(instance)).catch(
    (error: unknown) => ({ hit: false, seen: messageOf(error) }),
  );
  if (healed.hit || !wasHit) return healed;
  throw new DspError('bench.fault-not-healed', { kind: spec.kind, instance, seen: healed.seen });
}

function nobodyHit({ kind, part, role }: FaultSpec, { clock, instances }: FaultContext): FaultRun {
  const atMs = sharedNowMs(clock);
  const witness = `none of the ${instances.length} instances of ${part} is ${role} now`;
  return { kind, instance: '', set: '', part, startMs: atMs, healedMs: atMs, hit: false, witness };
}

function sharedNowMs(clock: Clock): number {
  return monotonicOriginMs() + clock.monotonicMs();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
