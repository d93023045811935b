import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runBench, settingsOf } from '../../../src/commands/bench.ts';
import type { BenchOptions } from '../../../src/commands/bench-options.ts';
import { pathsOf } from '../../../src/deploy/local/paths.ts';
import { type RunState, writeState } from '../../../src/deploy/local/registry.ts';
import { describeError } from '../../../src/errors.ts';
import { formatPlan } from '../../../src/plan/file.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';
import { planScenario } from '../project/scenarios.ts';

const options: BenchOptions = { project: '/nowhere', arrivals: 'poisson', smoke: false, json: false };

it('needs a deployment, and says how to get one', async () => {
  const project = mkdtempSync(join(tmpdir(), 'dsp-bench-'));
  try {
    const running = runBench({ ...options, project }, {} as Terminal);
    await expect(running).rejects.toMatchObject({ code: 'bench.no-deployment', exitCode: 4 });
    const error = await running.catch((reason: unknown) => reason);
    expect(describeError(error as Parameters<typeof describeError>[0])).toContain('dsp deploy');
  } finally {
    rmSync(project, { recursive: true });
  }
});

it('judges no deployment of another plan', async () => {
  const project = mkdtempSync(join(tmpdir(), 'dsp-bench-'));
  try {
    const plan = await planScenario('quickstart');
    const state: RunState = {
      schemaVersion: 1,
      root: project,
      name: 'quickstart',
      scale: 1,
      requirementsDigest: 'of an earlier plan',
      settled: true,
      ports: {},
      reserved: [],
      instances: {},
      jobs: {},
    };
    await writeState(pathsOf(project), state);
    writeFileSync(join(project, 'plan.json'), formatPlan(plan));
    await expect(runBench({ ...options, project }, {} as Terminal)).rejects.toThrow(/has changed since/);
  } finally {
    rmSync(project, { recursive: true });
  }
});

it('fills in defaults, and a seed to replay with', () => {
  const settings = settingsOf(options);
  expect(settings).toMatchObject({ warmupMs: 5000, steadyMs: 20_000, faults: null, workers: null, rateFactor: 1 });
  expect(settings.replay).toBe(`dsp bench --seed ${settings.seed} --duration 20 --warmup 5 --arrivals poisson`);
  expect(settingsOf(options).seed).not.toBe(settings.seed);
});

it('says every option in the command that repeats the run', () => {
  const all: BenchOptions = {
    ...options,
    durationMs: 1500,
    warmupMs: 500,
    seed: 9,
    arrivals: 'constant',
    faults: ['kill:store.primary', 'pause:store.primary'],
    smoke: true,
    workers: 2,
    rate: 0.5,
  };
  expect(settingsOf(all).replay).toBe(
    'dsp bench --seed 9 --duration 1.5 --warmup 0.5 --arrivals constant ' +
      '--fault kill:store.primary --fault pause:store.primary --workers 2 --rate 0.5 --smoke',
  );
  expect(settingsOf({ ...options, faults: 'none' })).toMatchObject({ faults: [] });
  expect(settingsOf({ ...options, faults: 'none' }).replay).toContain('--no-faults');
  expect(settingsOf({ ...options, workers: 0 }).workers).toBe(1);
});

it('reads the shape of the load and the skew of the keys, and repeats them', () => {
  const given = settingsOf({ ...options, durationMs: 8000, shape: 'ramp:0.5..2', skew: 'hot:0.3/10' });
  expect(given.shape?.points).toEqual([
    { atMs: 0, factor: 0.5 },
    { atMs: 8000, factor: 2 },
  ]);
  expect(given.skew).toEqual({ kind: 'hot', share: 0.3, keys: 10 });
  expect(given.replay).toContain(' --shape ramp:0.5..2 --skew hot:0.3/10');
  const file = join(temporaryFolder('shape'), 'day.csv');
  writeFileSync(file, '0,10\n60,40\n');
  expect(settingsOf({ ...options, shape: `file:${file}` }).shape).toMatchObject({ repeats: true });
  for (const wrong of [{ shape: 'wave' }, { shape: 'file:/nowhere' }, { skew: 'zipf' }]) {
    expect(() => settingsOf({ ...options, ...wrong })).toThrow(
      expect.objectContaining({ code: 'bench.load', exitCode: 2 }),
    );
  }
});

it('goes past the services only where that says something', async () => {
  expect(settingsOf({ ...options, via: 'redis' })).toMatchObject({ via: 'redis' });
  expect(settingsOf({ ...options, via: 'redis' }).replay).toContain(' --via redis');
  expect(settingsOf({ ...options, via: 'http' }).replay).not.toContain('--via');
  for (const wrong of [{ findCapacity: true }, { calibrate: true }, { target: 'kubernetes' as const }]) {
    const running = runBench({ ...options, ...wrong, via: 'redis' }, {} as Terminal);
    await expect(running).rejects.toMatchObject({ code: 'bench.load', params: { flag: 'via' } });
  }
});
