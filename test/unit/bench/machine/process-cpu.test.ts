import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  cpuBetween,
  machineTicks,
  type ProcessCpu,
  sampleProcesses,
} from '../../../../src/bench/machine/process-cpu.ts';
import { systemClock } from '../../../../src/clock.ts';

describe('machineTicks', () => {
  it('counts guests once, and waiting for disks as idle', () => {
    const stat = 'cpu  100 1 50 800 20 3 4 22 60 1\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
    expect(machineTicks(stat)).toEqual({ totalTicks: 1000, busyTicks: 180, stolenTicks: 22 });
    expect(() => machineTicks('intr 5')).toThrow();
  });
});

describe('cpuBetween', () => {
  const sample = (totalTicks: number, busyTicks: number, ownTicks: number): ProcessCpu => {
    const instanceTicks = new Map([['store-0', ownTicks - 10]]);
    return { totalTicks, busyTicks, stolenTicks: 5, ownTicks, benchTicks: 10, instanceTicks };
  };

  it('takes for foreign what was busy and not ours', () => {
    expect(cpuBetween(sample(1000, 500, 100), sample(2000, 1100, 300))).toMatchObject({
      foreignShare: 0.4,
      ownShare: 0.2,
    });
    expect(cpuBetween(sample(1000, 500, 100), sample(2000, 600, 300))).toMatchObject({ foreignShare: 0 });
  });

  it('tells apart what a hypervisor took', () => {
    const after = { ...sample(2000, 1100, 300), stolenTicks: 55 };
    expect(cpuBetween(sample(1000, 500, 100), after)).toMatchObject({ foreignShare: 0.4, stolenShare: 0.05 });
  });

  it('tells what each instance used; one that is new counts from its beginning', () => {
    const after = { ...sample(2000, 1100, 300), benchTicks: 12 };
    after.instanceTicks = new Map([...after.instanceTicks, ['store-1', 7]]);
    expect(cpuBetween(sample(1000, 500, 100), after)).toMatchObject({
      benchUs: 20_000,
      instanceUs: new Map([
        ['store-0', 2_000_000],
        ['store-1', 70_000],
      ]),
    });
  });

  it('is unknown without two samples', () => {
    expect(cpuBetween(null, sample(1, 1, 1))).toBeNull();
    expect(cpuBetween(sample(5, 1, 1), sample(5, 1, 1))).toBeNull();
  });
});

describe.runIf(process.platform === 'linux')('sampleProcesses', () => {
  let folder = '';
  let busy: ChildProcess | null = null;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dsp-load-'));
  });

  afterEach(() => {
    busy?.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const work = (cwd: string) => {
    mkdirSync(cwd, { recursive: true });
    busy = spawn(process.execPath, ['-e', 'for (;;);'], { cwd, stdio: 'ignore' });
  };

  it('takes what works in the folder for own, and in no other', async () => {
    work(folder);
    const other = `${folder}-other`;
    const own = () => sampleProcesses(folder)!.ownTicks - sampleProcesses(other)!.ownTicks;
    // Half a second of CPU time, however long that takes here.
    while (own() < 50) await systemClock.sleep(50);
    expect(sampleProcesses(folder)!.busyTicks).toBeGreaterThan(0);
    expect(sampleProcesses(other)!.ownTicks).toBeGreaterThan(0);
    expect(sampleProcesses(folder)!.instanceTicks).toEqual(new Map());
  });

  it('knows an instance by its working directory', async () => {
    work(join(folder, '.dsp', 'data', 'store-0', 'run'));
    const ticks = () => sampleProcesses(folder)!.instanceTicks;
    while ((ticks().get('store-0') ?? 0) < 10) await systemClock.sleep(50);
    expect([...ticks().keys()]).toEqual(['store-0']);
    expect(sampleProcesses(`${folder}-other`)!.instanceTicks).toEqual(new Map());
  });
});
