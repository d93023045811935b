/** dsp status: what runs. */

import { systemClock } from '../clock.ts';
import { type InstanceStatus, isHealthy, readStatus } from '../deploy/local/status.ts';
import type { ExitCode } from '../errors.ts';
import { alignColumns, type Terminal } from '../terminal.ts';
import { chosenTarget, type TargetName } from './target.ts';

export interface StatusOptions {
  readonly project: string;
  readonly json: boolean;
  readonly target?: TargetName;
}

/** 0 when everything that was deployed is ready, else 1. */
export async function runStatus(options: StatusOptions, terminal: Terminal): Promise<0 | ExitCode> {
  if (chosenTarget(options) === 'kubernetes') return onKubernetes(options, terminal);
  const status = await readStatus(options.project, systemClock);
  const healthy = status !== null && isHealthy(status);
  if (options.json) {
    const { name = null, scale = null, settled = false, instances = [], certificates = {} } = status ?? {};
    const deployed = status !== null;
    terminal.json({ schemaVersion: 1, deployed, healthy, settled, name, scale, instances, certificates });
    return healthy ? 0 : 1;
  }
  if (status === null) {
    terminal.note('nothing is deployed: `dsp deploy`');
    return 1;
  }
  for (const line of table(status.instances)) terminal.out(line);
  for (const [name, end] of Object.entries(status.certificates)) {
    terminal.note(`the certificate ${name} ends on ${end.slice(0, 10)}; \`dsp deploy\` renews it in its last 30 days`);
  }
  if (!healthy) terminal.note('not everything is ready: `dsp deploy` starts what is missing');
  return healthy ? 0 : 1;
}

async function onKubernetes({ project, json }: StatusOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { isServing, readKubernetesStatus } = await import('../deploy/kubernetes/status.ts');
  const status = await readKubernetesStatus(project, systemClock);
  const healthy = status !== null && isServing(status);
  if (json) {
    const { name = null, context = null, namespace = null, settled = false } = status?.record ?? {};
    const where = { target: 'kubernetes', context, namespace };
    terminal.json({
      schemaVersion: 1,
      deployed: status !== null,
      healthy,
      settled,
      name,
      ...where,
      pods: status?.pods ?? [],
    });
    return healthy ? 0 : 1;
  }
  if (status === null) {
    terminal.note('nothing is deployed: `dsp deploy --target kubernetes`');
    return 1;
  }
  const rows = status.pods.map(({ name, ready, state, restarts, node, ageMs }) => [
    name,
    ready ? 'ready' : 'not ready',
    String(restarts),
    duration(ageMs),
    node ?? '-',
    ready ? '' : state,
  ]);
  for (const line of alignColumns([['POD', 'STATE', 'RESTARTS', 'AGE', 'NODE', ''], ...rows])) terminal.out(line);
  if (!healthy) terminal.note('not everything is ready: `dsp deploy --target kubernetes` goes on');
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
