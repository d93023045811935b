/** Brings a running cluster to what it is wanted to be: look, take the steps that can be taken, look again. */

import type { Clock } from '@dsp/kit/clock';
import type { Logger } from '@dsp/kit/log';
import type { RedisAccess } from '@dsp/kit/redis-access';
import { ClusterAdmin } from './cluster-admin.ts';
import { clusterSlotCount, type NodeState } from './cluster-view.ts';
import { ConvergenceError, nextSteps, type Step } from './convergence.ts';

export interface ReconcileOptions {
  /** `host:port` of the nodes that the cluster is to consist of. */
  readonly nodes: readonly string[];
  readonly replicasPerPrimary: number;
  /** `host:port` of nodes that are to give away their slots and leave; those that do not answer are left alone. */
  readonly leaving: readonly string[];
  readonly nodeTimeoutMs: number;
  readonly timeoutMs: number;
  /** Of the user that may change the cluster; absent where servers know no users. */
  readonly access?: RedisAccess;
  readonly clock: Clock;
  readonly log: Logger;
}

const lookAgainAfterMs = 50;

/** Rejects with {@link ConvergenceError} when the cluster is not as wanted within the time-out, saying what was missing. */
export async function reconcile(options: ReconcileOptions): Promise<void> {
  const { clock, log } = options;
  const deadlineMs = clock.monotonicMs() + options.timeoutMs;
  const admin = new ClusterAdmin({
    clock,
    access: options.access ?? {},
    commandTimeoutMs: Math.max(500, Math.floor(options.nodeTimeoutMs / 2)),
    replicas: options.replicasPerPrimary,
    deadlineMs,
  });
  // Keys out of place are looked for at the start, after a failure, and once more before the work is called done.
  let thorough = true;
  let missing = '';
  try {
    for (;;) {
      const round = await oneRound(admin, options, thorough, log);
      if (round.done && thorough) return;
      if (round.missing !== undefined && round.missing !== missing) log.info({ for: round.missing }, 'waiting');
      missing = round.missing ?? missing;
      if (clock.monotonicMs() > deadlineMs) {
        throw new ConvergenceError(`not done within ${options.timeoutMs} ms; waiting for ${missing}`);
      }
      if (round.missing !== undefined) await clock.sleep(lookAgainAfterMs);
      thorough = round.done || round.failed === true;
    }
  } finally {
    admin.close();
  }
}

interface Round {
  readonly done: boolean;
  /** What it waits for, or what failed. */
  readonly missing?: string;
  readonly failed?: boolean;
}

async function oneRound(
  admin: ClusterAdmin,
  options: ReconcileOptions,
  thorough: boolean,
  log: Logger,
): Promise<Round> {
  const wanted = await Promise.allSettled(options.nodes.map((address) => admin.observe(address, thorough)));
  const leaving = await Promise.allSettled(options.leaving.map((address) => admin.observe(address, thorough)));
  const failed = wanted.find((result) => result.status === 'rejected');
  if (failed !== undefined) return { done: false, missing: messageOf(failed.reason) };
  const nodes = valuesOf(wanted);
  const steps = nextSteps(distinct([...nodes, ...valuesOf(leaving)]), {
    ids: nodes.map((node) => node.id),
    replicasPerPrimary: options.replicasPerPrimary,
    slotCount: clusterSlotCount,
  });
  const addresses = new Map([...nodes, ...valuesOf(leaving)].map((node) => [node.id, node.address]));
  for (const step of steps) {
    if (step.kind === 'wait') return { done: false, missing: step.for };
    log.info(describe(step, addresses), step.kind);
    try {
      await admin.apply(step);
    } catch (error) {
      return { done: false, failed: true, missing: messageOf(error) };
    }
  }
  return { done: steps.length === 0 };
}

function valuesOf(results: readonly PromiseSettledResult<NodeState>[]): NodeState[] {
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

function distinct(nodes: readonly NodeState[]): NodeState[] {
  return [...new Map(nodes.map((node) => [node.id, node])).values()];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The step for people: addresses for ids, and how many slots. */
function describe(step: Step, addresses: ReadonlyMap<string, string>): Record<string, string | number> {
  const fields = Object.entries(step).filter(([name]) => name !== 'kind');
  return Object.fromEntries(
    fields.map(([name, value]) => [
      name,
      Array.isArray(value) ? value.length : (addresses.get(String(value)) ?? (value as string | number)),
    ]),
  );
}
