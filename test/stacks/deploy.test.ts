import { ComponentResource } from '@pulumi/pulumi';
import { describe, expect, it } from 'vitest';
import { deployTopology } from '../../stacks/deploy.ts';
import { makeTarget, type Target, type TargetOptions } from '../../stacks/target.ts';
import type { ProcessSet, Topology } from '../../stacks/topology.ts';
import { type Declared, declare, one } from './mock-cluster.ts';
import { files, limiter, store } from './topology-fixture.ts';

class Part extends ComponentResource {
  readonly url: string | undefined;

  constructor(name: string, topology: Topology, target: Target) {
    super('test:Part', name);
    this.url = deployTopology(topology, target, this).url;
  }
}

const readFile = (path: string) => files[path] ?? expect.fail(`${path} is read`);

function deploy(options: Partial<TargetOptions> = {}, topologies: readonly Topology[] = [store, limiter]) {
  const target = makeTarget('shop', topologies, { files: readFile, ...options });
  const urls: (string | undefined)[] = [];
  return declare(() => {
    for (const [index, topology] of topologies.entries()) urls.push(new Part(`part-${index}`, topology, target).url);
  }).then((resources) => ({ resources, urls }));
}

const podOf = (resources: readonly Declared[], kind: string, name: string) =>
  one(resources, kind, name).spec.template.spec;

describe('a process set of engines', () => {
  it('is a stateful set with names, volumes and all replicas at once', async () => {
    const { resources } = await deploy({ storageClass: 'fast' });
    const { metadata, spec } = one(resources, 'StatefulSet', 'store-redis');
    expect(metadata).toMatchObject({ name: 'store-redis', namespace: 'shop' });
    expect(spec).toMatchObject({ replicas: 3, serviceName: 'store-redis', podManagementPolicy: 'Parallel' });
    expect(spec.volumeClaimTemplates).toEqual([
      {
        metadata: { name: 'data' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'fast',
          resources: { requests: { storage: '8Gi' } },
        },
      },
    ]);
    const service = one(resources, 'Service', 'store-redis').spec;
    expect(service).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(service.selector).toEqual(spec.template.metadata.labels);
  });

  it('has every reference of its arguments completed', async () => {
    const { resources } = await deploy();
    const [container] = podOf(resources, 'StatefulSet', 'store-redis').containers;
    expect(container.command).toEqual(['redis-server']);
    expect(container.args).toEqual([
      '/etc/dsp/conf/redis.conf',
      '--port',
      '6379',
      '--dir',
      '/var/lib/dsp/data',
      '--cluster-announce-ip',
      '$(DSP_POD_IP)',
      '--cluster-announce-hostname',
      'node-$(DSP_POD_INDEX).$$(literal)',
    ]);
    expect(container.env.map(({ name }: { name: string }) => name)).toEqual([
      'DSP_POD_IP',
      'DSP_POD_NAME',
      'DSP_POD_INDEX',
    ]);
    expect(container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
      '/tmp',
      '/var/lib/dsp/data',
      '/etc/dsp',
    ]);
  });

  it('is probed as it says', async () => {
    const { resources } = await deploy();
    const [container] = podOf(resources, 'StatefulSet', 'store-redis').containers;
    expect(container.readinessProbe.exec.command.join(' ')).toContain('redis-cli -h "$DSP_POD_IP" -p 6379 ping');
    expect(container.livenessProbe.tcpSocket).toEqual({ port: 6379 });
  });

  it('may do nothing but run', async () => {
    const { resources } = await deploy();
    const pod = podOf(resources, 'StatefulSet', 'store-redis');
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      terminationGracePeriodSeconds: 18,
    });
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.containers[0].resources).toEqual({
      requests: { cpu: '250m', memory: '256Mi', 'ephemeral-storage': '128Mi' },
      limits: { memory: '256Mi', 'ephemeral-storage': '128Mi' },
    });
  });

  it('is kept apart, and drained one by one', async () => {
    const { resources } = await deploy();
    const pod = podOf(resources, 'StatefulSet', 'store-redis');
    const [term] = pod.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution;
    expect(term.podAffinityTerm.topologyKey).toBe('kubernetes.io/hostname');
    expect(one(resources, 'PodDisruptionBudget', 'store-redis').spec.maxUnavailable).toBe(1);
  });

  it('is called by its part and by who holds its addresses, at its ports and the ones beside them', async () => {
    const { resources } = await deploy();
    const { ingress } = one(resources, 'NetworkPolicy', 'store-redis').spec;
    expect(ingress).toHaveLength(1);
    expect(ingress[0].ports).toEqual([{ port: 6379 }, { port: 16_379 }]);
    const names = ingress[0].from.map(
      (peer: { podSelector: { matchLabels: Record<string, string> } }) =>
        peer.podSelector.matchLabels['app.kubernetes.io/name'] ??
        peer.podSelector.matchLabels['app.kubernetes.io/component'],
    );
    expect(names).toEqual(['store', 'limiter-api']);
  });
});

