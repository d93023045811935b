/**
 * `npm run bench -- stop-shows [rounds]`: the server is stopped for D in a run of T at load ρ of what it can answer.
 * Requests that were meant for the stop wait for its end, and those after it until the queue is gone, D ÷ (1 − ρ) in
 * all, so that p99.9 = D − 0.001 (1 − ρ) T. A closed loop sends nothing meanwhile and misses it.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { generate } from './generate.ts';
import { type HelloServer, startHelloServer } from './hello-server.ts';
import { clientCore, has, median, outputOf, short, spread, start } from './side-by-side.ts';

const seconds = 10;
const stopMs = 500;
const connections = 50;
const perSecond = 2000;

/** Stops the server once, `afterMs` from now. */
async function stopOnce(server: HelloServer, afterMs: number): Promise<void> {
  await systemClock.sleep(afterMs);
  process.kill(server.pid, 'SIGSTOP');
  await systemClock.sleep(stopMs);
  process.kill(server.pid, 'SIGCONT');
}

async function stopped<T>(server: HelloServer, running: Promise<T>): Promise<T> {
  const [found] = await Promise.all([running, stopOnce(server, 5000)]);
  return found;
}

async function wrkP999(server: HelloServer): Promise<number> {
  const script = join(folder, 'p999.lua');
  execFileSync('sh', [
    '-c',
    'printf %s "$1" > "$2"',
    'sh',
    'done = function(s, l) print("p999", l:percentile(99.9)) end',
    script,
  ]);
  const command = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, `http://127.0.0.1:${server.port}/`];
  const text = await stopped(server, outputOf(start(clientCore, command)));
  return Number(/p999\s+([\d.]+)/.exec(text)?.[1]) / 1000;
}

async function autocannonP999(server: HelloServer): Promise<number> {
  const program = join(folder, 'node_modules/autocannon/autocannon.js');
  const options = ['-c', String(connections), '-d', String(seconds), '--json', '--no-progress'];
  const url = `http://127.0.0.1:${server.port}/`;
  const text = await stopped(server, outputOf(start(clientCore, [process.execPath, program, ...options, url])));
  return (JSON.parse(text) as { latency: { p99_9: number } }).latency.p99_9;
}

/** What it takes to answer one request at full speed; the load is what the rate takes of that. */
async function loadOf(server: HelloServer): Promise<number> {
  const text = await outputOf(
    start(clientCore, ['wrk', '-t1', `-c${connections}`, '-d2s', `http://127.0.0.1:${server.port}/`]),
  );
  return perSecond / Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

const folder = mkdtempSync(join(tmpdir(), 'dsp-anchor-'));
const rounds = Number(process.argv[2] ?? 5);
if (!has('wrk')) throw new Error('wrk is not on PATH: apt-get install wrk');
execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', folder, 'autocannon@8.0.0']);
const server = await startHelloServer();
const found: Record<'dsp' | 'wrk' | 'autocannon', number[]> = { dsp: [], wrk: [], autocannon: [] };
try {
  for (let round = 0; round < rounds; round++) {
    const load = await loadOf(server);
    const theoryMs = stopMs - 0.001 * (1 - load) * seconds * 1000;
    const run = { port: server.port, perSecond, connections, seconds, arrivals: 'constant' } as const;
    found.dsp.push((await stopped(server, generate(run))).p999Ms / theoryMs);
    found.wrk.push((await wrkP999(server)) / theoryMs);
    found.autocannon.push((await autocannonP999(server)) / theoryMs);
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
for (const [name, ratios] of Object.entries(found)) {
  console.log(
    `p99.9 after a stop of ${stopMs} ms in ${seconds} s: ${name} ${short(median(ratios))} × theory (${spread(ratios)})`,
  );
}
