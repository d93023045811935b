/** The packed tarball, installed globally into an empty prefix, goes the whole way without this checkout. */

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'dsp-installed-'));
const prefix = join(work, 'prefix');
const project = join(work, 'shop');

function dsp(...args: readonly string[]) {
  return execa(join(prefix, 'bin', 'dsp'), args, { cwd: work, reject: false, stdin: 'ignore', timeout: 300_000 });
}

/** Pids whose working directory is under `folder`. */
function processesUnder(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}

afterAll(async () => {
  await dsp('-C', project, 'destroy');
  rmSync(work, { recursive: true, force: true });
});

it('packs, installs, plans, deploys, benches and destroys', { timeout: 600_000 }, async () => {
  const packed = await execa('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], { cwd: root });
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
  expect(files.filter(({ path }) => /node_modules|^test\//.test(path))).toEqual([]);
  await execa('npm', ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', join(work, filename)]);

  const answers = join(root, 'test/golden/quickstart/dsp.yaml');
  const created = await dsp('new', project, '--answers', answers, '--no-input', '--json');
  expect(created.exitCode, created.stderr).toBe(0);
  const deployed = await dsp('-C', project, 'deploy', '--json');
  expect(deployed.exitCode, deployed.stderr).toBe(0);
  const { schemaVersion, target, scale, endpoints } = JSON.parse(deployed.stdout);
  expect({ schemaVersion, target, scale }).toEqual({ schemaVersion: 1, target: 'local', scale: 1 });
  for (const url of Object.values<string>(endpoints)) {
    expect((await fetch(new URL('/readyz', url))).status).toBe(200);
  }

  const benched = await dsp(
    '-C',
    project,
    'bench',
    '--duration',
    '5',
    '--warmup',
    '1',
    '--fault',
    'kill:store.primary',
    '--json',
  );
  expect([0, 98, 99], benched.stderr).toContain(benched.exitCode);
  const report = JSON.parse(benched.stdout);
  expect(report.schemaVersion).toBe(1);
  const violated = report.invariants.filter((found: { verdict: string }) => found.verdict === 'violated');
  expect(violated, JSON.stringify([report.clockSteps, report.faults])).toEqual([]);
  expect(report.faults).toEqual([expect.objectContaining({ kind: 'kill', hit: true })]);

  const destroyed = await dsp('-C', project, 'destroy');
  expect(destroyed.exitCode, destroyed.stderr).toBe(0);
  expect(processesUnder(project)).toEqual([]);
});
