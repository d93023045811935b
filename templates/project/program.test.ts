/** index.ts declares what plan.json describes; nothing is deployed, Pulumi's engine is a mock. */

import { readFileSync } from 'node:fs';
import { runtime } from '@pulumi/pulumi';
import { beforeAll, expect, it } from 'vitest';

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: { readonly metadata?: { readonly name?: string }; readonly spec?: { readonly replicas?: number } };
}

const declared: Declared[] = [];
const plan = JSON.parse(readFileSync(new URL('plan.json', import.meta.url), 'utf8'));

beforeAll(async () => {
  await runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        declared.push({ type, name, inputs });
        return { id: `${name}-id`, state: inputs };
      },
      call: ({ inputs }) => inputs,
    },
    plan.requirements.name,
    'test',
    false,
  );
  const { default: program } = await import('./index.ts');
  await runtime.runInPulumiStack(program);
  // Resources are registered in the background.
  await runtime.disconnect();
});

const workloads = () => declared.filter(({ type }) => /:(StatefulSet|Deployment)$/.test(type));

it('declares a workload for every process set', () => {
  const found = workloads().map(({ inputs }) => `${inputs.metadata?.name} × ${inputs.spec?.replicas}`);
  const planned = plan.topology.processSets.map(
    (set: { id: string; replicas: number }) => `${set.id} × ${set.replicas}`,
  );
  expect(found.sort()).toEqual(planned.sort());
});

it('declares every job, and one before the change where somebody may have to leave', () => {
  const jobs = declared.filter(({ type }) => type.endsWith(':Job') && type.startsWith('kubernetes:'));
  const planned = plan.topology.jobs.flatMap((job: { id: string; leavingEnv?: unknown }) =>
    job.leavingEnv ? [job.id, `${job.id}-drain`] : [job.id],
  );
  expect(jobs.map(({ name }) => name).sort()).toEqual(planned.sort());
});
