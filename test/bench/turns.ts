/**
 * For benches that compare: engines on core 0, the client on core 1 where there are two; what is compared takes turns, so
 * that whatever else the machine does falls on all of it; and CPU time, which other load moves less than the clock.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as open } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { claimPort } from '../fixtures/ports.ts';
import { median, pinned, processCpuUs } from './side-by-side.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** How a project bundles its services. */
export const asEmitted = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  banner: { js: "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);" },
  logLevel: 'error',
} as const;

/** Runs this very bench again on core 1, unless it is there already or there is only one. True in the process that is to work. */
export async function onCore1(): Promise<boolean> {
  if (!pinned || process.env.DSP_BENCH_PINNED === '1') return true;
  const [script = '', ...args] = process.argv.slice(1);
  const env = { ...process.env, DSP_BENCH_PINNED: '1' };
  const child = spawn('taskset', ['-c', '1', process.execPath, script, ...args], { stdio: 'inherit', env });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
  return false;
}

/** What a bench started, and where it keeps its files; all of it is gone after {@link end}. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'dsp-bench-'));
  readonly #children: ChildProcess[] = [];

  /** A server on core 0, or on the other core beside the client. */
  async server(program: string, args: readonly string[], port: number, core: 0 | 1 = 0): Promise<number> {
    const [command = '', ...rest] = pinned ? ['taskset', '-c', String(core), program, ...args] : [program, ...args];
    const child = spawn(command, rest, { stdio: 'ignore', cwd: this.directory });
    this.#children.push(child);
    for (let tried = 0; !(await answers(port)); tried++) {
      if (child.exitCode !== null || tried > 600) throw new Error(`${program} did not start`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return child.pid ?? 0;
  }

  async redis(args: readonly string[] = [], core: 0 | 1 = 0): Promise<{ readonly port: number; readonly pid: number }> {
    const port = await claimPort();
    const common = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', this.directory];
    return { port, pid: await this.server('redis-server', [...common, ...args], port, core) };
  }

  /** The emitted code as a project bundles it: what `lines` export. */
  async bundle<T>(lines: string): Promise<T> {
    const outfile = join(this.directory, 'emitted.mjs');
    await build({ ...asEmitted, stdin: { contents: lines, resolveDir: root, loader: 'ts' }, outfile });
    return (await import(outfile)) as T;
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGKILL')) await gone;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** An npm package at a version, in a folder outside the repository that later benches find again. */
export function anchorPackage(name: string, version: string): string {
  const folder = join(tmpdir(), 'dsp-bench-anchors', `${name}-${version}`);
  if (!existsSync(join(folder, 'node_modules', name))) {
    const options = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts', '--prefix', folder];
    execFileSync('npm', ['install', ...options, `${name}@${version}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return join(folder, 'node_modules', name);
}

/** Whether something on this port takes a connection. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = open(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** One turn of something: operations, and CPU time of each in µs here and in the servers. */
export interface Turn {
  readonly perSecond: number;
  readonly clientUs: number;
  readonly serverUs: number;
}

/** `run` works for about `ms` and says how many operations were done. */
export async function turn(pids: readonly number[], ms: number, run: (ms: number) => Promise<number>): Promise<Turn> {
  const serverBefore = pids.reduce((sum, pid) => sum + (processCpuUs(pid) ?? 0), 0);
  const clientBefore = process.cpuUsage();
  const startMs = performance.now();
  const operations = await run(ms);
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(clientBefore);
  const server = pids.reduce((sum, pid) => sum + (processCpuUs(pid) ?? 0), 0) - serverBefore;
  return {
    perSecond: (operations / elapsedMs) * 1000,
    clientUs: (user + system) / operations,
    serverUs: server / operations,
  };
}

/** All in turn, so many rounds, after one that does not count. */
export async function rounds<K extends string>(
  count: number,
  contestants: Readonly<Record<K, () => Promise<Turn>>>,
): Promise<Record<K, Turn[]>> {
  const names = Object.keys(contestants) as K[];
  const turns = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, Turn[]>;
  for (let round = -1; round < count; round++) {
    for (const name of names) {
      const measured = await contestants[name]();
      if (round >= 0) turns[name].push(measured);
    }
  }
  return turns;
}

/** Median of the ratios of the rounds, with their spread. */
export function ratio(of: readonly number[], to: readonly number[]): string {
  const ratios = of.map((value, round) => value / (to[round] ?? Number.NaN));
  return `${median(ratios).toFixed(2)} × (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}, ${ratios.length} rounds)`;
}

export function figures(name: string, turns: readonly Turn[]): string {
  const [rate, client, server] = (['perSecond', 'clientUs', 'serverUs'] as const).map((key) =>
    median(turns.map((measured) => measured[key])),
  );
  return `${name}: ${Math.round(rate ?? 0)}/s, CPU µs each: client ${client?.toFixed(2)}, server ${server?.toFixed(2)}`;
}
