/** What a bench needs to know of the plan and the deployment: who takes how much load where, and whom a fault can hit. */

import { connect } from 'node:net';
import type { Invariants } from '../checkers/invariant.ts';
import type { Deployment, Instance } from '../deploy/deployment.ts';
import { DspError } from '../errors.ts';
import type { Pattern } from '../pattern.ts';
import type { Part, Plan } from '../plan/plan.ts';
import type { FaultRole } from './faults/faults.ts';
import type { Target, TransportAccess } from './generator/target.ts';
import type { Via } from './input.ts';
import { loadInvariants, patternModuleUrl } from './modules.ts';

/** A part of the plan as the bench meets it. */
export interface BenchedPart {
  readonly part: Part;
  readonly invariants: Invariants;
  readonly instances: readonly Instance[];
  /** What of it can be scaled under load. */
  readonly scales: readonly string[];
  /** `file:` URL. */
  readonly workloadUrl: string;
  /** Where its load goes; null when only other parts call it. */
  readonly targets: readonly Target[] | null;
  readonly via: Via;
  /** Of its targets, where they ask for a name. */
  readonly access?: TransportAccess;
  /** Per second by operation, at the deployment's scale. */
  readonly offeredLoad: Readonly<Record<string, number>>;
}

/** Throws `bench.no-deployment` when a part that takes load, or any other, has no instance. */
export async function benchedParts(
  plan: Plan,
  deployment: Deployment,
  patternOf: (id: string) => Pattern,
  rateFactor: number,
  via: Via = 'http',
): Promise<readonly BenchedPart[]> {
  return Promise.all(
    plan.parts.map(async (part) => {
      const pattern = patternOf(part.pattern);
      const instances = deployment.instances.filter((instance) => instance.part === part.name);
      if (instances.length === 0) {
        throw new DspError('bench.no-deployment', {
          project: plan.requirements.name,
          missing: `nothing of ${part.name} runs`,
        });
      }
      return {
        part,
        instances,
        scales: Object.keys(pattern.scales ?? {}),
        invariants: await loadInvariants(part.pattern, pattern.invariantsModule),
        ...(wayIn(pattern, part.name, instances, via) ?? {
          via: 'http',
          workloadUrl: patternModuleUrl(part.pattern, pattern.workloadModule),
          targets: targetsOf(plan, part.name, instances),
        }),
        offeredLoad: scaled(part.offeredLoad, deployment.scale * rateFactor),
      };
    }),
  );
}

function scaled(load: Readonly<Record<string, number>>, factor: number): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(load).map(([operation, perSecond]) => [operation, perSecond * factor]));
}

type WayIn = Pick<BenchedPart, 'via' | 'workloadUrl' | 'targets' | 'access'>;

/** To the part's engines in their own protocol; null where the pattern has no such way. */
function wayIn(pattern: Pattern, part: string, instances: readonly Instance[], via: Via): WayIn | null {
  const way = via === 'http' ? undefined : pattern.loadVia?.[via];
  if (way === undefined) return null;
  const engines = instances.filter(({ set }) => set === `${part}-${way.set}`).sort((a, b) => a.ordinal - b.ordinal);
  const { loadUser: user, loadPassword: password, ca, serverName } = engines[0]?.access ?? {};
  const named = { ...(user && { user }), ...(password && { password }) };
  return {
    via,
    workloadUrl: patternModuleUrl(pattern.id, way.workloadModule),
    targets: targetsAt(engines, way.port),
    access: { ...named, ...(ca && { ca }), ...(serverName && { serverName }) },
  };
}

function targetsAt(instances: readonly Instance[], portName: string): readonly Target[] {
  return instances.flatMap(({ host, ports }) => {
    const port = ports[portName];
    return port === undefined ? [] : [{ host, port }];
  });
}

function targetsOf(plan: Plan, part: string, instances: readonly Instance[]): readonly Target[] | null {
  const found = exposedBy(plan, part, instances);
  if (found === null || found.targets.length > 0) return found?.targets ?? null;
  throw new DspError('bench.no-deployment', {
    project: plan.requirements.name,
    missing: `nothing of ${found.set} runs`,
  });
}

/** Every instance of the set that the part exposes; null when it exposes none. */
export function exposedBy(
  plan: Plan,
  part: string,
  instances: readonly Instance[],
): { readonly set: string; readonly targets: readonly Target[] } | null {
  const sets = plan.local.topology.processSets.filter((set) => set.part === part);
  const found = sets.flatMap((set) => set.ports.filter(({ exposed }) => exposed).map((port) => ({ set, port })))[0];
  if (found === undefined) return null;
  const targets = targetsAt(
    instances.filter((instance) => instance.set === found.set.id),
    found.port.name,
  );
  return { set: found.set.id, targets };
}

/** Those that take load themselves. */
export function loadedParts(parts: readonly BenchedPart[]): readonly BenchedPart[] {
  return parts.filter((part) => part.targets !== null && Object.values(part.offeredLoad).some((rate) => rate > 0));
}

export function faultRoles(parts: readonly BenchedPart[]): readonly FaultRole[] {
  return parts.flatMap(({ part, invariants, scales }) => [
    ...invariants.faultTargets.map(({ role }) => ({ part: part.name, role })),
    ...scales.map((role) => ({ part: part.name, role, kinds: ['scale'] as const })),
  ]);
}

/** A kill and a pause of the first role of the part that the others build on: the plan lists providers first. */
export function defaultFaults(parts: readonly BenchedPart[]): readonly string[] {
  const [first] = faultRoles(parts).filter(({ kinds }) => kinds === undefined);
  return first === undefined ? [] : [`kill:${first.part}.${first.role}`, `pause:${first.part}.${first.role}`];
}

const reachableWithinMs = 2000;

/** Throws `bench.unreachable` for the first target that takes no connection. */
export async function checkReachable(
  parts: readonly BenchedPart[],
  timeoutMs: number = reachableWithinMs,
): Promise<void> {
  for (const { part, targets } of parts) {
    for (const target of targets ?? []) {
      const problem = await tryConnect(target, timeoutMs);
      const address = `${target.host}:${target.port}`;
      if (problem !== null) throw new DspError('bench.unreachable', { part: part.name, address, problem });
    }
  }
}

function tryConnect({ host, port }: Target, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (problem: string | null) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(timeoutMs, () => end(`no answer within ${timeoutMs} ms`));
    socket.on('connect', () => end(null));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
