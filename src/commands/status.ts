/** dsp status: what runs. */

import { systemClock } from '../clock.ts';
import { type InstanceStatus, isHealthy, readStatus } from '../deploy/local/status.ts';
import type { ExitCode } from '../errors.ts';
import { alignColumns, type Terminal } from '../terminal.ts';

export interface StatusOptions {
  readonly project: string;
  readonly json: boolean;
}

/** 0 when everything that was deployed is ready, else 1. */
export async function runStatus(options: StatusOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const status = await readStatus(options.project, systemClock);
  const healthy = status !== null && isHealthy(status);
  if (options.json) {
    const { name = null, scale = null, settled = false, instances = [] } = status ?? {};
    terminal.json({ schemaVersion: 1, deployed: status !== null, healthy, settled, name, scale, instances });
    return healthy ? 0 : 1;
  }
  if (status === null) {
    terminal.note('nothing is deployed: `dsp deploy`');
    return 1;
  }
  for (const line of table(status.instances)) terminal.out(line);
  if (!healthy) terminal.note('not everything is ready: `dsp deploy` starts what is missing');
  return healthy ? 0 : 1;
}

function table(instances: readonly InstanceStatus[]): readonly string[] {
  const rows = instances.map(({ id, state, ready, reason, pid, ports, uptimeMs }) => [
    id,
    state === 'running' ? (ready ? 'ready' : 'not ready') : state,
    pid === null ? '-' : String(pid),
    Object.values(ports).join(','),
    uptimeMs === null ? '-' : duration(uptimeMs),
    state === 'running' && reason !== null ? reason : '',
  ]);
  return alignColumns([['INSTANCE', 'STATE', 'PID', 'PORT', 'UP', ''], ...rows]);
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`;
}
