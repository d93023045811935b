/** Where a deployment keeps what it needs, under the project's root. */

import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Ownership } from './procfs.ts';

export interface Paths {
  readonly root: string;
  readonly runDir: string;
  readonly logsDir: string;
  /** One folder an instance or job: its working directory, with its volumes in it. */
  readonly dataDir: string;
  readonly statePath: string;
  /** Ports of the kept data: a cluster's members find each other again where they were. */
  readonly portsPath: string;
}

/** The kernel tells working directories without symbolic links, so the root must have none. */
export function pathsOf(root: string): Paths {
  const real = realpathSync(root);
  const runDir = join(real, '.dsp', 'run');
  const dataDir = join(real, '.dsp', 'data');
  return {
    root: real,
    runDir,
    logsDir: join(runDir, 'logs'),
    dataDir,
    statePath: join(runDir, 'state.json'),
    portsPath: join(dataDir, 'ports.json'),
  };
}

/** With the data: what was made for it is kept and destroyed with it. */
export function secretsPathOf(paths: Paths): string {
  return join(paths.dataDir, 'secrets.json');
}

/** Of an instance or job that works in `cwd`. */
export function secretFilePath(cwd: string, fileName: string): string {
  return join(cwd, '.secrets', fileName);
}

/** Set for every process that a deployment starts, builds included. */
const markerName = 'DSP_DEPLOYMENT';

export function markerOf(paths: Paths): Readonly<Record<string, string>> {
  return { [markerName]: paths.root };
}

export function ownershipOf(paths: Paths): Ownership {
  return { dataDir: paths.dataDir, logsDir: paths.logsDir, marker: { name: markerName, value: paths.root } };
}

export function logPathOf(paths: Paths, id: string): string {
  return join(paths.logsDir, `${id}.log`);
}