describe('a process set of services without state', () => {
  it('is a deployment that never has fewer replicas than planned', async () => {
    const { resources } = await deploy();
    const { spec } = one(resources, 'Deployment', 'limiter-api');
    expect(spec).toMatchObject({ replicas: 2, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
    const [container] = spec.template.spec.containers;
    expect(container.env.slice(2)).toEqual([
      { name: 'HOST', value: '$(DSP_POD_IP)' },
      { name: 'PORT', value: '8080' },
      { name: 'KV_NODES', value: [0, 1, 2].map((i) => `store-redis-${i}.store-redis.shop.svc:6379`).join(',') },
      { name: 'POLICIES_FILE', value: '/etc/dsp/policies/policies.yaml' },
    ]);
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 8080 });
    expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 8080 });
  });

  it('is reached by a balanced service, from anywhere, and says where', async () => {
    const { resources, urls } = await deploy();
    const { spec } = one(resources, 'Service', 'limiter-api');
    expect(spec.clusterIP).toBeUndefined();
    expect(spec.ports).toEqual([{ name: 'http', port: 8080, targetPort: 'http' }]);
    expect(one(resources, 'NetworkPolicy', 'limiter-api').spec.ingress).toContainEqual({ ports: [{ port: 8080 }] });
    expect(urls).toEqual([undefined, 'http://limiter-api.shop.svc:8080']);
  });

  it('becomes stateful when its number or its addresses are asked for', async () => {
    const [set] = limiter.processSets as readonly [ProcessSet];
    const numbered = { ...set, env: { ...set.env, ORDINAL: { ownOrdinal: true } as const } };
    const { resources, urls } = await deploy({}, [store, { processSets: [numbered], jobs: [] }]);
    expect(one(resources, 'StatefulSet', 'limiter-api').spec.replicas).toBe(2);
    expect(one(resources, 'Service', 'limiter-api-endpoint').spec.clusterIP).toBeUndefined();
    expect(urls[1]).toBe('http://limiter-api-endpoint.shop.svc:8080');
  });

  it('rolls when a file that it reads changes', async () => {
    const name = async (content: string) => {
      const { resources } = await deploy({ files: () => content });
      const map = one(resources, 'ConfigMap', 'limiter-api-files');
      const pod = podOf(resources, 'Deployment', 'limiter-api');
      const volume = pod.volumes.find((candidate: { name: string }) => candidate.name === 'files');
      expect(map).toMatchObject({ data: { policies: content }, immutable: true });
      expect(volume.configMap).toEqual({
        name: map.metadata.name,
        items: [{ key: 'policies', path: 'policies/policies.yaml' }],
      });
      return map.metadata.name;
    };
    expect(await name('a')).toBe(await name('a'));
    expect(await name('a')).not.toBe(await name('b'));
  });
});

