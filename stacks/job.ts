/** A topology's job as a batch Job, which runs again whenever what it brings into shape has changed. */

import { Job as BatchJob } from '@pulumi/kubernetes/batch/v1/job.js';
import { ComponentResource, type ComponentResourceOptions } from '@pulumi/pulumi';
import { contentHash, labelsOf, type Process, podSpec } from './pod.ts';
import type { Target } from './target.ts';
import type { Job } from './topology.ts';

export class JobComponent extends ComponentResource {
  constructor(job: Job, target: Target, options: ComponentResourceOptions = {}) {
    super('dsp:stacks:Job', job.id, {}, options);
    const process = asProcess(job, target);
    const labels = labelsOf(job, target);
    const template = { metadata: { labels }, spec: { ...podSpec(process, target, undefined), restartPolicy: 'Never' } };
    const spec = { backoffLimit: 3, activeDeadlineSeconds: Math.ceil(job.timeoutMs / 1000), template };
    // A Job cannot be changed, only replaced: the hash in its name makes a changed one another one.
    const changedBy = target.peers.filter((peer) => job.dependsOn.includes(peer.id));
    const name = `${job.id}-${contentHash([spec, changedBy])}`;
    new BatchJob(job.id, { metadata: { name, namespace: target.namespace, labels }, spec }, { parent: this });
    this.registerOutputs({});
  }
}

function asProcess(job: Job, target: Target): Process {
  const leaving = job.leavingEnv ? { [job.leavingEnv.name]: target.leaving[job.id] ?? '' } : {};
  return { ...job, env: { ...job.env, ...leaving } };
}
