import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Paths, pathsOf } from '../../../src/deploy/local/paths.ts';
import { findProcess, readProcess } from '../../../src/deploy/local/procfs.ts';
import {
  deploymentOf,
  type RunState,
  readDeployment,
  readState,
  writeState,
  writeWhole,
} from '../../../src/deploy/local/registry.ts';
import { resolveTopology } from '../../../src/deploy/local/resolve.ts';
import { smallTopology } from '../../e2e/deploy-fixture.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsOf(mkdtempSync(join(tmpdir(), 'dsp-registry-')));
});
afterEach(() => rmSync(paths.root, { recursive: true, force: true }));

function stateOf(settled: boolean): RunState {
  const { instances } = resolveTopology({
    paths,
    topology: smallTopology,
    ports: { 'store-redis-0': { redis: 1 }, 'store-redis-1': { redis: 2 }, 'web-api-0': { http: 3 } },
    engines: { 'redis-server': { path: '/redis', version: '7' } },
    node: { path: '/node', version: '20' },
    secrets: {},
    instruments: null,
    digests: { 'dist/api.mjs': '', 'dist/converge.mjs': '', 'parts/store/redis.conf': '' },
  });
  const records = instances.map((spec) => [spec.id, { spec, digest: '', process: null, drained: false }] as const);
  const named = {
    schemaVersion: 1,
    root: paths.root,
    name: 'small',
    scale: 0.5,
    requirementsDigest: '',
    settled,
  } as const;
  return { ...named, ports: {}, reserved: [], instances: Object.fromEntries(records), jobs: {} };
}

describe('the state', () => {
  it('is none, then what was written', async () => {
    expect(readState(paths)).toBe(null);
    await writeState(paths, stateOf(true));
    expect(readState(paths)).toEqual(stateOf(true));
  });

  it.each(['', '{', '[]', '{"schemaVersion":2}', '{"schemaVersion":1,"instances":{}}'])('refuses %j', async (text) => {
    await writeState(paths, stateOf(true));
    writeFileSync(paths.statePath, text);
    expect(() => readState(paths)).toThrow(expect.objectContaining({ code: 'deploy.state-unreadable', exitCode: 1 }));
  });

  it('is a deployment once it is settled', async () => {
    await writeState(paths, stateOf(false));
    expect(await readDeployment(paths.root)).toBe(null);
    await writeState(paths, stateOf(true));
    const deployment = await readDeployment(paths.root);
    expect(deployment).toEqual(deploymentOf(stateOf(true)));
    expect(deployment).toMatchObject({ name: 'small', scale: 0.5, endpoints: { web: 'http://127.0.0.1:3' } });
    expect(deployment?.instances[1]).toEqual({
      id: 'store-redis-1',
      set: 'store-redis',
      part: 'store',
      ordinal: 1,
      kind: 'engine',
      host: '127.0.0.1',
      ports: { redis: 2 },
      logPath: join(paths.logsDir, 'store-redis-1.log'),
    });
  });
});

describe('writeWhole', () => {
  it('replaces a file and leaves nothing beside it', async () => {
    const path = join(paths.root, 'new/file');
    await writeWhole(path, 'one');
    await writeWhole(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(join(paths.root, 'new'))).toEqual(['file']);
  });

  it('tells a full disk from other troubles, and keeps the old file', async () => {
    const path = join(paths.root, 'file');
    await writeWhole(path, 'old');
    symlinkSync('/dev/full', `${path}.${process.pid}.tmp`);
    await expect(writeWhole(path, 'new')).rejects.toMatchObject({ code: 'project.no-space', exitCode: 4 });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(paths.root)).toEqual(['file']);
    await expect(writeWhole('/dev/full/x', '')).rejects.toMatchObject({ code: 'project.unwritable', exitCode: 4 });
  });
});

describe('a process', () => {
  it('is known by its pid and start', () => {
    const self = readProcess(process.pid);
    expect(self).toMatchObject({ pid: process.pid, parentPid: process.ppid, state: 'running' });
    expect(findProcess({ pid: process.pid, startTicks: self?.startTicks ?? 0 })).toEqual(self);
    expect(findProcess({ pid: process.pid, startTicks: (self?.startTicks ?? 0) + 1 })).toBe(null);
    expect(readProcess(2 ** 22 + 1)).toBe(null);
  });
});
