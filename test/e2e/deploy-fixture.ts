/** A project small enough to deploy in a second: two Redis servers, a job and an HTTP service, all real. */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import type { Deployment } from '../../src/deploy/deployment.ts';
import { deployLocal } from '../../src/deploy/local/deploy.ts';
import { destroyLocal } from '../../src/deploy/local/destroy.ts';
import type { Job, ProcessSet, Topology } from '../../src/pattern.ts';
import type { Plan } from '../../src/plan/plan.ts';

const api = `
import { createServer } from 'node:http';
const { HOST, PORT, GREETING, NODES, DIE, SLOW } = process.env;
if (SLOW) await new Promise((resolve) => setTimeout(resolve, 2_000));
if (DIE) { for (let i = 1; i <= 30; i++) console.log('complaint', i); process.exit(1); }
const server = createServer((request, response) => {
  response.end(JSON.stringify({ pid: process.pid, greeting: GREETING, nodes: NODES, url: request.url }));
});
server.listen(Number(PORT), HOST, () => console.log('listening'));
process.on('SIGTERM', () => { console.log('drained'); server.close(() => process.exit(0)); server.closeAllConnections(); });
`;

const converge = `
const { NODES, LEAVING, FAIL, SLOW } = process.env;
if (SLOW) await new Promise((resolve) => setTimeout(resolve, 2_000));
console.log('converge', JSON.stringify({ nodes: NODES.split(',').length, leaving: LEAVING === '' ? [] : LEAVING.split(',') }));
if (FAIL) process.exit(3);
`;

const build = `
import { copyFileSync, mkdirSync } from 'node:fs';
mkdirSync('dist', { recursive: true });
for (const name of ['api', 'converge']) copyFileSync(name + '.js', 'dist/' + name + '.mjs');
console.log('built');
`;

export const redisSet: ProcessSet = {
  id: 'store-redis',
  part: 'store',
  program: { kind: 'engine', program: 'redis-server', image: 'redis:7.0' },
  replicas: 2,
  args: [{ file: 'conf' }, '--bind', { ownHost: true }, '--port', { ownPort: 'redis' }, '--dir', { volume: 'data' }],
  env: {},
  ports: [{ name: 'redis', containerPort: 6379, alsoReserveOffset: 10_000 }],
  volumes: [{ name: 'data', sizeGiB: 1 }],
  files: [{ name: 'conf', path: 'parts/store/redis.conf' }],
  readiness: { kind: 'redis', port: 'redis' },
  stop: { signal: 'SIGTERM', graceMs: 10_000 },
  resources: { cpuMillis: 100, memoryMiB: 64 },
  dependsOn: [],
  spread: true,
};

export const apiSet: ProcessSet = {
  id: 'web-api',
  part: 'web',
  program: { kind: 'service', bundle: 'api', entry: 'api.js' },
  replicas: 1,
  args: [],
  env: {
    HOST: { ownHost: true },
    PORT: { ownPort: 'http' },
    GREETING: 'hello',
    NODES: { addressesOf: 'store-redis', port: 'redis' },
  },
  ports: [{ name: 'http', containerPort: 8080, exposed: true }],
  volumes: [],
  files: [],
  readiness: { kind: 'http', port: 'http', path: '/readyz' },
  stop: { signal: 'SIGTERM', graceMs: 5_000 },
  resources: { cpuMillis: 100, memoryMiB: 64 },
  dependsOn: ['store-converge'],
  spread: false,
};

export const convergeJob: Job = {
  id: 'store-converge',
  part: 'store',
  program: { kind: 'service', bundle: 'converge', entry: 'converge.js' },
  args: [],
  env: { NODES: { addressesOf: 'store-redis', port: 'redis' } },
  leavingEnv: { name: 'LEAVING', set: 'store-redis', port: 'redis' },
  dependsOn: ['store-redis'],
  timeoutMs: 30_000,
};

export const smallTopology: Topology = { processSets: [redisSet, apiSet], jobs: [convergeJob] };

/** Of a plan, what the local target reads. */
export function planOf(topology: Topology, name = 'small'): Plan {
  return { schemaVersion: 1, requirements: { name }, local: { scale: 1, because: '', topology } } as unknown as Plan;
}

/** A project folder in a temporary one. */
export function makeProject(topology: Topology = smallTopology): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'dsp-deploy-')));
  const scripts = { typecheck: 'node --check api.js', build: 'node build.js' };
  write(root, 'dsp.yaml', 'name: small\n');
  write(root, 'plan.json', JSON.stringify(planOf(topology)));
  write(root, 'package.json', JSON.stringify({ name: 'small', private: true, type: 'module', scripts }));
  write(root, 'api.js', api);
  write(root, 'converge.js', converge);
  write(root, 'build.js', build);
  write(root, 'parts/store/redis.conf', 'save ""\nappendonly yes\n');
  return root;
}

export function write(root: string, path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** Deploys; `onLine` is told what it reports. */
export async function deploy(
  root: string,
  topology: Topology = smallTopology,
  options: { signal?: AbortSignal; build?: boolean; onLine?: (line: string) => void } = {},
): Promise<Deployment> {
  return deployLocal(root, planOf(topology), {
    clock: systemClock,
    signal: options.signal ?? new AbortController().signal,
    report: (line) => options.onLine?.(line),
    build: options.build ?? true,
  });
}

export async function destroy(root: string, keepData = false) {
  const signal = new AbortController().signal;
  return destroyLocal(root, { keepData, clock: systemClock, signal, report: () => undefined });
}

/** Destroys, and removes the folder. */
export async function discard(root: string): Promise<void> {
  await destroy(root);
  rmSync(root, { recursive: true, force: true });
}

/** Processes whose working directory is in the folder, or that were started with it as an argument. */
export function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const parameters = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder) || parameters.some((text) => text.startsWith(folder));
    } catch {
      return false;
    }
  });
}

export async function whoAnswers(deployment: Deployment): Promise<{ pid: number; greeting: string; nodes: string }> {
  return (await fetch(deployment.endpoints.web as string)).json() as Promise<never>;
}

/** One inline command to a Redis server, and its first line of answer. */
export function redis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`));
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      resolve(chunk.toString().trim());
      socket.destroy();
    });
  });
}

export async function pidOf(deployment: Deployment, id: string): Promise<string> {
  const port = deployment.instances.find((instance) => instance.id === id)?.ports.redis as number;
  const info = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('INFO server\r\n'));
    socket.on('error', reject);
    socket.once('data', (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
  });
  return /process_id:(\d+)/.exec(info)?.[1] ?? '';
}
