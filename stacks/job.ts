/** A topology's job as a batch Job, which runs again whenever what it brings into shape has changed. */

import { Job as BatchJob } from '@pulumi/kubernetes/batch/v1/job.js';
import { ComponentResource, type ComponentResourceOptions, type Resource } from '@pulumi/pulumi';
import { allow } from './network-policy.ts';
import { contentHash, labelsOf, type Process, podSpec } from './pod.ts';
import type { Target } from './target.ts';
import type { Job } from './topology.ts';

/** A job of a few requests at a time. */
const resources = { cpuMillis: 100, memoryMiB: 192 };

/**
 * `shape` brings the running set to what it is to be; `drain` runs before the set changes, and has whoever is no longer
 * wanted leave.
 */
export type Turn = 'shape' | 'drain';

export interface JobArgs {
  readonly job: Job;
  readonly turn: Turn;
  readonly target: Target;
  /** What is there before it runs. */
  readonly after: readonly Resource[];
}

export class JobComponent extends ComponentResource {
  constructor({ job, turn, target, after }: JobArgs, options: ComponentResourceOptions = {}) {
    const id = turn === 'drain' ? drainId(job) : job.id;
    super('dsp:stacks:Job', id, {}, options);
    const process = asProcess({ ...job, id }, turn);
    const labels = labelsOf(process, target);
    allow(process, null, target, { parent: this, dependsOn: [...target.ground] });
    const template = { metadata: { labels }, spec: { ...podSpec(process, target, undefined), restartPolicy: 'Never' } };
    const spec = { backoffLimit: 3, activeDeadlineSeconds: Math.ceil(job.timeoutMs / 1000), template };
    // A Job cannot be changed, only replaced: the hash in its name makes a changed one another one.
    const name = `${id}-${contentHash([spec, turn === 'drain' ? [] : changedBy(job, target)])}`;
    const metadata = { name, namespace: target.namespace, labels };
    new BatchJob(id, { metadata, spec }, { parent: this, dependsOn: [...target.ground, ...after] });
    this.registerOutputs({});
  }
}

export const drainId = (job: Pick<Job, 'id'>) => `${job.id}-drain`;

/** A set that changes in any way may need the job again. */
function changedBy(job: Job, target: Target): readonly unknown[] {
  return target.peers.filter((peer) => job.dependsOn.includes(peer.id));
}

/** Before the set changes, all that is known is who is wanted: `*` has the others leave. */
function asProcess(job: Job, turn: Turn): Process {
  const leaving = job.leavingEnv ? { [job.leavingEnv.name]: turn === 'drain' ? '*' : '' } : {};
  return { ...job, resources, env: { ...job.env, ...leaving } };
}
