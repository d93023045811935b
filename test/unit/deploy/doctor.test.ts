import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runDoctor } from '../../../src/commands/doctor.ts';
import { examine } from '../../../src/deploy/doctor.ts';
import { formatPlan, parsePlan } from '../../../src/plan/file.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { planOf, redisSet, smallTopology, write } from '../../e2e/deploy-fixture.ts';

const work: string[] = [];
afterEach(() => {
  for (const folder of work.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dsp-doctor-'));
  work.push(path);
  return path;
}

function terminalAt(cwd: string, env: Readonly<Record<string, string>>) {
  const said: { out: string[]; note: string[]; json: unknown[] } = { out: [], note: [], json: [] };
  const terminal: Terminal = {
    out: (text) => said.out.push(text),
    note: (text) => said.note.push(text),
    json: (document) => said.json.push(document),
    progress: () => undefined,
    interactive: false,
    live: false,
    interrupt: new AbortController().signal,
    env,
    cwd,
  };
  return { terminal, said };
}

const nodeOnly = { PATH: dirname(process.execPath) };

describe('examine', () => {
  it('looks at the needs of the plan', async () => {
    const project = folder();
    const huge = { ...redisSet, replicas: 2_000, resources: { cpuMillis: 1, memoryMiB: 100_000 } };
    const golden = readFileSync('test/golden/store-only/expected/plan.json', 'utf8');
    const plan = parsePlan(golden, 'plan.json');
    const { topology } = planOf({ ...smallTopology, processSets: [huge] }).local;
    write(project, 'plan.json', formatPlan({ ...plan, local: { ...plan.local, topology } }));
    const checks = await examine({ project, cwd: project, env: { PATH: process.env.PATH } });
    const byId = Object.fromEntries(checks.map((check) => [check.id, check]));
    expect(byId.memory).toMatchObject({
      ok: false,
      need: expect.stringMatching(/^200000000 MiB/),
      mend: expect.stringContaining('--scale'),
    });
    expect(byId.ports?.need).toMatch(/^2000 free ports/);
    expect(byId['redis-server']).toMatchObject({ ok: true, mend: null });
    for (const check of checks) expect(check.ok).toBe(check.mend === null);
  });

  it('asks for a C compiler where dsp.yaml has a loss of power, and only there', async () => {
    const golden = parsePlan(readFileSync('test/golden/store-only/expected/plan.json', 'utf8'), 'plan.json');
    const compilerOf = async (faults: readonly string[]) => {
      const project = folder();
      write(project, 'plan.json', formatPlan({ ...golden, requirements: { ...golden.requirements, faults } }));
      const checks = await examine({ project, cwd: project, env: { PATH: project } });
      return checks.find(({ id }) => id === 'c-compiler');
    };
    expect(await compilerOf(['kill:store.primary'])).toMatchObject({ ok: true, mend: null });
    expect(await compilerOf(['kill:store.primary+power:store.primary,atMs=5'])).toMatchObject({
      ok: false,
      mend: expect.stringContaining('assumed'),
    });
  });

  it('names a missing engine and its remedy', async () => {
    const path = mkdtempSync(join(tmpdir(), 'dsp-empty-'));
    work.push(path);
    const checks = await examine({ project: null, cwd: path, env: { PATH: path } });
    const redis = checks.find(({ id }) => id === 'redis-server');
    expect(redis).toMatchObject({ ok: false, found: 'not on PATH', need: 'redis-server ≥ 7.0 or valkey-server ≥ 7.2' });
    expect(redis?.mend).toContain('package manager');
    expect(redis?.install).toEqual([]);
  });
});

describe('dsp doctor', () => {
  it('works outside a project, and says all in one document', async () => {
    const { terminal, said } = terminalAt(folder(), { PATH: process.env.PATH ?? '' });
    const code = await runDoctor({ fix: false, yes: false, json: true }, terminal);
    const [document] = said.json as [{ schemaVersion: number; ok: boolean; checks: { id: string; ok: boolean }[] }];
    expect(said.json).toHaveLength(1);
    expect(said.out).toEqual([]);
    expect(document.schemaVersion).toBe(1);
    expect(document.checks.map(({ id }) => id)).toEqual(
      expect.arrayContaining([
        'system',
        'node',
        'npm',
        'redis-server',
        'ports',
        'writable',
        'disk',
        'memory',
        'open-files',
        'c-compiler',
        'libfaketime',
      ]),
    );
    expect(code).toBe(document.checks.every(({ ok }) => ok) ? 0 : 4);
  });

  it('exits 4 with the command that mends it, and asks before it runs one', async () => {
    const cwd = folder();
    const bin = folder();
    write(bin, 'apt-get', '#!/bin/sh\nexit 1\n');
    const { chmodSync } = await import('node:fs');
    chmodSync(join(bin, 'apt-get'), 0o755);
    const { terminal, said } = terminalAt(cwd, {
      PATH: `${nodeOnly.PATH === '/usr/bin' ? '' : `${nodeOnly.PATH}:`}${bin}`,
    });
    expect(await runDoctor({ fix: true, yes: false, json: false }, terminal)).toBe(4);
    expect(said.out.find((line) => line.startsWith('✗ redis-server'))).toContain('dsp doctor --fix');
    expect(said.out.some((line) => line.startsWith('✓ Node.js'))).toBe(true);
    expect(said.note).toEqual([expect.stringMatching(/apt-get install redis-server.*--yes/)]);
  });
});
