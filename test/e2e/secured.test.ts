/** The example with TLS on: deployed, benched under a fault, destroyed. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { onPath } from './kv-redis.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let work: string;
let project: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'dsp-secured-'));
  project = join(work, 'system');
});

afterEach(async () => {
  await dsp('destroy');
  rmSync(work, { recursive: true, force: true });
});

function dsp(...args: readonly string[]) {
  const command = [join(root, 'bin/dsp.js'), '-C', project, ...args];
  return execa(process.execPath, command, { cwd: work, stdin: 'ignore', reject: false, timeout: 300_000 });
}

it.skipIf(!onPath('redis-server')).each([['quickstart', 'options.keep-hot-data.tls=true', 'kill:store.primary']])(
  '%s with %s runs, and keeps its invariants through %s',
  { timeout: 600_000 },
  async (scenario, option, fault) => {
    const answers = join(root, 'test/golden', scenario, 'dsp.yaml');
    const settings = ['--set', option, '--set', 'availability.recoveryMs=10000', '--no-input'];
    const created = await dsp('new', project, '--answers', answers, ...settings);
    expect(created.exitCode, created.stderr).toBe(0);
    const deployed = await dsp('deploy');
    expect(deployed.exitCode, deployed.stderr).toBe(0);
    const status = JSON.parse((await dsp('status', '--json')).stdout);
    expect(status.certificates['store-tls']).toMatch(/^\d{4}-\d\d-\d\dT/);
    const benched = await dsp('bench', '--duration', '8', '--warmup', '2', '--fault', fault, '--smoke', '--json');
    // A busy machine may miss a latency; what must never happen is a broken invariant or a fault that did not hit.
    expect([0, 98, 99], benched.stderr).toContain(benched.exitCode);
    const report = JSON.parse(benched.stdout);
    const verdicts = report.invariants.map((found: { verdict: string }) => found.verdict);
    expect(verdicts.length).toBeGreaterThan(1);
    expect(verdicts, benched.stderr).not.toContain('violated');
    expect(report.faults).toEqual([expect.objectContaining({ kind: 'kill', hit: true })]);
  },
);
