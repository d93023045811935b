/**
 * How the load generator compares with wrk on this machine: the highest rate at which one generator thread still sends
 * in time and gets its answers, and the CPU time of a request, each as a ratio to wrk on the same bare server. The two
 * take turns, so that what else the machine does falls on both; server and generators have a core each where there are
 * two. Printed, never asserted.
 *
 * `npm run bench -- generator-vs-wrk [rounds]`
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { keptUpShare } from '../../src/bench/checks.ts';
import { listenBare } from '../../src/bench/control-server.ts';
import { total } from '../../src/bench/figures.ts';
import { runLoad } from '../../src/bench/load.ts';
import { benchModuleUrl } from '../../src/bench/modules.ts';
import { systemClock } from '../../src/clock.ts';
import { exactly, type Requirements } from '../../src/requirements/requirements.ts';

interface Measured {
  readonly perSecond: number;
  readonly cpuUsPerRequest: number;
}

const connections = 50;
const seconds = 3;
const script = fileURLToPath(import.meta.url);
const pinned = availableParallelism() >= 2 && has('taskset');

function has(program: string): boolean {
  try {
    execFileSync('which', [program]);
    return true;
  } catch {
    return false;
  }
}

function start(core: number, command: readonly string[]): ChildProcess {
  const [program = '', ...args] = pinned ? ['taskset', '-c', String(core), ...command] : command;
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (bytes) => {
    text += bytes;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}`);
  return text;
}

/** User and system time in µs; the kernel counts in hundredths of a second. */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function runWrk(port: number): Promise<Measured> {
  const child = start(1, ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}/`]);
  let usedUs = 0;
  const watching = setInterval(() => {
    try {
      usedUs = cpuUs(child.pid ?? 0);
    } catch {
      // It has just ended.
    }
  }, 50);
  const text = await output(child);
  clearInterval(watching);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  return { perSecond, cpuUsPerRequest: usedUs / requests };
}

/** One run at a fixed rate in a process of its own; null when the generator or the server did not keep up. */
async function runAt(port: number, perSecond: number): Promise<Measured | null> {
  const text = await output(start(1, [process.execPath, script, 'generate', String(port), String(perSecond)]));
  return JSON.parse(text);
}

/** The highest rate that is kept, by halving between a third of wrk's rate and one and a half times it. */
async function runDsp(port: number, anchor: number): Promise<Measured> {
  let best: Measured = { perSecond: 0, cpuUsPerRequest: Number.NaN };
  let [low, high] = [anchor / 3, anchor * 1.5];
  for (let step = 0; step < 5; step++) {
    const tried = (low + high) / 2;
    const found = await runAt(port, tried);
    if (found === null) high = tried;
    else {
      best = found;
      low = tried;
    }
  }
  return best;
}

async function generate(port: number, perSecond: number): Promise<void> {
  const requirements = { latency: { p99Ms: 100 }, rate: { readPerSecond: exactly(perSecond) } } as Requirements;
  let used = process.cpuUsage();
  const result = await runLoad(
    {
      parts: [
        {
          name: 'bare',
          workloadUrl: benchModuleUrl('control-workload').href,
          targets: [{ host: '127.0.0.1', port }],
          context: { part: 'bare', sizing: null, options: {}, requirements, offeredLoad: { get: perSecond }, seed: 1 },
          controlIn: ['warmup', 'steady'],
        },
      ],
      arrivals: 'poisson',
      seed: 1,
      workers: 1,
      warmupMs: 1000,
      steadyMs: seconds * 1000,
      timeoutMs: 1000,
      maxConnections: connections,
      faults: [],
      recover: { quietMs: 0, maxMs: 0 },
    },
    {
      clock: systemClock,
      signal: new AbortController().signal,
      sampleCpu: () => null,
      onProgress: ({ phase, elapsedMs }) => {
        if (phase === 'steady' && elapsedMs < 1500) used = process.cpuUsage();
      },
    },
  );
  const { user, system } = process.cpuUsage(used);
  const steady = total(result.cells.filter(({ phase }) => phase === 'steady'));
  const kept = steady.correct >= keptUpShare * steady.offered && steady.behind <= (1 - keptUpShare) * steady.offered;
  const measured = { perSecond: steady.correct / seconds, cpuUsPerRequest: (user + system) / steady.correct };
  console.log(JSON.stringify(kept ? measured : null));
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function line(name: string, unit: string, dsp: readonly number[], wrk: readonly number[]): string {
  const ratios = dsp.map((value, i) => value / (wrk[i] ?? Number.NaN));
  const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  const figures = `dsp ${median(dsp).toFixed(1)} ${unit}, wrk ${median(wrk).toFixed(1)} ${unit}`;
  return `${name}: ${median(ratios).toFixed(2)} × wrk (${spread} over ${ratios.length} rounds; ${figures})`;
}

async function compare(rounds: number): Promise<void> {
  if (!has('wrk')) throw new Error('wrk is not installed: apt-get install wrk');
  const server = start(0, [process.execPath, script, 'serve']);
  try {
    const [bytes] = await once(server.stdout!, 'data');
    const port = Number(String(bytes));
    await runWrk(port);
    const wrk: Measured[] = [];
    const dsp: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      const anchor = await runWrk(port);
      wrk.push(anchor);
      dsp.push(await runDsp(port, anchor.perSecond));
    }
    const of = (all: readonly Measured[], key: keyof Measured) => all.map((measured) => measured[key]);
    console.log(line('highest rate of one thread', '/s', of(dsp, 'perSecond'), of(wrk, 'perSecond')));
    console.log(line('CPU time of a request', 'µs', of(dsp, 'cpuUsPerRequest'), of(wrk, 'cpuUsPerRequest')));
  } finally {
    server.kill();
  }
}

const [mode, port, rate] = process.argv.slice(2);
if (mode === 'serve') listenBare((bound) => console.log(bound));
else if (mode === 'generate') await generate(Number(port), Number(rate));
else await compare(Number(mode ?? 5));
