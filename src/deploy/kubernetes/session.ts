/** What every operation on a deployment begins with: where it is, and the project's stack. */

import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DspError } from '../../errors.ts';
import { type ChosenContext, type Cluster, chooseContext, kubectl } from './cluster.ts';
import type { DeploymentRecord, Home } from './home.ts';
import type { Stack } from './workspace.ts';

export interface Place {
  /** Absent: that of the last deployment, else kubectl's current one. */
  readonly context?: string;
  /** Absent: that of the last deployment, else the project's name. */
  readonly namespace?: string;
}

export interface FoundCluster extends Cluster, ChosenContext {}

/** As kubectl is set up; nobody is asked yet whether the cluster answers. Throws `kubernetes.no-context`. */
export async function findCluster(
  place: Place,
  record: DeploymentRecord | null,
  project: string,
): Promise<FoundCluster> {
  const chosen = await chooseContext(place.context ?? record?.context);
  return { ...chosen, namespace: place.namespace ?? record?.namespace ?? project };
}

/** One stack a cluster and namespace; Pulumi takes letters, digits, `-`, `_` and `.`. */
export function stackName({ context, namespace }: Cluster): string {
  return `${context.replace(/[^A-Za-z0-9_-]+/g, '-').slice(-60)}.${namespace}`;
}

/**
 * Runs `work` with a kubeconfig whose current context is the cluster's, so that Pulumi and kubectl mean the same one.
 * Null when it is the current one already. The file holds credentials: its owner's alone, and gone afterwards.
 */
export async function withKubeconfig<T>(
  home: Home,
  { context, isCurrent }: FoundCluster,
  work: (path: string | null) => Promise<T>,
): Promise<T> {
  if (isCurrent) return work(null);
  const path = join(home.dir, `kubeconfig.${process.pid}`);
  writeFileSync(path, await kubectl(context, ['config', 'view', '--minify', '--flatten', '--raw']), { mode: 0o600 });
  chmodSync(path, 0o600);
  try {
    return await work(path);
  } finally {
    rmSync(path, { force: true });
  }
}

export interface LockPolicy {
  /** Take the lock away whoever holds it. */
  readonly unlock: boolean;
  readonly report: (line: string) => void;
}

/**
 * Runs an operation of the stack. A lock whose owner was a process of this machine that is gone is taken away; another
 * one only when `unlock` says so. Throws `kubernetes.locked`.
 */
export async function withLock<T>(stack: Stack, policy: LockPolicy, operate: () => Promise<T>): Promise<T> {
  try {
    return await operate();
  } catch (error) {
    const holder = lockHolder(error);
    if (holder === null) throw error;
    if (!policy.unlock && !isDead(holder)) {
      throw new DspError('kubernetes.locked', { stack: stack.name, holder: holder.words });
    }
    policy.report(`taking away the lock of ${holder.words}${isDead(holder) ? ', which is gone' : ''}`);
    await stack.cancel();
    return operate();
  }
}

interface Holder {
  readonly words: string;
  readonly host: string;
  readonly pid: number | null;
}

/** `created by root@host (pid 4711) at 2026-…`, as Pulumi's file backends say it. */
function lockHolder(error: unknown): Holder | null {
  if (!(error instanceof Error) || error.name !== 'ConcurrentUpdateError') return null;
  const match = /created by (?<user>[^@\s]+)@(?<host>\S+) \(pid (?<pid>\d+)\) at (?<at>\S+)/.exec(error.message);
  if (match?.groups === undefined) return { words: 'another run', host: '', pid: null };
  const { user, host = '', pid, at } = match.groups;
  return { words: `${user}@${host}, process ${pid}, since ${at}`, host, pid: Number(pid) };
}

function isDead({ host, pid }: Holder): boolean {
  return pid !== null && host === hostname() && !exists(pid);
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is there, too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
