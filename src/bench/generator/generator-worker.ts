/** Entry of a generator thread: loads the workloads, then does as it is told ({@link ToGenerator}). */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { monotonicOriginMs, systemClock } from '../../clock.ts';
import { seededRandom } from '../../random.ts';
import type { Via } from '../input.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type DrivenPart, Driver } from './driver.ts';
import type { FromGenerator, GeneratorConfig, GeneratorPart, HistoryBatch, ToGenerator } from './generator-protocol.ts';
import { createPacer, weightedDraw } from './pacer.ts';
import { Recorder } from './recorder.ts';
import { RedisTransport } from './redis-transport.ts';
import { currentThread, wakeOnTime } from './thread.ts';
import type { Operation, Workload, WorkloadContext } from './workload.ts';

interface LoadedPart extends DrivenPart {
  readonly workload: Workload<Operation, unknown>;
  readonly context: WorkloadContext;
  readonly loadOnly: boolean;
}

/** An instance that is to stop is waited for so long, as a load balancer does. */
const drainPatienceMs = 1000;
const reportEveryMs = 250;

const connects: Readonly<Record<Via, DrivenPart['connect']>> = {
  http: (options) => new ConnectionPool(options),
  redis: (options) => new RedisTransport(options),
};

async function loadPart(config: GeneratorConfig, part: GeneratorPart, index: number): Promise<LoadedPart> {
  const { default: workload }: { default: Workload<Operation, unknown> } = await import(part.workloadUrl);
  const { workerIndex, workerCount, seed } = config;
  const context: WorkloadContext = { ...part.context, workerIndex, workerCount };
  const place = workload.place?.(context);
  const random = seededRandom(seed).fork(`${part.name}/${workerIndex}`);
  const total = Object.values(context.offeredLoad).reduce((sum, rate) => sum + rate, 0);
  return {
    index,
    workload,
    context,
    run: workload.create(context),
    targets: part.targets,
    connect: connects[part.via ?? 'http'],
    ...(part.access && { access: part.access }),
    ...(place && { place }),
    pacer: createPacer({
      arrivals: config.arrivals,
      ratePerSecond: total / workerCount,
      random: random.fork('arrivals'),
      offset: workerIndex / workerCount,
      shape: config.shape,
      leadMs: config.leadMs,
    }),
    draw: weightedDraw(context.offeredLoad),
    random,
    controlIn: part.controlIn ?? null,
    inHistory: part.controlIn === undefined,
    loadOnly: part.loadOnly === true,
  };
}

/** They move to the other thread, which costs less than a copy. */
function buffersOf({ keys, operations, values, results, sentMs, answeredMs, outcomes, phases }: HistoryBatch) {
  return [keys, operations, values, results, sentMs, answeredMs, outcomes, phases].map(({ buffer }) => buffer);
}

async function prepare(driver: Driver, parts: readonly LoadedPart[]): Promise<FromGenerator> {
  let failed = 0;
  let lastFailure = '';
  await Promise.all(
    parts.map(async (part) => {
      const requests = part.loadOnly ? [] : (part.workload.prepare?.(part.context) ?? []);
      const failures = await driver.sendAll(part, requests, 'prepare');
      failed += failures;
      if (failures > 0) lastFailure = `${failures} of ${requests.length} requests to ${part.context.part}`;
    }),
  );
  return { kind: 'prepared', failed, lastFailure };
}

async function readBack(driver: Driver, recorder: Recorder, parts: readonly LoadedPart[]): Promise<void> {
  await Promise.all(
    parts
      .filter((part) => part.controlIn === null && !part.loadOnly)
      .map((part) =>
        driver.sendAll(part, part.workload.finalReads(part.context, recorder.keysOf(part.index)), 'final'),
      ),
  );
}

async function main(port: MessagePort, config: GeneratorConfig): Promise<void> {
  let startMs = 0;
  const originMs = monotonicOriginMs();
  const parts = await Promise.all(config.parts.map((part, index) => loadPart(config, part, index)));
  const recorder = new Recorder(() => startMs);
  const { timeoutMs, maxConnections } = config;
  const driver = new Driver({ parts, recorder, clock: systemClock, originMs, timeoutMs, maxConnections });
  const post = (message: FromGenerator) => port.postMessage(message);
  const report = () => {
    const { history, cells, failuresMs } = recorder.take();
    port.postMessage(
      { kind: 'progress', history, cells, failuresMs } satisfies FromGenerator,
      history.flatMap(buffersOf),
    );
  };
  const reporting = setInterval(report, reportEveryMs);
  const finish = async (atMs: number) => {
    await driver.finish(atMs);
    await readBack(driver, recorder, parts);
    clearInterval(reporting);
    report();
    driver.close();
    post({ kind: 'finished' });
    port.close();
  };
  const retarget = async (changed: Extract<ToGenerator, { kind: 'retarget' }>['parts']) => {
    for (const { part, targets } of changed) driver.retarget(part, targets);
    await driver.drained(drainPatienceMs);
    post({ kind: 'retargeted' });
  };
  // A rejection ends the thread, and the bench hears of it.
  port.on('message', async (message: ToGenerator) => {
    if (message.kind === 'prepare') post(await prepare(driver, parts));
    else if (message.kind === 'phase') driver.setPhase(message.phase, message.atMs);
    else if (message.kind === 'retarget') await retarget(message.parts);
    else if (message.kind === 'finish') await finish(message.atMs);
    else {
      startMs = message.startMs;
      driver.begin(message.startMs, message.phase);
    }
  });
  wakeOnTime();
  post({ kind: 'ready', thread: currentThread() });
}

if (parentPort !== null) await main(parentPort, workerData as GeneratorConfig);
