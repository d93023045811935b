import { describe, expect, it } from 'vitest';
import type { Paths } from '../../../src/deploy/local/paths.ts';
import { digestOf, type ResolveInput, resolveTopology } from '../../../src/deploy/local/resolve.ts';
import type { ProcessSet, Value } from '../../../src/pattern.ts';
import { apiSet, convergeJob, redisSet, smallTopology } from '../../e2e/deploy-fixture.ts';

const paths: Paths = {
  root: '/shop',
  runDir: '/shop/.dsp/run',
  logsDir: '/shop/.dsp/run/logs',
  dataDir: '/shop/.dsp/data',
  statePath: '/shop/.dsp/run/state.json',
  portsPath: '/shop/.dsp/data/ports.json',
};

const input: ResolveInput = {
  paths,
  topology: smallTopology,
  ports: { 'store-redis-0': { redis: 12_001 }, 'store-redis-1': { redis: 12_002 }, 'web-api-0': { http: 12_003 } },
  engines: { 'redis-server': { path: '/usr/bin/redis-server', version: '7.0.15' } },
  node: { path: '/usr/bin/node', version: 'v22.0.0' },
  instruments: null,
  digests: { 'dist/api.mjs': 'A', 'dist/converge.mjs': 'C', 'parts/store/redis.conf': 'R' },
  secrets: {},
};

const instance = (id: string, given: ResolveInput = input) => {
  const found = resolveTopology(given).instances.find((one) => one.id === id);
  if (found === undefined) throw new Error(id);
  return found;
};

/** What a value of the API's environment becomes. */
const completed = (value: Value, change: Partial<ProcessSet> = {}) =>
  instance('web-api-0', {
    ...input,
    topology: { processSets: [redisSet, { ...apiSet, ...change, env: { V: value } }], jobs: [] },
  }).env.V;

describe('resolveTopology', () => {
  it('makes an engine ready to execute', () => {
    expect(instance('store-redis-1')).toMatchObject({
      command: '/usr/bin/redis-server',
      args: [
        '/shop/parts/store/redis.conf',
        '--bind',
        '127.0.0.1',
        '--port',
        '12002',
        '--dir',
        '/shop/.dsp/data/store-redis-1/data',
      ],
      cwd: '/shop/.dsp/data/store-redis-1',
      volumes: ['/shop/.dsp/data/store-redis-1/data'],
      reserved: [12_002, 22_002],
      readiness: { kind: 'redis', port: 12_002 },
      endpoint: null,
      logPath: '/shop/.dsp/run/logs/store-redis-1.log',
    });
  });

  it('makes a service and a job run their bundles', () => {
    expect(instance('web-api-0')).toMatchObject({
      command: '/usr/bin/node',
      args: ['/shop/dist/api.mjs'],
      env: { HOST: '127.0.0.1', PORT: '12003', NODES: '127.0.0.1:12001,127.0.0.1:12002' },
      reserved: [12_003],
      endpoint: 'http://127.0.0.1:12003',
    });
    expect(resolveTopology(input).jobs).toMatchObject([
      {
        id: 'store-converge',
        args: ['/shop/dist/converge.mjs'],
        leavingEnv: convergeJob.leavingEnv,
        timeoutMs: 30_000,
      },
    ]);
  });

  it.each<[Value, string]>([
    ['plain', 'plain'],
    [{ addressesOf: 'store-redis', port: 'redis', separator: ' ' }, '127.0.0.1:12001 127.0.0.1:12002'],
    [{ ownPort: 'http' }, '12003'],
    [{ ownHost: true }, '127.0.0.1'],
    [{ ownOrdinal: true }, '0'],
    [{ concat: ['a-', { ownOrdinal: true }, { concat: ['-', 'b'] }] }, 'a-0-b'],
  ])('completes %j', (value, text) => {
    expect(completed(value)).toBe(text);
  });

  it.each<Value>([
    { addressesOf: 'nobody', port: 'redis' },
    { addressesOf: 'store-redis', port: 'none' },
    { ownPort: 'none' },
    { volume: 'none' },
    { file: 'none' },
  ])('rejects %j, which names nothing', (value) => {
    expect(() => completed(value)).toThrow(/^topology: /);
  });
});

describe('digestOf', () => {
  const change = (changes: Partial<ResolveInput>) => ({ ...input, ...changes });
  const digest = (id: string, given?: ResolveInput) => digestOf(instance(id, given));

  it.each<[string, string, Partial<ResolveInput>]>([
    ['store-redis-0', 'a mounted file', { digests: { ...input.digests, 'parts/store/redis.conf': 'R2' } }],
    [
      'store-redis-0',
      'the engine',
      { engines: { 'redis-server': { path: '/usr/bin/redis-server', version: '7.2.0' } } },
    ],
    ['store-redis-0', 'its port', { ports: { ...input.ports, 'store-redis-0': { redis: 12_009 } } }],
    ['web-api-0', "another one's port", { ports: { ...input.ports, 'store-redis-0': { redis: 12_009 } } }],
    ['web-api-0', 'its bundle', { digests: { ...input.digests, 'dist/api.mjs': 'A2' } }],
    ['web-api-0', 'node', { node: { path: '/usr/bin/node', version: 'v24.0.0' } }],
  ])('of %s follows %s', (id, _, changes) => {
    expect(digest(id, change(changes))).not.toBe(digest(id));
  });

  it('does not follow what a running process never sees', () => {
    const relaxed = {
      ...apiSet,
      stop: { signal: 'SIGINT' as const, graceMs: 1 },
      resources: { cpuMillis: 9, memoryMiB: 9 },
    };
    const env = Object.fromEntries(Object.entries(apiSet.env).reverse());
    const topology = { ...smallTopology, processSets: [redisSet, { ...relaxed, env }] };
    expect(digest('web-api-0', change({ topology }))).toBe(digest('web-api-0'));
    expect(digest('web-api-0', change({ digests: { ...input.digests, 'dist/converge.mjs': 'C2' } }))).toBe(
      digest('web-api-0'),
    );
  });
});
