/** What runs, as the kernel and the probes see it. */

import type { Clock } from '../../clock.ts';
import { pathsOf } from './paths.ts';
import { requireProcfs } from './procfs.ts';
import { probe } from './ready.ts';
import { processOf, readState } from './registry.ts';

export interface InstanceStatus {
  readonly id: string;
  readonly part: string;
  readonly set: string;
  readonly state: 'running' | 'paused' | 'dead';
  readonly ready: boolean;
  /** Why it is not ready; null when it is. */
  readonly reason: string | null;
  readonly pid: number | null;
  readonly ports: Readonly<Record<string, number>>;
  readonly uptimeMs: number | null;
  readonly logPath: string;
}

export interface Status {
  readonly name: string;
  readonly scale: number;
  /** False when the last deployment did not come to its end. */
  readonly settled: boolean;
  readonly instances: readonly InstanceStatus[];
}

/** Null when nothing is deployed. Throws `deploy.state-unreadable`. */
export async function readStatus(root: string, clock: Clock): Promise<Status | null> {
  requireProcfs();
  const state = readState(pathsOf(root));
  if (state === null) return null;
  const instances = Object.values(state.instances).map(async (record): Promise<InstanceStatus> => {
    const { id, part, set, ports, logPath, readiness } = record.spec;
    const known = { id, part, set, ports, logPath };
    const process = processOf(record);
    if (process === null) return { ...known, state: 'dead', ready: false, reason: 'ended', pid: null, uptimeMs: null };
    const uptimeMs = Math.max(0, clock.nowMs() - (record.process?.startedAtMs ?? 0));
    const running = { ...known, pid: process.pid, uptimeMs };
    if (process.state === 'stopped') return { ...running, state: 'paused', ready: false, reason: 'paused' };
    const reason = await probe(readiness);
    return { ...running, state: 'running', ready: reason === null, reason };
  });
  const { name, scale, settled } = state;
  return { name, scale, settled, instances: await Promise.all(instances) };
}

/** Whether everything that was deployed serves. */
export function isHealthy(status: Status): boolean {
  return status.settled && status.instances.every(({ ready }) => ready);
}
