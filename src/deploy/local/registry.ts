/**
 * `.dsp/run/state.json`: what was started, what is wanted, and on which ports. Written before a process is started
 * (the intent) and after (its identity), so that whatever ends dsp, the next command knows what may be there.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { DspError } from '../../errors.ts';
import { attempt } from '../../project/files.ts';
import type { Deployment, Instrumentation } from '../deployment.ts';
import { type Paths, pathsOf } from './paths.ts';
import type { PortMap } from './ports.ts';
import { findProcess, type ProcessIdentity, type ProcessView } from './procfs.ts';
import type { InstanceSpec } from './resolve.ts';

export interface ProcessRecord extends ProcessIdentity {
  /** Wall-clock time of the start. */
  readonly startedAtMs: number;
  /** Size of the log before the start: what follows is this process's. */
  readonly logOffset: number;
}

export interface InstanceRecord {
  readonly spec: InstanceSpec;
  readonly digest: string;
  /** Null from the intent to the start, and when it was stopped on purpose. */
  readonly process: ProcessRecord | null;
  /** No longer wanted, and what it held is elsewhere: its data is not to be used again. */
  readonly drained: boolean;
}

export interface JobRecord {
  readonly digest: string;
  /** False from the moment that something it depends on changes until it has run to its end. */
  readonly done: boolean;
}

export interface RunState {
  readonly schemaVersion: 1;
  readonly root: string;
  readonly name: string;
  readonly scale: number;
  /** Of the plan that was deployed. */
  readonly requirementsDigest: string;
  /** Whether the last deployment came to its end; a bench needs one that did. */
  readonly settled: boolean;
  /** Absent: none. */
  readonly instrumented?: Instrumentation;
  readonly ports: PortMap;
  /** Every port that is ours, with those that are reserved beside them. */
  readonly reserved: readonly number[];
  readonly instances: Readonly<Record<string, InstanceRecord>>;
  readonly jobs: Readonly<Record<string, JobRecord>>;
}

/** Null when nothing is deployed. Throws `deploy.state-unreadable`. */
export function readState(paths: Paths): RunState | null {
  let text: string;
  try {
    text = readFileSync(paths.statePath, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unreadable(paths, error);
  }
  try {
    const state = JSON.parse(text) as RunState;
    if (state.schemaVersion !== 1) throw new Error(`schemaVersion ${state.schemaVersion} is unknown`);
    const parts = [state.ports, state.reserved, state.instances, state.jobs];
    if (parts.some((part) => typeof part !== 'object' || part === null)) throw new Error('it is incomplete');
    return state;
  } catch (error) {
    throw unreadable(paths, error);
  }
}

function unreadable(paths: Paths, cause: unknown): DspError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DspError('deploy.state-unreadable', { reason }, { where: paths.statePath, cause });
}

/** Whole or not at all, and on the disk when it resolves. */
export async function writeState(paths: Paths, state: RunState): Promise<void> {
  await writeWhole(paths.statePath, `${JSON.stringify(state, null, 1)}\n`);
}

export async function writeWhole(path: string, text: string): Promise<void> {
  await attempt(path, async () => {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      const file = openSync(temporary, 'w', 0o600);
      try {
        writeSync(file, text);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  });
}

/** The record's process as it is now; null when it has ended or was never started. */
export function processOf(record: InstanceRecord | undefined): ProcessView | null {
  return record?.process ? findProcess(record.process) : null;
}

/** Ports as the instances had them when their data was kept. */
export function readKeptPorts(paths: Paths): PortMap {
  try {
    return JSON.parse(readFileSync(paths.portsPath, 'utf8')) as PortMap;
  } catch {
    return {};
  }
}

/** The finished deployment of a project, or null: none, or one that was cut short. Throws `deploy.state-unreadable`. */
export async function readDeployment(root: string): Promise<Deployment | null> {
  const state = readState(pathsOf(root));
  return state?.settled === true ? deploymentOf(state) : null;
}

export function deploymentOf(state: RunState): Deployment {
  const specs = Object.values(state.instances).map(({ spec }) => spec);
  const endpoints: Record<string, string> = {};
  for (const spec of specs) {
    if (spec.endpoint !== null) endpoints[spec.part] ??= spec.endpoint;
  }
  return {
    schemaVersion: 1,
    target: 'local',
    root: state.root,
    name: state.name,
    scale: state.scale,
    requirementsDigest: state.requirementsDigest,
    endpoints,
    instrumented: state.instrumented ?? 'none',
    instances: specs.map(({ id, set, part, ordinal, kind, host, ports, logPath }) => ({
      id,
      set,
      part,
      ordinal,
      kind,
      host,
      ports,
      logPath,
    })),
  };
}
