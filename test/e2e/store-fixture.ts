/** The sharded store as a user's deployment has it: its plan, its rendered files, its bundles, real servers. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { systemClock } from '../../src/clock.ts';
import type { Deployment } from '../../src/deploy/deployment.ts';
import { deployLocal } from '../../src/deploy/local/deploy.ts';
import { destroyLocal } from '../../src/deploy/local/destroy.ts';
import { withSidecarSets } from '../../src/deploy/local/sidecars.ts';
import type { Json } from '../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { renderProject } from '../../src/project/render.ts';
import type { Requirements } from '../../src/requirements/requirements.ts';
import { catalogue } from '../../templates/index.ts';
import { requirements } from '../unit/plan/requirements.ts';

const templates = fileURLToPath(new URL('../../templates', import.meta.url));

/** Small: what is tested is who may do what, not how much. */
export function storePlan(options: Readonly<Record<string, Json>> = {}, changes: Partial<Requirements> = {}): Plan {
  const asked = requirements({
    needs: ['keep-hot-data'],
    options: { 'keep-hot-data': { minShards: 3, tls: false, ...options } },
    ...changes,
  });
  const plan = assemblePlan(asked, catalogue, { scale: 1 });
  if (isNoPlan(plan)) throw new Error(JSON.stringify(plan));
  return plan;
}

/** A project folder with everything that the plan's processes read. */
export async function makeStoreProject(plan: Plan): Promise<string> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'dsp-store-')));
  for (const { path, content } of (await renderProject(plan, catalogue)).files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  const { processSets, jobs } = withSidecarSets(plan.local.topology);
  const programs = [...processSets, ...jobs].flatMap(({ program }) => (program.kind === 'service' ? [program] : []));
  await build({
    entryPoints: Object.fromEntries(
      programs.map(({ bundle, entry }) => [bundle, entry.replace('patterns', templates)]),
    ),
    outdir: join(root, 'dist'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return root;
}

export async function deployPlan(root: string, plan: Plan): Promise<Deployment> {
  const { signal } = new AbortController();
  return deployLocal(root, plan, { clock: systemClock, signal, report: () => undefined, build: false });
}

export async function destroyProject(root: string, keepData = false): Promise<void> {
  const { signal } = new AbortController();
  await destroyLocal(root, { keepData, clock: systemClock, signal, report: () => undefined });
}

export async function discardProject(root: string): Promise<void> {
  await destroyProject(root);
  rmSync(root, { recursive: true, force: true });
}
