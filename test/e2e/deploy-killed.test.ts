/** dsp killed with SIGKILL at any moment of a deployment: `destroy` finds whatever was left. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Topology } from '../../src/pattern.ts';
import { seededRandom } from '../../src/random.ts';
import {
  apiSet,
  deploy,
  destroy,
  discard,
  makeProject,
  planOf,
  processesOf,
  redisSet,
  smallTopology,
  whoAnswers,
  write,
} from './deploy-fixture.ts';

const seed = 20_260_101;
const rounds = 24;

const work = mkdtempSync(join(tmpdir(), 'dsp-killed-'));
const runner = join(work, 'runner.mjs');
let root: string;
let portsOfProject: readonly number[];
let deployMs: number;

/** Deploys the small project in a process of its own; tells when it is done. */
const runnerSource = `
  import { systemClock } from './src/clock.ts';
  import { deployLocal } from './src/deploy/local/deploy.ts';
  const [root, plan, build] = process.argv.slice(2);
  const signal = new AbortController().signal;
  await deployLocal(root, JSON.parse(plan), { clock: systemClock, signal, report: () => {}, build: build === 'build' });
`;

beforeAll(async () => {
  await build({
    stdin: { contents: runnerSource, resolveDir: fileURLToPath(new URL('../..', import.meta.url)), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: runner,
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  root = makeProject();
  const deployment = await deploy(root);
  portsOfProject = deployment.instances.flatMap(({ ports }) => Object.values(ports));
  await destroy(root);
  const startMs = systemClock.monotonicMs();
  expect(await runKilledAfter(60_000, false)).toBe('ended');
  deployMs = systemClock.monotonicMs() - startMs;
  await destroy(root);
});

afterAll(async () => {
  await discard(root);
  rmSync(work, { recursive: true, force: true });
});

async function runKilledAfter(
  delayMs: number,
  withBuild: boolean,
  topology: Topology = smallTopology,
): Promise<'killed' | 'ended'> {
  const args = [runner, root, JSON.stringify(planOf(topology)), withBuild ? 'build' : 'built'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs);
  const [code] = await new Promise<[number | null]>((resolve) => child.once('exit', (status) => resolve([status])));
  clearTimeout(timer);
  expect(code === null || code === 0, complaints).toBe(true);
  return code === null ? 'killed' : 'ended';
}

async function freePorts(ports: readonly number[]): Promise<readonly number[]> {
  const free = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const server = createServer().once('error', () => resolve(false));
          server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
        }),
    ),
  );
  return ports.filter((_, i) => free[i]);
}

/** Files among the reservations of ports that name this project, or that nobody finished. */
function reservations(): readonly string[] {
  const folder = join(tmpdir(), `dsp-${userInfo().uid}`);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => name.endsWith('.tmp') || readFileSync(join(folder, name), 'utf8').includes(root));
}

describe(`SIGKILL at ${rounds} moments (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const moments = Array.from({ length: rounds }, (_, round) => ({ round, share: (round + random.next()) / rounds }));

  it.each(moments)('round $round', async ({ share, round }) => {
    const outcome = await runKilledAfter(Math.max(1, deployMs * share), round % 6 === 5);
    // Every third round the next deployment meets the remains first.
    if (round % 3 === 2) {
      const deployment = await deploy(root, smallTopology, { build: false });
      expect((await whoAnswers(deployment)).greeting).toBe('hello');
    }
    await destroy(root);
    expect(processesOf(root), outcome).toEqual([]);
    expect(await freePorts(portsOfProject)).toEqual(portsOfProject);
    expect(existsSync(join(root, '.dsp/run')) || existsSync(join(root, '.dsp/data'))).toBe(false);
    expect(reservations()).toEqual([]);
  });

  it('left something to clear away in some of them', async () => {
    const seen = new Set<number>();
    for (const share of [0.5, 0.7, 0.8, 0.9, 1.2]) {
      await runKilledAfter(deployMs * share, false);
      seen.add(processesOf(root).length);
      await destroy(root);
    }
    expect(Math.max(...seen)).toBeGreaterThan(0);
  });

  it('of changes, and the next deployment ends what was begun', async () => {
    const larger: Topology = { ...smallTopology, processSets: [{ ...redisSet, replicas: 3 }, apiSet] };
    await deploy(root, smallTopology, { build: false });
    for (let round = 0; round < 8; round++) {
      const topology = round % 2 === 0 ? larger : smallTopology;
      await runKilledAfter(deployMs * random.next(), false, topology);
      const deployment = await deploy(root, topology, { build: false });
      expect(processesOf(root)).toHaveLength(deployment.instances.length);
      expect((await whoAnswers(deployment)).nodes.split(',')).toHaveLength(round % 2 === 0 ? 3 : 2);
      expect(existsSync(join(root, '.dsp/data/store-redis-2'))).toBe(round % 2 === 0);
    }
    await destroy(root);
    expect(processesOf(root)).toEqual([]);
  });

  it('of a build, whose processes work in the project folder', async () => {
    write(root, 'build.js', `console.log('building'); setTimeout(() => {}, 600_000);`);
    const child = spawn(process.execPath, [runner, root, JSON.stringify(planOf(smallTopology)), 'build']);
    await expect.poll(() => builders(root).length, { timeout: 60_000 }).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(builders(root)).not.toEqual([]);
    await destroy(root);
    expect(processesOf(root)).toEqual([]);
  });
});

/** Processes of the build script, and of the npm that runs it. */
function builders(folder: string): readonly string[] {
  return processesOf(folder).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('build.js');
    } catch {
      return false;
    }
  });
}

it('destroy of nothing exits quietly', async () => {
  expect(await destroy(root)).toEqual({ drained: 0, killed: 0, dataRemoved: false });
});
