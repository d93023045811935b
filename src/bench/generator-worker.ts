/** Entry of a generator thread: loads the workloads, then does as it is told ({@link ToGenerator}). */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { monotonicOriginMs, systemClock } from '../clock.ts';
import { seededRandom } from '../random.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type DrivenPart, Driver } from './driver.ts';
import type { FromGenerator, GeneratorConfig, GeneratorPart, ToGenerator } from './generator-protocol.ts';
import { createPacer, weightedDraw } from './pacer.ts';
import { Recorder } from './recorder.ts';
import type { Workload, WorkloadContext } from './workload.ts';

interface LoadedPart extends DrivenPart {
  readonly workload: Workload;
  readonly context: WorkloadContext;
  /** Keys that this worker acted on, for the final reads. */
  readonly keys: Set<string>;
  readonly loadOnly: boolean;
}

const reportEveryMs = 250;
/** One buffer for every socket of the thread: each chunk is read before the next one comes. */
const readBuffer = Buffer.allocUnsafe(64 * 1024);

async function loadPart(config: GeneratorConfig, part: GeneratorPart, index: number): Promise<LoadedPart> {
  const { default: workload }: { default: Workload } = await import(part.workloadUrl);
  const { workerIndex, workerCount, seed } = config;
  const context: WorkloadContext = { ...part.context, workerIndex, workerCount };
  const random = seededRandom(seed).fork(`${part.name}/${workerIndex}`);
  const total = Object.values(context.offeredLoad).reduce((sum, rate) => sum + rate, 0);
  const keys = new Set<string>();
  const run = workload.create(context);
  return {
    index,
    workload,
    context,
    keys,
    run: {
      next(operation, chance) {
        const request = run.next(operation, chance);
        keys.add(request.key);
        return request;
      },
      judge: (request, response) => run.judge(request, response),
    },
    pool: new ConnectionPool({ ...config, targets: part.targets, clock: systemClock, readBuffer }),
    pacer: createPacer({
      arrivals: config.arrivals,
      ratePerSecond: total / workerCount,
      random: random.fork('arrivals'),
      offset: workerIndex / workerCount,
    }),
    draw: weightedDraw(context.offeredLoad),
    random,
    controlIn: part.controlIn ?? null,
    loadOnly: part.loadOnly === true,
  };
}

async function prepare(driver: Driver, parts: readonly LoadedPart[]): Promise<FromGenerator> {
  let failed = 0;
  let lastFailure = '';
  await Promise.all(
    parts.map(async (part) => {
      const requests = part.loadOnly ? [] : (part.workload.prepare?.(part.context) ?? []);
      for (const request of requests) part.keys.add(request.key);
      const failures = await driver.sendAll(part, requests, 'prepare');
      failed += failures;
      if (failures > 0) lastFailure = `${failures} of ${requests.length} requests to ${part.context.part}`;
    }),
  );
  return { kind: 'prepared', failed, lastFailure };
}

async function readBack(driver: Driver, parts: readonly LoadedPart[]): Promise<void> {
  await Promise.all(
    parts
      .filter((part) => part.controlIn === null && !part.loadOnly)
      .map((part) => driver.sendAll(part, part.workload.finalReads(part.context, [...part.keys]), 'final')),
  );
}

async function main(port: MessagePort, config: GeneratorConfig): Promise<void> {
  let startMs = 0;
  const originMs = monotonicOriginMs();
  const parts = await Promise.all(config.parts.map((part, index) => loadPart(config, part, index)));
  const recorder = new Recorder(() => startMs);
  const driver = new Driver({ parts, recorder, clock: systemClock, originMs, timeoutMs: config.timeoutMs });
  const post = (message: FromGenerator) => port.postMessage(message);
  const report = () => post({ kind: 'progress', ...recorder.take(), lastFailureMs: recorder.lastFailureMs });
  const reporting = setInterval(report, reportEveryMs);
  const finish = async (atMs: number) => {
    await driver.finish(atMs);
    await readBack(driver, parts);
    clearInterval(reporting);
    report();
    for (const part of parts) part.pool.close();
    post({ kind: 'finished', cells: recorder.cells() });
    port.close();
  };
  // A rejection ends the thread, and the bench hears of it.
  port.on('message', async (message: ToGenerator) => {
    if (message.kind === 'prepare') post(await prepare(driver, parts));
    else if (message.kind === 'phase') driver.setPhase(message.phase, message.atMs);
    else if (message.kind === 'finish') await finish(message.atMs);
    else {
      startMs = message.startMs;
      driver.begin(message.startMs, message.phase);
    }
  });
  post({ kind: 'ready' });
}

if (parentPort !== null) await main(parentPort, workerData as GeneratorConfig);
