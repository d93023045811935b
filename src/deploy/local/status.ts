/** What runs, as the kernel and the probes see it. */

import type { Clock } from '../../clock.ts';
import { certificateExpiries } from '../secrets.ts';
import { pathsOf } from './paths.ts';
import { requireProcfs } from './procfs.ts';
import { probe } from './ready.ts';
import { processOf, readState } from './registry.ts';
import { readSecrets } from './secrets.ts';

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
  /** When each certificate ends, in ISO 8601, by the secret's name: a deployment in its last 30 days replaces it. */
  readonly certificates: Readonly<Record<string, string>>;
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
  const expiries = Object.entries(certificateExpiries(readSecrets(pathsOf(root))));
  const certificates = Object.fromEntries(expiries.map(([name, atMs]) => [name, new Date(atMs).toISOString()]));
  return { name, scale, settled, instances: await Promise.all(instances), certificates };
}

/** Whether everything that was deployed serves. */
export function isHealthy(status: Status): boolean {
  return status.settled && status.instances.every(({ ready }) => ready);
}
