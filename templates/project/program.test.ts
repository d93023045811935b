/** index.ts declares what plan.json describes; nothing is deployed, Pulumi's engine is a mock. */

import { readFileSync } from 'node:fs';
import { runtime } from '@pulumi/pulumi';
import { beforeAll, expect, it } from 'vitest';

interface Inputs {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly replicas?: number };
}

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Inputs;
}

/** By which Pulumi's protocol knows a secret. */
const secretMark = '4dabf18193072939515e22adb298388d';

const declared: Declared[] = [];
const plan = JSON.parse(readFileSync(new URL('plan.json', import.meta.url), 'utf8'));

/** What the API gets: a provider sends secrets' plain values. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  if (secretMark in value && 'value' in value) return plain(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** Texts for every secret of the plan, as `dsp deploy` puts them into the configuration. */
function secretTexts(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const texts = { password: { password: 'p' }, certificate: { 'ca.crt': 'a', 'tls.crt': 'c', 'tls.key': 'k' } };
  const secrets: readonly { name: string; content: { kind: keyof typeof texts } }[] = plan.topology.secrets ?? [];
  return Object.fromEntries(secrets.map(({ name, content }) => [name, texts[content.kind]]));
}

beforeAll(async () => {
  const key = `${plan.requirements.name}:secrets`;
  runtime.setAllConfig({ [key]: JSON.stringify(secretTexts()) }, [key]);
  await runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        declared.push({ type, name, inputs: plain(inputs) as Inputs });
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
