/** How a fault takes hold of an instance, and how it is seen to have done so: in the kernel's view of the process. */

import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { type FaultAccess, type Hold, type Instance, missed, type Serving, type Witness } from '../deployment.ts';
import { lockProject } from './destroy.ts';
import { disturb, fillDisk, stepClock } from './fault-holds.ts';
import { guard } from './guard.ts';
import { type Paths, pathsOf } from './paths.ts';
import { cutPower } from './power.ts';
import { killGroup, sendSignal, startInstance, stopProcesses } from './process.ts';
import { findProcess, type ProcessIdentity, type ProcessView } from './procfs.ts';
import { waitReady } from './ready.ts';
import { deploymentOf, type InstanceRecord, processOf, type RunState, readState, writeState } from './registry.ts';

const effectTimeoutMs = 10_000;
const pollMs = 1;

/** Access to the deployment at `root`. A fault on an instance that does not run does not hit, and its witness says so. */
export function faultAccess(root: string, clock: Clock): FaultAccess {
  const paths = pathsOf(root);
  const guards = new Map<string, () => void>();
  const hold = async (
    id: string,
    begin: (state: RunState, record: InstanceRecord, process: ProcessView) => Promise<Hold>,
  ) => {
    const { state, record } = instanceOf(paths, id);
    const process = processOf(record);
    return process === null ? missed(`${id} was not running`) : begin(state, record, process);
  };
  return {
    kill: (id) => strike(paths, id, clock, { verb: 'gone', act: killGroup, seen: (view) => view === null }),
    stop: (id) => stop(paths, id, clock),
    pause: (id) =>
      strike(paths, id, clock, {
        verb: 'stopped',
        act: (process) => {
          guards.set(id, guard('kill -CONT "$1"', [`${process.pid}`]));
          sendSignal(process, 'SIGSTOP');
        },
        seen: (view) => view?.state === 'stopped',
      }),
    resume: (id) => {
      guards.get(id)?.();
      guards.delete(id);
      return strike(paths, id, clock, {
        verb: 'running',
        act: (process) => sendSignal(process, 'SIGCONT'),
        seen: (view) => view?.state === 'running',
      });
    },
    restart: (id) => restart(paths, id, clock),
    cutPower: async (id) => {
      const { record } = instanceOf(paths, id);
      const process = processOf(record);
      return process === null ? { hit: false, seen: `${id} was not running` } : cutPower(record, process, clock);
    },
    rollingRestart: (set, serving) => rollingRestart(paths, set, serving, clock),
    disturb: (id, rule) => hold(id, (state, record) => disturb(state, record, rule)),
    stepClock: (id, offsetMs) => hold(id, (_, record) => stepClock(record, offsetMs)),
    fillDisk: (id) => hold(id, (_, record, process) => fillDisk(record, process)),
  };
}

async function stop(paths: Paths, id: string, clock: Clock): Promise<Witness> {
  const { record } = instanceOf(paths, id);
  const process = processOf(record);
  if (process === null) return { hit: false, seen: `${id} was not running` };
  const startMs = clock.monotonicMs();
  const { drained } = await stopProcesses([{ process, stop: record.spec.stop }], clock);
  const how = drained > 0 ? 'ended by itself' : 'was killed';
  return { hit: true, seen: `pid ${process.pid} ${how} after ${(clock.monotonicMs() - startMs).toFixed(0)} ms` };
}

/**
 * From the last to the first, as a cluster does it, and like its Service, which leaves a pod out once it is told to end. A
 * process that did not run or does not come back ends it.
 */
async function rollingRestart(paths: Paths, set: string, serving: Serving, clock: Clock): Promise<Witness> {
  const ofSet = instancesNow(paths)
    .filter((instance) => instance.set === set)
    .sort((a, b) => b.ordinal - a.ordinal);
  const startMs = clock.monotonicMs();
  try {
    for (const { id } of ofSet) {
      await serving(instancesNow(paths).filter((other) => other.id !== id));
      const stopped = await stop(paths, id, clock);
      const started = await restart(paths, id, clock);
      if (!(stopped.hit && started.hit)) return { hit: false, seen: `${id}: ${stopped.seen}; ${started.seen}` };
    }
  } finally {
    await serving(instancesNow(paths));
  }
  const tookMs = (clock.monotonicMs() - startMs).toFixed(0);
  return { hit: ofSet.length > 0, seen: `${ofSet.length} processes of ${set} restarted in turn within ${tookMs} ms` };
}

function instancesNow(paths: Paths): readonly Instance[] {
  const state = readState(paths);
  return state === null ? [] : deploymentOf(state).instances;
}

interface Strike {
  readonly verb: string;
  readonly act: (process: ProcessIdentity) => void;
  readonly seen: (view: ProcessView | null) => boolean;
}

async function strike(paths: Paths, id: string, clock: Clock, { verb, act, seen }: Strike): Promise<Witness> {
  const process = processOf(instanceOf(paths, id).record);
  if (process === null) return { hit: false, seen: `${id} was not running` };
  const startMs = clock.monotonicMs();
  act(process);
  for (;;) {
    const view = findProcess(process);
    const elapsedMs = clock.monotonicMs() - startMs;
    if (seen(view)) return { hit: true, seen: `pid ${process.pid} ${verb} after ${elapsedMs.toFixed(1)} ms` };
    if (view === null) return { hit: false, seen: `pid ${process.pid} ended instead` };
    if (elapsedMs > effectTimeoutMs) {
      return { hit: false, seen: `pid ${process.pid} is not ${verb} after ${effectTimeoutMs} ms` };
    }
    await clock.sleep(pollMs);
  }
}

async function restart(paths: Paths, id: string, clock: Clock): Promise<Witness> {
  // What a fault hit is healed even when the bench is interrupted.
  const { signal } = new AbortController();
  const lock = await lockProject(paths, 'dsp bench', clock, signal, () => undefined);
  try {
    const { state, record } = instanceOf(paths, id);
    const running = processOf(record);
    if (running !== null) return { hit: false, seen: `${id} runs already, as pid ${running.pid}` };
    const startMs = clock.monotonicMs();
    const process = await startInstance(paths, record.spec, clock);
    await writeState(paths, { ...state, instances: { ...state.instances, [id]: { ...record, process } } });
    await waitReady(record.spec, process, clock, signal);
    return { hit: true, seen: `pid ${process.pid} ready after ${(clock.monotonicMs() - startMs).toFixed(0)} ms` };
  } finally {
    await lock.release();
  }
}

/** As it is recorded now. Throws `deploy.none`, or `input.choice` when no instance has that id. */
function instanceOf(paths: Paths, id: string): { readonly state: RunState; readonly record: InstanceRecord } {
  const state = readState(paths);
  if (state === null) throw new DspError('deploy.none', {});
  const record = state.instances[id];
  if (record === undefined) {
    throw new DspError('input.choice', { key: 'instance', given: id, choices: Object.keys(state.instances) });
  }
  return { state, record };
}
