/** The scenarios that bin/try does not show, deployed and benched: a cache ring, a limiter with its own store, TLS. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withPackages } from '../fixtures/packages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let work: string;
let project: string;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'dsp-scenario-'));
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

const secured = ['options.keep-hot-data.tls=true', 'options.keep-hot-data.fsync=always'].flatMap((option) => [
  '--set',
  option,
]);
const leased = [
  '--set',
  'options.limit-callers.allowedErrorPercent=20',
  '--set',
  'options.limit-callers.periodMs=1000',
];

it.each([
  ['store-only', ['kill:store.primary'], []],
  ['limiter-only', ['kill:limiter-store.primary'], []],
  // The instances lease: a window may pass the limit by what they hold, and one that dies takes its chunk with it.
  ['limiter-only', ['kill:limiter.instance'], leased],
  ['limiter-only', ['kill:limiter-store.primary'], leased],
  // What was synced before every answer is there when the power comes back sooner than a replica takes over.
  ['quickstart', ['kill:store.primary', 'power:store.primary,forMs=300'], secured],
] as const)(
  '%s runs, and keeps its invariants through %j %j',
  { timeout: 600_000 },
  async (scenario, faults, changes) => {
    const answers = join(root, 'test/golden', scenario, 'dsp.yaml');
    // A short recovery makes a short fault.
    const settings = ['--set', 'availability.recoveryMs=10000', ...changes, '--no-input'];
    const created = await dsp('new', project, '--answers', answers, ...settings);
    expect(created.exitCode, created.stderr).toBe(0);
    await withPackages(project);
    const deployed = await dsp('deploy');
    expect(deployed.exitCode, deployed.stderr).toBe(0);
    if (changes === secured) {
      const status = JSON.parse((await dsp('status', '--json')).stdout);
      expect(status.certificates['store-tls']).toMatch(/^\d{4}-\d\d-\d\dT/);
    }
    const load = ['--duration', '5', '--warmup', '1', '--smoke', '--json'];
    const benched = await dsp('bench', ...load, ...faults.flatMap((fault) => ['--fault', fault]));
    // A busy machine may miss a latency; what must never happen is a broken invariant or a fault that did not hit.
    expect([0, 98, 99], benched.stderr).toContain(benched.exitCode);
    const report = JSON.parse(benched.stdout);
    const verdicts = report.invariants.map((found: { verdict: string }) => found.verdict);
    expect(verdicts.length).toBeGreaterThan(1);
    expect(verdicts, benched.stderr).not.toContain('violated');
    const kinds = faults.map((fault) => fault.replace(/:.*/, ''));
    expect(report.faults).toEqual(kinds.map((kind) => expect.objectContaining({ kind, hit: true })));
  },
);
