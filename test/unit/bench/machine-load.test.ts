import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foreignShare, machineTicks, sampleCpu } from '../../../src/bench/machine-load.ts';
import { systemClock } from '../../../src/clock.ts';

describe('machineTicks', () => {
  it('counts guests once, and waiting for disks as idle', () => {
    const stat = 'cpu  100 1 50 800 20 3 4 22 60 1\ncpu0 1 1 1 1 1 1 1 1 0 0\n';
    expect(machineTicks(stat)).toEqual({ totalTicks: 1000, busyTicks: 180 });
    expect(() => machineTicks('intr 5')).toThrow();
  });
});

describe('foreignShare', () => {
  const sample = (totalTicks: number, busyTicks: number, ownTicks: number) => ({ totalTicks, busyTicks, ownTicks });

  it('is what was busy and not ours', () => {
    expect(foreignShare(sample(1000, 500, 100), sample(2000, 1100, 300))).toBe(0.4);
    expect(foreignShare(sample(1000, 500, 100), sample(2000, 600, 300))).toBe(0);
  });

  it('is unknown without two samples', () => {
    expect(foreignShare(null, sample(1, 1, 1))).toBeNull();
    expect(foreignShare(sample(5, 1, 1), sample(5, 1, 1))).toBeNull();
  });
});

describe.runIf(process.platform === 'linux')('sampleCpu', () => {
  it('takes what works in the folder for own, and in no other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dsp-load-'));
    const busy = spawn(process.execPath, ['-e', 'for (;;);'], { cwd: folder, stdio: 'ignore' });
    try {
      const other = `${folder}-other`;
      const own = () => sampleCpu(folder)!.ownTicks - sampleCpu(other)!.ownTicks;
      // Half a second of CPU time, however long that takes here.
      while (own() < 50) await systemClock.sleep(50);
      expect(sampleCpu(folder)!.busyTicks).toBeGreaterThan(0);
      expect(sampleCpu(other)!.ownTicks).toBeGreaterThan(0);
    } finally {
      busy.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
