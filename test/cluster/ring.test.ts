/**
 * A ring of caches behind ambassadors, TLS on, on a real cluster. Preview, two deployments and the destruction happen in
 * one process, as they do in a program that uses dsp's parts itself: one load of the project's program serves them all.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { parseImages } from '../../src/commands/deploy.ts';
import {
  type DeployKubernetesOptions,
  deployKubernetes,
  previewKubernetes,
} from '../../src/deploy/kubernetes/deploy.ts';
import { destroyKubernetes } from '../../src/deploy/kubernetes/destroy.ts';
import { parsePlan } from '../../src/plan/file.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { absent, dsp, kubectl, makeProject, removeProject, sweep, write } from './cluster.ts';

const namespace = `dsp-ring-${process.pid}`;
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
const totalMiB = 60;
const ring = [
  'needs=keep-hot-data',
  'consistency.level=eventual',
  'loss.rpoMs=3600000',
  'availability.recoveryMs=60000',
  `data.totalMiB=${totalMiB}`,
];
const own = ['ambassador=true', 'tls=true', 'minShards=3'].map((option) => `options.keep-hot-data.${option}`);
const keys = 200;
let project = '';
let images: readonly string[] = [];

const options = (): DeployKubernetesOptions => ({
  namespace,
  images: parseImages(images.filter((word) => word !== '--image')),
  registry: null,
  overcommit: 20,
  unlock: false,
  clock: systemClock,
  signal: new AbortController().signal,
  report: () => undefined,
});

function readPlan(): Plan {
  const path = join(project, 'plan.json');
  return parsePlan(readFileSync(path, 'utf8'), path);
}

/** What a program prints that runs beside the service, where an application would be. */
async function inPod(program: string): Promise<string> {
  const pod = ['exec', 'deployment/store-api', '--container', 'main'];
  return (await kubectl('--namespace', namespace, ...pod, '--', 'node', '-e', program)).trim();
}

/** A ring keeps keys together that differ in their last letters only. */
const items = `Array.from({ length: ${keys} }, (_, i) => 'http://127.0.0.1:8080/v1/items/' + i * 7919 + '-of-many')`;
const writeAll = `Promise.all(${items}.map(async (url) => (await fetch(url, { method: 'PUT', body: url })).status))
  .then((all) => console.log(all.filter((status) => status === 204).length))`;
const readAll = `Promise.all(${items}.map(async (url) => (await fetch(url)).status))
  .then((all) => console.log(all.filter((status) => status === 200).length))`;
/** Redis' own protocol to the one address that an application knows. */
const askAmbassador = `const socket = require('net').connect(6379, '127.0.0.1');
  socket.write('*3\\r\\n$3\\r\\nSET\\r\\n$5\\r\\napp:1\\r\\n$2\\r\\nok\\r\\n*2\\r\\n$3\\r\\nGET\\r\\n$5\\r\\napp:1\\r\\n');
  let said = ''; socket.on('data', (data) => { said += data; if (said.includes('$2')) socket.end(); });
  socket.on('close', () => console.log(JSON.stringify(said)));`;

describe.skipIf(absent !== null)(`a ring on a cluster${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  beforeAll(async () => {
    const flags = [...ring, ...own].flatMap((answer) => ['--set', answer]);
    ({ project, images } = await makeProject(requirements, flags));
  }, 300_000);

  afterAll(async () => {
    await sweep(namespace);
    removeProject(project);
  }, 180_000);

  it('is previewed without a trace, deployed, and deployed again without a change', async () => {
    const plan = readPlan();
    const preview = await previewKubernetes(project, plan, options());
    expect(preview.changes).toContainEqual(
      expect.objectContaining({ operation: 'create', resource: 'StatefulSet store-redis' }),
    );
    expect(await kubectl('get', 'namespace', namespace, '--ignore-not-found')).toBe('');
    const first = await deployKubernetes(project, plan, options());
    expect(first.endpoints).toEqual({ store: `http://store-api.${namespace}.svc:8080` });
    expect(first.changes.every(({ operation }) => operation === 'create')).toBe(true);
    const second = await deployKubernetes(project, plan, options());
    expect(second.changes).toEqual([]);
    expect(second.unchanged).toBe(first.changes.length);
  });

  it('is one Redis at a localhost address, and one service', async () => {
    expect(JSON.parse(await inPod(askAmbassador))).toBe('+OK\r\n$2\r\nok\r\n');
    expect(await inPod(writeAll)).toBe(`${keys}`);
    expect(await inPod(readAll)).toBe(`${keys}`);
  });

  it('keeps most of what it has when it grows', async () => {
    const before = nodes(readPlan());
    const path = join(project, 'dsp.yaml');
    // With its data: nodes that are to have another size start anew, and a cache is empty then.
    const grown = [`minShards: ${before + 1}`, `totalMiB: ${((before + 1) * totalMiB) / before}`];
    const text = readFileSync(path, 'utf8').replace(/minShards: \d+/, grown[0] ?? '');
    write(path, text.replace(/totalMiB: \d+/, grown[1] ?? ''));
    expect((await dsp(project, ['plan', '--write'])).exitCode).toBe(0);
    const plan = readPlan();
    expect(nodes(plan)).toBe(before + 1);
    await deployKubernetes(project, plan, options());
    const kept = Number(await inPod(readAll));
    console.log(`${kept} of ${keys} keys stay when ${before} nodes become ${before + 1}`);
    expect(kept).toBeGreaterThan(keys * (1 - 1.6 / (before + 1)));
    // The new node has its share.
    expect(kept).toBeLessThan(keys);
    expect(await inPod(writeAll)).toBe(`${keys}`);
    expect(await inPod(readAll)).toBe(`${keys}`);
  });

  it('is destroyed to nothing', async () => {
    const { deleted } = await destroyKubernetes(project, readPlan(), { ...options(), keepData: false });
    expect(deleted).toBeGreaterThan(10);
    expect(await kubectl('get', 'namespace', namespace, '--ignore-not-found')).toBe('');
  });
});

function nodes(plan: Plan): number {
  const engines = plan.topology.processSets.filter(({ program }) => program.kind === 'engine');
  return engines.reduce((sum, { replicas }) => sum + replicas, 0);
}
