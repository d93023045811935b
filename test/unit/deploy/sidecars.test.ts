import { describe, expect, it } from 'vitest';
import { pathsOf } from '../../../src/deploy/local/paths.ts';
import { portNeeds } from '../../../src/deploy/local/ports.ts';
import { resolveTopology } from '../../../src/deploy/local/resolve.ts';
import { withSidecarSets } from '../../../src/deploy/local/sidecars.ts';
import type { Sidecar, Topology } from '../../../src/pattern.ts';
import { apiSet, convergeJob, redisSet, smallTopology } from '../../e2e/deploy-fixture.ts';

const sidecar: Sidecar = {
  name: 'ambassador',
  program: { kind: 'service', bundle: 'ambassador', entry: 'ambassador.js' },
  args: [],
  env: { REDIS_PORT: { ownPort: 'redis' }, PASSWORD: { secret: 'store-service', key: 'password' } },
  ports: [{ name: 'redis', containerPort: 6379 }],
  readiness: { kind: 'tcp', port: 'redis' },
  stop: { signal: 'SIGTERM', graceMs: 5_000 },
  resources: { cpuMillis: 100, memoryMiB: 64 },
};
const owner = {
  ...apiSet,
  replicas: 2,
  sidecars: [sidecar],
  env: { KV_NODES: { sidecar: 'ambassador', port: 'redis' } },
};
const topology: Topology = withSidecarSets({ processSets: [redisSet, owner], jobs: [convergeJob] });

describe('withSidecarSets', () => {
  it('leaves a topology without sidecars as it is', () => {
    expect(withSidecarSets(smallTopology)).toBe(smallTopology);
  });

  it('runs one beside each replica, started before it', () => {
    const beside = topology.processSets.find(({ id }) => id === 'web-api-ambassador');
    expect(beside).toMatchObject({ part: 'web', replicas: 2, dependsOn: apiSet.dependsOn });
    const own = topology.processSets.find(({ id }) => id === 'web-api');
    expect(own?.dependsOn).toEqual([...apiSet.dependsOn, 'web-api-ambassador']);
  });

  it('tells each replica the address of its own', () => {
    const ports = Object.fromEntries(
      portNeeds(topology).map(({ instance, name }, index) => [instance, { [name]: 12_000 + index }]),
    );
    const digest = { 'dist/api.mjs': 'A', 'dist/ambassador.mjs': 'B', 'dist/converge.mjs': 'C' };
    const { instances } = resolveTopology({
      paths: pathsOf('/tmp'),
      topology,
      ports,
      engines: { 'redis-server': { path: '/usr/bin/redis-server', version: '7.0.15' } },
      node: { path: '/usr/bin/node', version: 'v22.0.0' },
      instruments: null,
      digests: { ...digest, 'parts/store/redis.conf': 'R' },
      secrets: { 'store-service': { password: 'hidden' } },
      instruments: null,
    });
    for (const ordinal of [0, 1]) {
      const beside = instances.find(({ id }) => id === `web-api-ambassador-${ordinal}`);
      const own = instances.find(({ id }) => id === `web-api-${ordinal}`);
      expect(own?.env.KV_NODES).toBe(`127.0.0.1:${beside?.ports.redis}`);
      expect(beside?.env).toEqual({ REDIS_PORT: `${beside?.ports.redis}` });
      expect(beside?.secretEnv).toEqual({ PASSWORD: { secret: 'store-service', key: 'password' } });
    }
    expect(JSON.stringify(instances)).not.toContain('hidden');
  });
});
