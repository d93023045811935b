/** Runs a bench inside the cluster: its objects there, its progress here, its report fetched whole, nothing left. */

import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import { benchName, benchObjects, reportPath } from './bench-objects.ts';
import { kubectl, list, type Pod } from './cluster.ts';
import { causesOf } from './failure.ts';
import type { DeploymentRecord } from './home.ts';

export interface BenchRun {
  readonly record: DeploymentRecord;
  readonly image: string;
  readonly input: string;
  readonly deadlineSeconds: number;
  readonly signal: AbortSignal;
  /** Every line that the run says before its last. */
  readonly onLine: (line: string) => void;
}

/** The last line of a run that came to its end. */
export interface Finished {
  readonly kind: 'finished';
  readonly bytes: number;
  readonly sha256: string;
}

const startTimeoutMs = 120_000;
/**
 * What the generator asks for, in millicores. A node that is busy shares itself out by what its pods ask for: with a tenth
 * of what the loaded ones have together, the generator would fall behind and the run be void. A full cluster gets by with
 * the least.
 */
const ampleCpuMillis = 500;
const leastCpuMillis = 50;
/** A cluster that adds machines when pods wait is given no longer than this to prefer the ample request. */
const roomTimeoutMs = 15_000;
const fetchTries = 5;

/** The report's text. Throws `bench.job-failed`; the objects are gone in every case. */
export async function runInCluster(run: BenchRun): Promise<string> {
  const { record } = run;
  await removeBench(record);
  try {
    const pod = (await startPod(run, ampleCpuMillis)) ?? (await startSmaller(run));
    const finished = await follow(run, pod);
    return await fetchReport(record, pod, finished);
  } finally {
    await removeBench(record);
  }
}

async function startSmaller(run: BenchRun): Promise<string> {
  run.onLine(`no node has ${ampleCpuMillis} millicores to spare: the generator asks for ${leastCpuMillis}`);
  await removeBench(run.record);
  const pod = await startPod(run, leastCpuMillis);
  if (pod === null) throw new DspError('bench.job-failed', { reason: 'its pod does not start', lines: [] });
  return pod;
}

/** The name of the pod that runs; null when no node has room for an ample request. */
async function startPod(
  { record, image, input, deadlineSeconds, signal }: BenchRun,
  cpuMillis: number,
): Promise<string | null> {
  const { context, namespace, name } = record;
  const objects = benchObjects({ project: name, namespace, image, input, deadlineSeconds, cpuMillis });
  await kubectl(context, ['apply', '--filename', '-'], { input: JSON.stringify(objects), signal });
  return awaitPod(record, cpuMillis > leastCpuMillis, signal);
}

/** Waits for the pod to end: an interrupted run heals what it hit first. */
async function removeBench({ context, namespace, name }: DeploymentRecord): Promise<void> {
  const kinds = 'job,networkpolicy,rolebinding,role,serviceaccount,secret';
  const args = ['--namespace', namespace, 'delete', kinds, '--selector', `dsp/bench-of=${name}`, '--wait'];
  await kubectl(context, [...args, '--cascade=foreground', '--ignore-not-found'], { timeoutMs: 180_000 });
}

async function awaitPod(record: DeploymentRecord, mayAskForLess: boolean, signal: AbortSignal): Promise<string | null> {
  const until = AbortSignal.timeout(startTimeoutMs);
  const room = AbortSignal.timeout(roomTimeoutMs);
  for (;;) {
    const [pod] = await list<Pod>(record, ['pods', '--selector', `dsp/bench-of=${record.name}`]);
    if (pod !== undefined && pod.status.phase !== 'Pending') return pod.metadata.name;
    const causes = pod === undefined ? [] : causesOf(pod);
    if (mayAskForLess && room.aborted && causes.some((cause) => cause.includes('Insufficient cpu'))) return null;
    if (causes.some((cause) => cause.includes('cannot be pulled')) || until.aborted) {
      throw new DspError('bench.job-failed', { reason: causes.join('; ') || 'its pod does not start', lines: [] });
    }
    await delay(300, undefined, { signal });
  }
}

async function follow({ record, signal, onLine }: BenchRun, pod: string): Promise<Finished> {
  const where = ['--context', record.context, '--namespace', record.namespace];
  const last: string[] = [];
  let from = 0;
  // A connection to the log may be lost while the run goes on.
  for (let attempt = 0; attempt < 20; attempt++) {
    const options = { cancelSignal: signal, reject: false, stdin: 'ignore', stderr: 'ignore' } as const;
    let seen = 0;
    const following = execa('kubectl', [...where, 'logs', pod, '--follow'], options);
    for await (const line of following.iterable()) {
      if (++seen <= from) continue;
      from = seen;
      const finished = finishedOf(String(line));
      if (finished !== null) {
        // The pod stays until its report is fetched, and its log would be followed for as long.
        following.kill();
        return finished;
      }
      last.push(String(line));
      if (last.length > 20) last.shift();
      onLine(String(line));
    }
    signal.throwIfAborted();
    const [found] = await list<Pod>(record, ['pods', '--selector', `dsp/bench-of=${record.name}`]);
    if (found === undefined || found.status.phase !== 'Running') break;
    await delay(500, undefined, { signal });
  }
  throw new DspError('bench.job-failed', { reason: 'ended without a report', lines: last });
}

function finishedOf(line: string): Finished | null {
  try {
    const said = JSON.parse(line) as Finished;
    return said.kind === 'finished' ? said : null;
  } catch {
    return null;
  }
}

/** kubectl may lose the end of what a container says: what came is compared with what was to come. */
async function fetchReport(
  record: DeploymentRecord,
  pod: string,
  { bytes, sha256: digest }: Finished,
): Promise<string> {
  const args = ['--namespace', record.namespace, 'exec', pod, '--', 'cat', reportPath];
  for (let attempt = 1; attempt <= fetchTries; attempt++) {
    const text = await kubectl(record.context, args, { timeoutMs: 60_000 }).catch(() => '');
    if (sha256(text) === digest) return text;
  }
  throw new DspError('bench.job-failed', { reason: `its report of ${bytes} bytes does not arrive whole`, lines: [] });
}

export { benchName };
