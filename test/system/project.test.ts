/** A generated project stands on its own: `npm install && npm test && npm run build`, with packages from the registry. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { writeNewProject } from '../../src/project/write.ts';
import { planScenario, renderScenario } from '../unit/project/scenarios.ts';

const folder = mkdtempSync(join(tmpdir(), 'dsp-stands-alone-'));
const root = join(folder, 'shop');
let plan: Plan;

beforeAll(async () => {
  plan = await planScenario('quickstart');
  await writeNewProject(root, await renderScenario('quickstart'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As a user's shell would run it: not as a script of the npm that runs these tests. */
function npm(...args: readonly string[]): void {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE_ENV$|VITEST)/.test(name));
  const env = { ...Object.fromEntries(own), PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, env, encoding: 'utf8' });
  expect(status, `npm ${args.join(' ')}\n${stdout.slice(-6000)}\n${stderr.slice(-2000)}`).toBe(0);
}

const isService = (process: Plan['topology']['jobs'][number] | Plan['topology']['processSets'][number]) =>
  process.program.kind === 'service' ? [process.program.bundle] : [];

it('installs, passes its type-check and its own tests, and builds what the plan runs', {
  timeout: 900_000,
}, async () => {
  npm('install', '--no-audit', '--no-fund', '--loglevel=error');
  npm('run', 'typecheck');
  npm('test');
  npm('run', 'build');
  const bundles = [...plan.topology.processSets, ...plan.topology.jobs].flatMap(isService);
  expect(bundles.length).toBeGreaterThan(2);
  for (const bundle of bundles) {
    expect(existsSync(join(root, `dist/${bundle}.mjs`)), bundle).toBe(true);
    // It loads and says what it lacks, so nothing is missing from the bundle itself.
    const { stdout, status } = spawnSync(process.execPath, [join(root, `dist/${bundle}.mjs`)], {
      cwd: '/',
      env: {},
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stdout, bundle).toContain('configuration');
    expect(status, bundle).toBeGreaterThan(0);
  }
  const program = await import(pathToFileURL(join(root, 'dist/index.mjs')).href);
  expect(Object.keys(program)).toEqual(['default']);
});
