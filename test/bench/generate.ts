/**
 * One run of the load generator at a fixed rate, in a process of its own so that it can be pinned to a core:
 * `node generate.js '<GenerateRun as JSON>'` prints {@link Generated} as JSON.
 */

import { fileURLToPath } from 'node:url';
import { runLoad } from '../../src/bench/load.ts';
import { type PhaseSpan, total } from '../../src/bench/results/figures.ts';
import type { Phase } from '../../src/checkers/history.ts';
import { systemClock } from '../../src/clock.ts';
import { exactly, type Requirements } from '../../src/requirements/requirements.ts';
import { clientCore, outputOf, start } from './side-by-side.ts';

export interface GenerateRun {
  readonly port: number;
  readonly perSecond: number;
  readonly connections: number;
  readonly seconds: number;
  readonly arrivals: 'constant' | 'poisson';
}

/** Of the steady load. */
export interface Generated {
  readonly offeredPerSecond: number;
  /** Correct answers that came within the time of the steady load. */
  readonly perSecond: number;
  readonly correctShare: number;
  /** CPU time per such answer: of the whole process, and of the generator thread. */
  readonly cpuUs: number;
  readonly threadCpuUs: number;
  /** How late the generator turned to an arrival. */
  readonly lagP50Us: number;
  readonly lagP99Us: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Runs the generator in a process on the clients' core. */
export async function generate(run: GenerateRun): Promise<Generated> {
  const script = fileURLToPath(import.meta.url);
  return JSON.parse(await outputOf(start(clientCore, [process.execPath, script, JSON.stringify(run)])));
}

async function main({ port, perSecond, connections, seconds, arrivals }: GenerateRun): Promise<Generated> {
  const requirements = { latency: { p99Ms: 100 }, rate: { readPerSecond: exactly(perSecond) } } as Requirements;
  const context = { part: 'hello', sizing: null, options: {}, requirements, offeredLoad: { get: perSecond }, seed: 1 };
  const workloadUrl = new URL('./hello-workload.js', import.meta.url).href;
  const cpuAt: Partial<Record<Phase, number>> = {};
  const result = await runLoad(
    {
      parts: [{ name: 'hello', workloadUrl, targets: [{ host: '127.0.0.1', port }], context }],
      arrivals,
      seed: 1,
      workers: 1,
      warmupMs: 1000,
      steadyMs: seconds * 1000,
      timeoutMs: 5000,
      maxConnections: connections,
      faults: [],
      recover: { quietMs: 0, maxMs: 0 },
    },
    {
      clock: systemClock,
      signal: new AbortController().signal,
      sampleCpu: () => null,
      onProgress: ({ phase }) => {
        const { user, system } = process.cpuUsage();
        cpuAt[phase] ??= user + system;
      },
    },
  );
  const span = result.spans.find(({ phase }) => phase === 'steady');
  if (span === undefined) throw new Error('there was no steady load');
  const answered = result.history
    .of(0, 'hello')
    .filter(({ outcome, answeredMs }) => outcome === 'ok' && inSpan(answeredMs, span)).length;
  const steady = total(result.cells.filter(({ phase }) => phase === 'steady'));
  const ms = (q: number) => steady.latency.quantileMs(q) ?? Number.NaN;
  const steadySeconds = (span.endMs - span.startMs) / 1000;
  return {
    offeredPerSecond: steady.offered / steadySeconds,
    perSecond: answered / steadySeconds,
    correctShare: steady.correct / steady.offered,
    cpuUs: ((cpuAt.final ?? Number.NaN) - (cpuAt.steady ?? Number.NaN)) / answered,
    threadCpuUs: ((result.generatorCpuMs ?? Number.NaN) * 1000) / answered,
    lagP50Us: 1000 * (steady.lag.quantileMs(0.5) ?? Number.NaN),
    lagP99Us: 1000 * (steady.lag.quantileMs(0.99) ?? Number.NaN),
    p50Ms: ms(0.5),
    p99Ms: ms(0.99),
    p999Ms: ms(0.999),
    maxMs: steady.latency.maxMs ?? Number.NaN,
  };
}

function inSpan(timeMs: number | null, { startMs, endMs }: PhaseSpan): boolean {
  return timeMs !== null && timeMs >= startMs && timeMs < endMs;
}

const [, script, run] = process.argv;
if (script === fileURLToPath(import.meta.url) && run !== undefined)
  console.log(JSON.stringify(await main(JSON.parse(run))));
