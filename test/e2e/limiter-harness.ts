/** For the limiter's engine tests: services as they are deployed, callers that record what they saw, and the exact checker. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Redis } from 'ioredis';
import { claimPort } from '../fixtures/ports.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

const entry = fileURLToPath(new URL('../../templates/rate-limiter/service/src/main.ts', import.meta.url));

/** What a test started, ended in the reverse order. */
export class Scope {
  readonly #ends: (() => Promise<unknown>)[] = [];

  onEnd(end: () => Promise<unknown>): void {
    this.#ends.unshift(end);
  }

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'limiter-e2e-'));
    this.onEnd(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  spawn(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    this.onEnd(async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    });
    return child;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
  }
}

export async function until(condition: () => Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const startMs = performance.now();
  while (!(await condition().catch(() => false))) {
    if (performance.now() - startMs > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export interface RedisProcess {
  readonly port: number;
  readonly child: ChildProcess;
  /** The same server once more, after its process has ended. */
  restart(): Promise<RedisProcess>;
}

export async function startRedis(scope: Scope, ...settings: readonly string[]): Promise<RedisProcess> {
  const port = await claimPort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', await scope.directory()];
  const start = async (): Promise<RedisProcess> => {
    const child = scope.spawn('redis-server', [...args, '--logfile', 'log', ...settings]);
    await until(async () => (await ask(port, 'PING')) === 'PONG', 'redis-server answers');
    return { port, child, restart: start };
  };
  return start();
}

export async function ask(port: number, name: string, ...args: readonly (string | number)[]): Promise<unknown> {
  const redis = new Redis({ port, lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000 });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await redis.call(name, [...args]);
  } finally {
    redis.disconnect();
  }
}

/** A Redis Cluster of three primaries, each with a replica and an append-only file. */
export async function startCluster(scope: Scope, nodeTimeoutMs: number): Promise<readonly RedisProcess[]> {
  const nodes: RedisProcess[] = [];
  for (let index = 0; index < 6; index++) {
    const busPort = String(await claimPort());
    const cluster = [
      '--cluster-enabled',
      'yes',
      '--cluster-port',
      busPort,
      '--cluster-node-timeout',
      String(nodeTimeoutMs),
    ];
    nodes.push(await startRedis(scope, ...cluster, '--appendonly', 'yes', '--repl-diskless-sync-delay', '0'));
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
  await until(async () => {
    const infos = await Promise.all(nodes.map(({ port }) => ask(port, 'INFO', 'replication')));
    const ok = await Promise.all(nodes.map(async ({ port }) => String(await ask(port, 'CLUSTER', 'INFO'))));
    const linked = infos.filter((info) => /role:slave[\s\S]*master_link_status:up/.test(String(info))).length;
    return linked === 3 && ok.every((info) => info.includes('cluster_state:ok'));
  }, 'the cluster is formed, and its replicas are linked');
  return nodes;
}

/** The address that owns the key now, as the node at `port` sees it. */
export async function ownerPort(port: number, key: string): Promise<number> {
  const slot = Number(await ask(port, 'CLUSTER', 'KEYSLOT', key));
  const ranges = (await ask(port, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
  const range = ranges.find(([from, to]) => slot >= from && slot <= to);
  if (range === undefined) throw new Error(`slot ${slot} has no owner`);
  return range[2][1];
}

export interface LimiterService {
  readonly url: string;
  readonly child: ChildProcess;
  readonly policiesFile: string;
}

/** The service's bundle, as it is deployed. */
export async function bundleLimiter(scope: Scope): Promise<string> {
  const outfile = join(await scope.directory(), 'rate-limiter.mjs');
  const banner = "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);";
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: { js: banner },
    logLevel: 'error',
  });
  return outfile;
}

export async function startLimiter(
  scope: Scope,
  bundle: string,
  policies: string,
  env: NodeJS.ProcessEnv,
): Promise<LimiterService> {
  const port = await claimPort();
  const file = join(await scope.directory(), 'policies.yaml');
  await writeFile(file, policies);
  const child = scope.spawn(process.execPath, [bundle], {
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'silent',
    POLICIES_FILE: file,
    BUCKETS: '8',
    KV_TIMEOUT_MS: '1000',
    ...env,
  });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/readyz`)).ok, 'the limiter is ready');
  return { url, child, policiesFile: file };
}

/** One check as its caller saw it, in ms of the caller's clock. */
export interface Seen {
  readonly key: string;
  readonly cost: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly allowed: boolean;
}

export type Checker = (key: string, cost: number) => Promise<boolean>;

/** Checks over HTTP; an answer that is neither 200 nor 429, or none, counts as refused. */
export function httpChecker(scope: Scope, url: string): Checker {
  const agent = new Agent({ keepAlive: true });
  scope.onEnd(async () => agent.destroy());
  return (key, cost) =>
    new Promise((resolve) => {
      const headers = { 'content-type': 'application/json' };
      const sent = request(`${url}/v1/check`, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode === 200));
        response.once('error', () => resolve(false));
      });
      sent.once('error', () => resolve(false));
      sent.end(JSON.stringify({ policy: 'default', key, cost }));
    });
}

export interface Hammering {
  readonly seen: Seen[];
  stop(): Promise<void>;
}

/** Callers that ask again as soon as they are answered, spread over the checkers and the keys. */
export function hammer(checkers: readonly Checker[], keys: readonly string[], callers: number): Hammering {
  const seen: Seen[] = [];
  let stopped = false;
  const running = Array.from({ length: callers }, async (_, caller) => {
    const check = checkers[caller % checkers.length] as Checker;
    for (let turn = caller; !stopped; turn++) {
      const key = keys[turn % keys.length] as string;
      const cost = 1 + (turn % 2);
      const sentMs = performance.now();
      const allowed = await check(key, cost);
      seen.push({ key, cost, sentMs, answeredMs: performance.now(), allowed });
      // A refusal without the store comes at once: leave the others some of the machine.
      await new Promise((resolve) => setTimeout(resolve, allowed ? 0 : 2));
    }
  });
  return {
    seen,
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

export interface Excess {
  readonly key: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly admitted: number;
  readonly bound: number;
}

/**
 * The windows [s, e] in which the checks sent at s or later and answered at e or sooner were admitted for more than
 * burst + rate × (e − s): for each s the worst, the worst of all first. A window that is the worst of its kind begins at a
 * sending and ends at an answer.
 */
export function excesses(seen: readonly Seen[], ratePerMs: number, burst: number): Excess[] {
  const found: Excess[] = [];
  const admitted = seen.filter(({ allowed }) => allowed).sort((a, b) => a.answeredMs - b.answeredMs);
  for (const key of new Set(admitted.map((entry) => entry.key))) {
    const ofKey = admitted.filter((entry) => entry.key === key);
    for (const { sentMs: fromMs } of ofKey) {
      const worst = worstFrom(ofKey, fromMs, ratePerMs, burst);
      if (worst.admitted > worst.bound) found.push({ key, ...worst });
    }
  }
  return found.sort((a, b) => b.admitted - b.bound - (a.admitted - a.bound));
}

function worstFrom(answered: readonly Seen[], fromMs: number, ratePerMs: number, burst: number): Omit<Excess, 'key'> {
  let worst = { fromMs, toMs: fromMs, admitted: 0, bound: burst };
  let admitted = 0;
  for (const { sentMs, answeredMs: toMs, cost } of answered) {
    if (sentMs < fromMs) continue;
    admitted += cost;
    const bound = burst + ratePerMs * (toMs - fromMs);
    if (admitted - bound > worst.admitted - worst.bound) worst = { fromMs, toMs, admitted, bound };
  }
  return worst;
}
