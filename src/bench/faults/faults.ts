/** Faults of a run: which are meant, and the phases that they make up. */

import { DspError } from '../../errors.ts';
import { type Random, shuffled } from '../../random.ts';
import { type FaultKind, type FaultSpec, faultKinds, readFaults } from '../../requirements/faults.ts';
import { nearest } from '../../requirements/nearest.ts';
import type { FaultContext, FaultRun } from './fault-course.ts';
import { runFault } from './fault-course.ts';

/** A role of a part that a fault may name. */
export interface FaultRole {
  readonly part: string;
  readonly role: string;
  /** What can be done to it; absent: everything but to scale it. */
  readonly kinds?: readonly FaultKind[];
}

const kindsOf = ({ kinds }: FaultRole) => kinds ?? faultKinds.filter((kind) => kind !== 'scale');

/** Every fault there can be, as the user names it, without parameters. */
export function knownFaults(roles: readonly FaultRole[]): readonly string[] {
  return roles.flatMap((role) => kindsOf(role).map((kind) => `${kind}:${role.part}.${role.role}`));
}

/**
 * The faults of one phase. Throws `bench.fault-unknown`, which names the fault that was probably meant, and
 * `bench.fault-parameter`. `roles`: those of the deployment.
 */
export function parsePhase(text: string, roles: readonly FaultRole[]): readonly FaultSpec[] {
  const known = knownFaults(roles);
  for (const one of text.split('+')) {
    const [given = ''] = one.trim().split(',');
    if (known.includes(given)) continue;
    const part = /:(?<part>[^.]*)\./.exec(given)?.groups?.part;
    const ofPart = known.filter((name) => name.includes(`:${part}.`));
    const meant = nearest(given, ofPart.length > 0 ? ofPart : known);
    throw new DspError('bench.fault-unknown', { given: one.trim(), known, nearest: meant });
  }
  const specs = readFaults(text);
  if ('problem' in specs) throw new DspError('bench.fault-parameter', { given: text, problem: specs.problem });
  return specs;
}

export function phaseName(specs: readonly FaultSpec[]): string {
  return specs.map(({ text }) => text).join('+');
}

/**
 * Runs the faults of a phase, each from its own moment on; resolves when all are healed. No two hit the same instance.
 * When one cannot be healed or the run is interrupted, the others are healed before it rejects.
 */
export async function runPhase(
  specs: readonly FaultSpec[],
  contextOf: (spec: FaultSpec, taken: Set<string>) => FaultContext,
): Promise<readonly FaultRun[]> {
  const taken = new Set<string>();
  const runs = await Promise.allSettled(
    specs.map(async (spec) => {
      const context = contextOf(spec, taken);
      await context.clock.sleep(spec.atMs, context.signal);
      return runFault(spec, context);
    }),
  );
  return runs.map((run) => {
    if (run.status === 'rejected') throw run.reason;
    return run.value;
  });
}

/** How often two neighbours of a drawn schedule run together, and how far apart they begin. */
const joinedShare = 0.25;
const maxApartMs = 1500;

/**
 * `count` phases for each of `seeds`, dealt from the pool as cards are: each fault comes up before any does again.
 * Some phases of different parts are joined, so that their faults overlap. The same pool and seeds give the same phases.
 */
export function drawSchedules(
  pool: readonly string[],
  seeds: readonly number[],
  count: number,
  random: Random,
): ReadonlyMap<number, readonly string[]> {
  let deck: string[] = [];
  const deal = (): string => {
    if (deck.length === 0) deck = shuffled(pool, random);
    return deck.pop() as string;
  };
  return new Map(
    seeds.map((seed) => {
      const dealt = pool.length === 0 ? [] : Array.from({ length: count }, deal);
      return [seed, joined(dealt, random)] as const;
    }),
  );
}

function joined(phases: readonly string[], random: Random): readonly string[] {
  const result: string[] = [];
  for (const phase of phases) {
    const before = result.at(-1);
    // Two faults of one part are more than any requirement speaks of.
    const apart = before !== undefined && !before.includes('+') && partOf(before) !== partOf(phase);
    if (apart && ![before, phase].some((text) => text.startsWith('scale:')) && random.next() < joinedShare) {
      result[result.length - 1] = `${before}+${phase},atMs=${random.integer(maxApartMs)}`;
    } else result.push(phase);
  }
  return result;
}

const partOf = (text: string) => /:(?<part>[^.]*)\./.exec(text)?.groups?.part;
