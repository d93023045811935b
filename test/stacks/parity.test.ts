/** The Kubernetes resources of each part are the topology that the local target runs: nothing is lost, nothing added. */

import type { ComponentResource } from '@pulumi/pulumi';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { partContext } from '../../src/project/program.ts';
import { makeTarget } from '../../stacks/target.ts';
import type { Job, ProcessSet, Topology } from '../../stacks/topology.ts';
import { catalogue } from '../../templates/index.ts';
import { planScenario, scenarios } from '../unit/project/scenarios.ts';
import { type Declared, declare, one } from './mock-cluster.ts';

type Construct = new (name: string, args: Record<string, unknown>) => ComponentResource & { readonly url?: string };

interface Container {
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string }[];
  readonly readinessProbe?: Record<string, unknown>;
  readonly livenessProbe?: Record<string, unknown>;
}

const ownTopology = ({ topology }: Plan, part: string): Topology => ({
  processSets: topology.processSets.filter((set) => set.part === part),
  jobs: topology.jobs.filter((job) => job.part === part),
  secrets: (topology.secrets ?? []).filter((secret) => secret.part === part),
});

type Texts = Readonly<Record<string, string>>;

/** What `dsp deploy` puts into the configuration. */
function textsOf({ topology }: Plan): Readonly<Record<string, Texts>> {
  const certificate: Texts = { 'ca.crt': 'ca', 'tls.crt': 'crt', 'tls.key': 'key' };
  const secrets = topology.secrets ?? [];
  const entries = secrets.map(({ name, content }): [string, Texts] => [
    name,
    content.kind === 'password' ? { password: `of ${name}` } : certificate,
  ]);
  return Object.fromEntries(entries);
}

/** Every part of the plan, constructed as index.ts does it. */
async function deployPlan(plan: Plan): Promise<{ resources: readonly Declared[]; urls: Record<string, unknown> }> {
  const topologies = plan.parts.map((part) => ownTopology(plan, part.name));
  const files = (path: string) => `content of ${path}`;
  const target = makeTarget(plan.requirements.name, topologies, { files, secrets: textsOf(plan) });
  const urls: Record<string, unknown> = {};
  const constructs = await Promise.all(
    plan.parts.map(async (part) => {
      const pattern = catalogue.find(({ id }) => id === part.pattern) ?? expect.fail(part.pattern);
      const { module, construct, args } = pattern.stack(partContext(part, plan));
      const loaded = await import(new URL(`../../templates/${part.pattern}/${module}`, import.meta.url).href);
      return { part, args, Component: loaded[construct] as Construct };
    }),
  );
  const resources = await declare(() => {
    for (const [index, { part, args, Component }] of constructs.entries()) {
      urls[part.name] = new Component(part.name, { target, topology: topologies[index], ...args }).url;
    }
  });
  return { resources, urls };
}

const workloadOf = (resources: readonly Declared[], id: string) => {
  const found = resources.filter(({ kind, name }) => name === id && (kind === 'StatefulSet' || kind === 'Deployment'));
  expect(found, id).toHaveLength(1);
  return found[0]?.inputs;
};

/** No reference is left, and every address list is as long as the set that it names. */
function expectSameTexts(
  process: Pick<Job, 'args' | 'env' | 'id'>,
  container: Container,
  sets: readonly ProcessSet[],
): void {
  expect(container.args ?? [], process.id).toHaveLength(process.args.length);
  const env = new Map(container.env.map(({ name, value }) => [name, value]));
  for (const [name, value] of Object.entries(process.env)) {
    if (typeof value !== 'string' && 'secret' in value) {
      const { valueFrom } = container.env.find((variable) => variable.name === name) ?? {};
      expect(valueFrom, `${process.id} ${name}`).toEqual({ secretKeyRef: { name: value.secret, key: value.key } });
      continue;
    }
    expect(env.get(name), `${process.id} ${name}`).toBeTypeOf('string');
    if (typeof value === 'string' && !value.includes('$')) expect(env.get(name)).toBe(value);
    if (typeof value === 'string' || !('addressesOf' in value)) continue;
    const set = sets.find(({ id }) => id === value.addressesOf);
    const addresses = env.get(name)?.split(value.separator ?? ',') ?? [];
    expect(new Set(addresses).size, `${process.id} ${name}`).toBe(set?.replicas);
    for (const address of addresses)
      expect(address).toMatch(new RegExp(`^${set?.id}-\\d+\\.${set?.id}\\.[a-z-]+\\.svc:\\d+$`));
  }
  const added = container.env.filter(({ name }) => !(name in process.env) && !name.startsWith('DSP_'));
  expect(
    added.map(({ name }) => name).filter((name) => name !== 'LEAVING'),
    process.id,
  ).toEqual([]);
}

