import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { benchModuleUrl, patternModuleUrl } from '../../../src/bench/modules.ts';
import { progressLine, showProgress } from '../../../src/bench/progress.ts';
import {
  type BenchedPart,
  benchedParts,
  checkReachable,
  defaultFaults,
  faultRoles,
  loadedParts,
} from '../../../src/bench/system.ts';
import type { Invariants } from '../../../src/checkers/invariant.ts';
import type { Deployment, Instance } from '../../../src/deploy/deployment.ts';
import type { Pattern, ProcessSet } from '../../../src/pattern.ts';
import type { Part, Plan } from '../../../src/plan/plan.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { claimPort } from '../../fixtures/ports.ts';
import { requirements } from './samples.ts';

function instance(set: string, ordinal: number, port: number): Instance {
  const part = set.split('-')[0]!;
  return {
    id: `${set}-${ordinal}`,
    set,
    part,
    ordinal,
    kind: 'service',
    host: '127.0.0.1',
    ports: { http: port },
    logPath: '',
  };
}

function benched(name: string, changes: Partial<BenchedPart> = {}, roles: readonly string[] = []): BenchedPart {
  const faultTargets = roles.map((role) => ({ role, find: async () => [] }));
  return {
    part: { name } as Part,
    invariants: { check: () => [], faultTargets } as Invariants,
    instances: [],
    scales: [],
    via: 'http',
    workloadUrl: '',
    targets: [{ host: '127.0.0.1', port: 1 }],
    offeredLoad: { get: 1 },
    ...changes,
  };
}

describe('who takes load', () => {
  const set = (id: string, exposed: boolean) =>
    ({ id, part: 'store', ports: [{ name: 'http', containerPort: 1, exposed }] }) as unknown as ProcessSet;
  const plan = (sets: readonly ProcessSet[]) =>
    ({
      requirements,
      parts: [{ name: 'store', pattern: '../test/fixtures/bench-pattern', offeredLoad: { get: 100, put: 50 } }],
      local: { scale: 0.1, because: '', topology: { processSets: sets, jobs: [] } },
    }) as unknown as Plan;
  const deployment = (instances: readonly Instance[]) => ({ scale: 0.1, instances }) as Deployment;
  const patternOf = () => ({ workloadModule: 'workload', invariantsModule: 'source' }) as Pattern;

  it('is every instance of the exposed set, at the scale of the deployment', async () => {
    const sets = [set('store-redis', false), set('store-api', true)];
    const instances = [instance('store-api', 0, 81), instance('store-redis', 0, 82), instance('store-api', 1, 83)];
    const [found] = await benchedParts(plan(sets), deployment(instances), patternOf, 2);
    expect(found?.targets).toEqual([
      { host: '127.0.0.1', port: 81 },
      { host: '127.0.0.1', port: 83 },
    ]);
    expect(found?.offeredLoad).toEqual({ get: 20, put: 10 });
    expect(found?.instances).toHaveLength(3);
  });

  it('is nobody of a part that only others call', async () => {
    const [found] = await benchedParts(
      plan([set('store-redis', false)]),
      deployment([instance('store-redis', 0, 82)]),
      patternOf,
      1,
    );
    expect(found?.targets).toBeNull();
    expect(loadedParts([found!])).toEqual([]);
  });

  it('is an error when it does not run', async () => {
    const sets = [set('store-redis', false), set('store-api', true)];
    for (const instances of [[], [instance('store-redis', 0, 82)]]) {
      await expect(benchedParts(plan(sets), deployment(instances), patternOf, 1)).rejects.toMatchObject({
        code: 'bench.no-deployment',
        exitCode: 4,
      });
    }
  });

  it('leaves out what is offered nothing', () => {
    const parts = [benched('a'), benched('b', { offeredLoad: { get: 0 } }), benched('c', { offeredLoad: {} })];
    expect(loadedParts(parts).map(({ part }) => part.name)).toEqual(['a']);
  });
});

describe('default faults', () => {
  it('kill and pause the first role of the part that others build on', () => {
    const parts = [
      benched('plain'),
      benched('store', {}, ['primary', 'replica']),
      benched('limiter', {}, ['instance']),
    ];
    expect(defaultFaults(parts)).toEqual(['kill:store.primary', 'pause:store.primary']);
    expect(faultRoles(parts)).toHaveLength(3);
    expect(defaultFaults([benched('plain')])).toEqual([]);
  });
});

describe('checkReachable', () => {
  it('passes what listens, and names what does not', async () => {
    const port = await claimPort();
    const server = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const parts = [benched('store', { targets: [{ host: '127.0.0.1', port }] })];
    await checkReachable(parts, 2000);
    await new Promise((resolve) => server.close(resolve));
    await expect(checkReachable(parts, 2000)).rejects.toMatchObject({
      code: 'bench.unreachable',
      params: { part: 'store' },
    });
  });
});

describe('modules', () => {
  it('are found beside the code that asks, in its own language', () => {
    expect(patternModuleUrl('some-pattern', 'workload')).toMatch(/^file:.*\/templates\/some-pattern\/workload\.ts$/);
    expect(benchModuleUrl('generator/generator-worker').href).toMatch(/\/src\/bench\/generator\/generator-worker\.ts$/);
  });
});

describe('progress', () => {
  const progress = (elapsedMs: number, phase: 'warmup' | 'steady' | 'fault' = 'steady') => ({
    phase,
    fault: phase === 'fault' ? 'kill:store.primary' : null,
    elapsedMs,
    sentPerSecond: 1000,
    failedPerSecond: 2,
    p99Ms: 12.3456,
  });
  const show = (live: boolean) => {
    const lines: string[] = [];
    const terminal = {
      live,
      note: (text: string) => lines.push(text),
      progress: (text: string) => lines.push(`~${text}`),
    };
    const shown = showProgress(terminal as unknown as Terminal);
    for (let ms = 0; ms < 20_000; ms += 500)
      shown(progress(ms, ms < 3000 ? 'warmup' : ms < 18_000 ? 'steady' : 'fault'));
    return lines;
  };

  it('is a line for each phase and every five seconds where nobody looks', () => {
    expect(show(false).map((line) => line.split(':')[0])).toEqual([
      '   0 s  warmup',
      '   3 s  steady',
      '   8 s  steady',
      '  13 s  steady',
      '  18 s  fault kill',
    ]);
  });

  it('is redrawn on a terminal', () => {
    expect(show(true)).toHaveLength(40);
    expect(show(true).every((line) => line.startsWith('~'))).toBe(true);
    expect(progressLine(progress(61_000))).toBe('  61 s  steady: 1000/s, 2 failed/s, p99 12.35 ms');
  });
});
