/**
 * `npm run bench -- deploy [rounds]`: from the call of `dsp deploy` to the first healthy answer of the example's store and
 * limiter, built before, with nothing running. Beside it, in turns, what no deployment can do without: the same number of
 * Redis servers and of Node processes until each takes a connection.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';
import { parsePlan } from '../../src/plan/file.ts';
import { claimPort } from '../fixtures/ports.ts';
import { need, ratioLine } from './side-by-side.ts';
import { answers } from './turns.ts';

const rounds = Number(process.argv[2] ?? 5);
const pollMs = 5;
const patienceMs = 60_000;
const dsp = join(packageRoot(), 'bin', 'dsp.js');

type Endpoints = Readonly<Record<string, string>>;

function run(folder: string, ...args: string[]): string {
  return execFileSync(process.execPath, [dsp, '-C', folder, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`nothing answered within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** A write that is acknowledged, and a caller that is let in. */
async function isHealthy({ store, limiter }: Endpoints): Promise<boolean> {
  const headers = { 'content-type': 'application/json' };
  const check = { method: 'POST', headers, body: JSON.stringify({ policy: 'default', key: `bench-${Date.now()}` }) };
  const asked = [
    fetch(`${store}/v1/items/bench`, { method: 'PUT', body: 'x' }).then(({ status }) => status === 204),
    fetch(`${limiter}/v1/check`, check).then(({ status }) => status === 200),
  ];
  return (await Promise.all(asked.map((one) => one.catch(() => false)))).every(Boolean);
}

async function deployed(folder: string, endpoints: Endpoints): Promise<number> {
  const startMs = performance.now();
  const deploying = spawn(process.execPath, [dsp, '-C', folder, 'deploy'], { stdio: 'ignore' });
  const ended = once(deploying, 'exit');
  await until(() => isHealthy(endpoints));
  const tookMs = performance.now() - startMs;
  const [code] = await ended;
  if (code !== 0) throw new Error(`dsp deploy ended with ${code}`);
  run(folder, 'destroy');
  return tookMs;
}

/** Redis servers and Node processes that only listen. */
async function bare(folder: string, engines: number, services: number): Promise<number> {
  const ports: number[] = [];
  while (ports.length < engines + services) ports.push(await claimPort());
  const startMs = performance.now();
  const children: ChildProcess[] = ports.map((port, i) => {
    const listen = `require('http').createServer().listen(${port}, '127.0.0.1')`;
    return i < engines
      ? spawn('redis-server', ['--port', `${port}`, '--save', '', '--dir', folder], { stdio: 'ignore' })
      : spawn(process.execPath, ['-e', listen], { stdio: 'ignore' });
  });
  try {
    await Promise.all(ports.map((port) => until(() => answers(port))));
    return performance.now() - startMs;
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(
      children.map((child) => child.exitCode === null && child.signalCode === null && once(child, 'exit')),
    );
  }
}

need('redis-server', 'apt-get install redis-server');
const work = mkdtempSync(join(tmpdir(), 'dsp-bench-deploy-'));
const folder = join(work, 'shop');
try {
  const example = join(packageRoot(), 'test', 'golden', 'quickstart', 'dsp.yaml');
  execFileSync(process.execPath, [dsp, 'new', folder, '--answers', example, '--no-input'], { stdio: 'ignore' });
  // Installs, builds, and finds the ports that the project keeps.
  const { endpoints } = JSON.parse(run(folder, 'deploy', '--json')) as { readonly endpoints: Endpoints };
  run(folder, 'destroy');
  const plan = parsePlan(readFileSync(join(folder, 'plan.json'), 'utf8'), 'plan.json');
  const count = (kind: string) =>
    plan.local.topology.processSets
      .filter(({ program }) => program.kind === kind)
      .reduce((sum, { replicas }) => sum + replicas, 0);
  const [ours, anchor]: [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    const alone = await bare(work, count('engine'), count('service'));
    const took = await deployed(folder, endpoints);
    if (round < 0) continue;
    anchor.push(alone / 1000);
    ours.push(took / 1000);
  }
  const anchorName = `${count('engine')} redis-server and ${count('service')} node alone`;
  console.log(ratioLine({ name: 'deploy to the first healthy answer', unit: 's', anchorName, dsp: ours, anchor }));
} finally {
  execFileSync(process.execPath, [dsp, '-C', folder, 'destroy'], { stdio: 'ignore' });
  rmSync(work, { recursive: true, force: true });
}