describe('a job', () => {
  it('runs to its end, and is another when what it depends on changed', async () => {
    const { resources } = await deploy();
    const job = one(resources, 'Job', 'store-converge');
    expect(job.spec).toMatchObject({ activeDeadlineSeconds: 60, backoffLimit: 3 });
    expect(job.spec.template.spec).toMatchObject({ restartPolicy: 'Never' });
    expect(job.metadata.name).toMatch(/^store-converge-[0-9a-f]{8}$/);
    const [set] = store.processSets as readonly [ProcessSet];
    const grown = await deploy({}, [{ ...store, processSets: [{ ...set, replicas: 4 }] }, limiter]);
    expect(one(grown.resources, 'Job', 'store-converge').metadata.name).not.toBe(job.metadata.name);
    const resized = await deploy({}, [
      { ...store, processSets: [{ ...set, resources: { cpuMillis: 500, memoryMiB: 512 } }] },
      limiter,
    ]);
    expect(one(resized.resources, 'Job', 'store-converge').metadata.name).not.toBe(job.metadata.name);
    const again = await deploy();
    expect(one(again.resources, 'Job', 'store-converge').metadata.name).toBe(job.metadata.name);
  });

  it('runs before the set changes as well, for whoever is no longer wanted', async () => {
    const { resources } = await deploy();
    const envOf = (name: string) => podOf(resources, 'Job', name).containers[0].env;
    expect(envOf('store-converge')).toContainEqual({ name: 'LEAVING', value: '' });
    expect(envOf('store-converge-drain')).toContainEqual({ name: 'LEAVING', value: '*' });
    const [set] = store.processSets as readonly [ProcessSet];
    const nameOf = async (changed: Partial<ProcessSet>) => {
      const changedStore = { ...store, processSets: [{ ...set, ...changed }] };
      const { resources } = await deploy({}, [changedStore, limiter]);
      return one(resources, 'Job', 'store-converge-drain').metadata.name;
    };
    const name = one(resources, 'Job', 'store-converge-drain').metadata.name;
    expect(await nameOf({ replicas: 2 })).not.toBe(name);
    // Nobody leaves when something else changes.
    expect(await nameOf({ resources: { cpuMillis: 500, memoryMiB: 512 } })).toBe(name);
  });
});

describe('images', () => {
  const imagesOf = ({ resources }: Awaited<ReturnType<typeof deploy>>) =>
    [
      podOf(resources, 'StatefulSet', 'store-redis'),
      podOf(resources, 'Deployment', 'limiter-api'),
      podOf(resources, 'Job', 'store-converge'),
    ].map((pod) => pod.containers[0].image);

  it('are the engine’s own and the project’s', async () => {
    expect(imagesOf(await deploy())).toEqual(['redis:7.0', 'shop/rate-limiter:dev', 'shop/converge:dev']);
  });

  it('can all be replaced', async () => {
    const images = { 'redis-server': 'mirror/redis:7.0', 'rate-limiter': 'mirror/limiter:1' };
    expect(imagesOf(await deploy({ images, registry: 'registry.example.com/team', tag: '9' }))).toEqual([
      'mirror/redis:7.0',
      'mirror/limiter:1',
      'registry.example.com/team/shop/converge:9',
    ]);
  });
});

describe('a topology that is wrong', () => {
  const [set] = limiter.processSets as readonly [ProcessSet];
  const only = (changed: Partial<ProcessSet>): Topology => ({ processSets: [{ ...set, ...changed }], jobs: [] });

  it.each([
    ['waits for nobody', only({ dependsOn: ['absent'] }), 'absent is depended on'],
    ['waits for itself', only({ dependsOn: ['limiter-api'] }), 'wait for each other'],
    ['calls nobody', only({ dependsOn: [], env: { A: { addressesOf: 'absent', port: 'x' } } }), 'not in the system'],
    ['names no port', only({ dependsOn: [], env: { A: { ownPort: 'absent' } } }), 'has no absent'],
    ['names no volume', only({ dependsOn: [], env: { A: { volume: 'absent' } } }), 'has no absent'],
  ])('is refused: one that %s', async (_, topology, message) => {
    const target = makeTarget('shop', [topology], { files: readFile });
    const errors: unknown[] = [];
    await declare(() => {
      try {
        new Part('part', topology, target);
      } catch (error) {
        errors.push(error);
      }
    });
    expect(String(errors[0])).toContain(message);
  });
});