describe.each(scenarios)('%s', (name) => {
  it('declares every process set with its replicas, ports, volumes, files, probes and texts', async () => {
    const plan = await planScenario(name);
    const { processSets } = plan.topology;
    const { resources } = await deployPlan(plan);
    const workloads = resources.filter(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment');
    expect(workloads.map((resource) => resource.name).sort()).toEqual(processSets.map(({ id }) => id).sort());
    for (const set of processSets) {
      const { spec } = workloadOf(resources, set.id);
      const container: Container = spec.template.spec.containers[0];
      expect(spec.replicas).toBe(set.replicas);
      expect(container.ports).toEqual(
        set.ports.map((port) => ({ name: port.name, containerPort: port.containerPort })),
      );
      const claims = (spec.volumeClaimTemplates ?? []).map(
        (claim: { metadata: { name: string } }) => claim.metadata.name,
      );
      expect(claims).toEqual(set.volumes.map((volume) => volume.name));
      const mounts = container.volumeMounts.map((mount) => mount.name);
      expect(mounts).toEqual([
        'tmp',
        ...claims,
        ...(set.files.length > 0 ? ['files'] : []),
        ...(set.secretFiles ? ['secret-files'] : []),
      ]);
      expect(
        container.readinessProbe !== undefined &&
          (container.livenessProbe !== undefined) === (set.liveness !== undefined),
      ).toBe(true);
      if (set.program.kind === 'engine') {
        expect([container.command, container.image]).toEqual([[set.program.program], set.program.image]);
      } else {
        expect([container.command, container.image]).toEqual([
          undefined,
          `${plan.requirements.name}/${set.program.bundle}:dev`,
        ]);
      }
      if (set.files.length > 0) {
        const { data } = one(resources, 'ConfigMap', `${set.id}-files`);
        expect(data).toEqual(Object.fromEntries(set.files.map((file) => [file.name, `content of ${file.path}`])));
      }
      expectSameTexts(set, container, processSets);
    }
  });

  it('declares every job', async () => {
    const plan = await planScenario(name);
    const { resources } = await deployPlan(plan);
    const jobs = resources.filter(({ kind }) => kind === 'Job');
    const drains = plan.topology.jobs.filter(({ leavingEnv }) => leavingEnv).map(({ id }) => `${id}-drain`);
    expect(jobs.map((job) => job.name).filter((name) => !drains.includes(name))).toEqual(
      plan.topology.jobs.map(({ id }) => id),
    );
    for (const job of plan.topology.jobs) {
      const { spec } = one(resources, 'Job', job.id);
      expectSameTexts(job, spec.template.spec.containers[0], plan.topology.processSets);
      if (job.leavingEnv) {
        const { env } = spec.template.spec.containers[0];
        expect(env.map((variable: { name: string }) => variable.name)).toContain(job.leavingEnv.name);
      }
    }
  });

  it('has an endpoint where the topology exposes one, and nowhere else', async () => {
    const plan = await planScenario(name);
    const { urls } = await deployPlan(plan);
    for (const part of plan.parts) {
      const exposed = ownTopology(plan, part.name).processSets.flatMap(({ ports }) =>
        ports.filter((port) => port.exposed),
      );
      expect(urls[part.name] === undefined, part.name).toBe(exposed.length === 0);
    }
  });
});
