/** The load generator, its threads and all, against servers in processes of their own. */

import { afterEach, describe, expect, it } from 'vitest';
import type { LoadPlan, LoadResult } from '../../src/bench/load.ts';
import type { Phase } from '../../src/checkers/history.ts';
import { sharedNowMs, systemClock } from '../../src/clock.ts';
import {
  compiled,
  deps,
  faultRecord,
  loadPlan,
  part,
  type Server,
  startServer,
  stopServers,
} from '../fixtures/bench-servers.ts';

const { runLoad } = await compiled<typeof import('../../src/bench/load.ts')>('src/bench/load');
const { total } = await compiled<typeof import('../../src/bench/results/figures.ts')>('src/bench/results/figures');
const unprepared = new URL('../fixtures/bench-pattern/unprepared.js', import.meta.url).href;
const nowMs = () => sharedNowMs(systemClock);
const inPhase = (result: LoadResult, phase: Phase) => total(result.cells.filter((cell) => cell.phase === phase));
const sumOf = (result: LoadResult) => total(result.cells);

afterEach(stopServers);

/** Stops the server for a second. */
function stall(server: Server): LoadPlan['faults'][number] {
  return {
    name: 'pause:store.instance',
    async run() {
      const startMs = nowMs();
      await server.pause();
      await systemClock.sleep(1000);
      server.resume();
      return [faultRecord(startMs, nowMs())];
    },
  };
}

describe('counting', () => {
  it('agrees with the server, the history and the pacer', async () => {
    const server = await startServer();
    const result = await runLoad(loadPlan([part([server], { rate: 500 })], { workers: 2 }), deps());
    const counts = await server.counts();
    const history = result.history.of(0, 'store');
    const sent = sumOf(result);
    expect(sent).toMatchObject({ failed: 0, dropped: 0, offered: counts.get + counts.put });
    expect(history).toHaveLength(counts.get + counts.put);
    expect(history.filter(({ operation }) => operation === 'put')).toHaveLength(counts.put);
    const steady = result.spans.find(({ phase }) => phase === 'steady')!;
    // Constant arrivals: exact but for the arrivals at the two edges.
    expect(Math.abs(inPhase(result, 'steady').offered - (steady.endMs - steady.startMs) / 2)).toBeLessThanOrEqual(4);
    expect(result.series.of('store').sent.reduce((a, b) => a + b, 0)).toBe(
      inPhase(result, 'warmup').sent + inPhase(result, 'steady').sent,
    );
  });

  it('passes phases in order, and reads back every key in the end', async () => {
    const server = await startServer();
    const result = await runLoad(
      loadPlan([part([server], { keys: 20 })], { workers: 2, faults: [stall(server)] }),
      deps(),
    );
    expect(result.spans.map(({ phase }) => phase)).toEqual([
      'prepare',
      'warmup',
      'steady',
      'fault',
      'recover',
      'final',
    ]);
    for (let i = 1; i < result.spans.length; i++) expect(result.spans[i]!.startMs).toBe(result.spans[i - 1]!.endMs);
    const history = result.history.of(0, 'store');
    const last = new Map<string, number>();
    for (const { key, operation, value } of history) {
      if (operation === 'put') last.set(key, Math.max(value, last.get(key) ?? 0));
    }
    const read = new Map(
      history.filter(({ phase }) => phase === 'final').map(({ key, result: found }) => [key, found]),
    );
    expect(last.size).toBe(42);
    for (const [key, value] of last) expect(read.get(key), key).toBe(value);
    const writers = new Map<string, Set<string>>();
    for (const { key } of history) writers.set(key, (writers.get(key) ?? new Set()).add(key.slice(0, 2)));
    expect([...writers.values()].every((found) => found.size === 1)).toBe(true);
  });

  it('sends the same for the same seed', async () => {
    const runs = [];
    for (const seed of [5, 5, 6]) {
      const server = await startServer();
      const plan = loadPlan([part([server])], { seed, arrivals: 'poisson', steadyMs: 400 });
      const history = (await runLoad(plan, deps())).history.of(0, 'store');
      const puts = history.filter(({ operation, phase }) => operation === 'put' && phase !== 'prepare');
      runs.push(
        puts
          .sort((a, b) => a.value - b.value)
          .slice(0, 25)
          .map(({ key, value }) => `${value} ${key}`),
      );
    }
    expect(runs[0]).toHaveLength(25);
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).not.toEqual(runs[0]);
  });
});

describe('instances that come and go', () => {
  it('get load from when they are there, and none once they leave', async () => {
    const [first, second, third] = [await startServer(), await startServer(), await startServer()];
    const at = ({ port }: Server) => ({ host: '127.0.0.1', port });
    const grow: LoadPlan['faults'][number] = {
      name: 'scale:store.instances',
      async run(_, retarget) {
        const startMs = nowMs();
        await retarget({ store: [first, second, third].map(at) });
        await systemClock.sleep(600);
        await retarget({ store: [second, third].map(at) });
        const before = await first.counts();
        await systemClock.sleep(600);
        expect(await first.counts()).toEqual(before);
        await first.kill();
        return [faultRecord(startMs, nowMs())];
      },
    };
    const load = loadPlan([part([first, second], { rate: 300 })], { workers: 2, faults: [grow] });
    const result = await runLoad(load, deps());
    expect(sumOf(result)).toMatchObject({ failed: 0, dropped: 0 });
    const { get, put } = await third.counts();
    // A third, then a half, of the load of the phases in which it was there.
    const offered = total(result.cells.filter(({ phase }) => phase === 'fault' || phase === 'recover')).offered;
    expect(get + put).toBeGreaterThan(offered / 4);
  });
});

describe('a stall of the server', () => {
  const median = (sorted: readonly number[]) => sorted[Math.floor(sorted.length / 2)] ?? 0;
  /** Of the requests meant for the stalled second, half waited longer than half of it. */
  const showsStall = (medianMs: number) => medianMs > 300;

  it('shows in the latency, because that counts from the intended time', async () => {
    const server = await startServer();
    const result = await runLoad(loadPlan([part([server])], { faults: [stall(server)] }), deps());
    const fault = inPhase(result, 'fault');
    expect(fault.offered).toBeGreaterThan(150);
    expect(showsStall(fault.latency.quantileMs(0.5) ?? 0)).toBe(true);
    expect(fault.latency.maxMs).toBeGreaterThan(900);
    expect(fault).toMatchObject({ failed: 0, dropped: 0 });
    expect(result.faults[0]?.recoveredMs).toBe(0);
  });

  it('shows as well when a single connection must carry all', async () => {
    const server = await startServer();
    const plan = loadPlan([part([server])], { faults: [stall(server)], maxConnections: 1 });
    const result = await runLoad(plan, deps());
    const fault = inPhase(result, 'fault');
    expect(showsStall(fault.latency.quantileMs(0.5) ?? 0)).toBe(true);
    expect(fault.late).toBeGreaterThan(fault.offered / 2);
    // The same run as a closed loop would time it, each request from its sending: the assertion catches that.
    const closed = result.history
      .of(0, 'store')
      .filter(({ phase, answeredMs }) => phase === 'fault' && answeredMs !== null)
      .map(({ sentMs, answeredMs }) => answeredMs! - sentMs)
      .sort((a, b) => a - b);
    expect(closed).toHaveLength(fault.correct);
    expect(showsStall(median(closed))).toBe(false);
  });
});

describe('what goes wrong', () => {
  it('is dropped when no connection is free in time, and never sent', async () => {
    const server = await startServer();
    const plan = loadPlan([part([server])], { faults: [stall(server)], maxConnections: 2, timeoutMs: 300 });
    const result = await runLoad(plan, deps());
    const fault = inPhase(result, 'fault');
    expect(fault.dropped).toBeGreaterThan(50);
    expect(fault.byStatus.timeout).toBeGreaterThan(0);
    expect(fault.offered).toBe(fault.sent + fault.dropped);
    const all = sumOf(result);
    expect(result.history.of(0, 'store')).toHaveLength(all.sent);
    expect(result.faults[0]?.recoveredMs).toBeGreaterThan(500);
  });

  it.each([
    ['status', 'malformed'],
    ['length', 'malformed'],
    ['chunk', 'malformed'],
    ['short', 'lost'],
    ['nothing', 'lost'],
  ])('counts a malformed answer as failed: %s', async (mode, status) => {
    const server = await startServer();
    const broken = { ...part([server], { prefix: `/raw/${mode}/` }), workloadUrl: unprepared };
    const result = await runLoad(loadPlan([broken], { steadyMs: 300 }), deps());
    const steady = inPhase(result, 'steady');
    expect(steady.sent).toBeGreaterThan(20);
    expect(steady).toMatchObject({ correct: 0, failed: steady.sent, byStatus: { [status]: steady.sent } });
    expect(steady.latency.count).toBe(0);
  });

  it('is nothing when a thread has ended before the bench, woken late, asks for its result', async () => {
    const server = await startServer();
    const quick = { ...part([server], { prefix: '/raw/status/' }), workloadUrl: unprepared };
    const late = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms + 700, signal) };
    const result = await runLoad(loadPlan([quick], { steadyMs: 300 }), { ...deps(), clock: late });
    expect(inPhase(result, 'steady').sent).toBeGreaterThan(20);
  });

  it('ends the run before the load when it happens to the preparation', async () => {
    const server = await startServer();
    const broken = part([server], { prefix: '/raw/status/' });
    await expect(runLoad(loadPlan([broken]), deps())).rejects.toMatchObject({ code: 'bench.prepare', exitCode: 1 });
    expect(await server.counts()).toEqual({ get: 0, put: 0, raw: 5 });
  });

  it('is nothing when the server closes after each answer', async () => {
    const server = await startServer();
    const result = await runLoad(loadPlan([part([server], { prefix: '/close/' })]), deps());
    expect(sumOf(result)).toMatchObject({ failed: 0, dropped: 0 });
  });

  it('spares the other instance when one is killed', async () => {
    const [first, second] = [await startServer(), await startServer()];
    const kill = {
      name: 'kill:store.instance',
      async run() {
        const startMs = nowMs();
        await first.kill();
        await systemClock.sleep(1000);
        return [{ ...faultRecord(startMs, nowMs()), kind: 'kill' as const }];
      },
    };
    const result = await runLoad(loadPlan([part([first, second])], { faults: [kill] }), deps());
    const fault = inPhase(result, 'fault');
    expect(fault.offered).toBeGreaterThan(150);
    // What was in flight is lost; nothing that the dead one refuses is.
    expect(fault.byStatus.refused ?? 0).toBe(0);
    expect(fault.correct / fault.offered).toBeGreaterThan(0.9);
    expect(result.faults[0]?.recoveredMs).toBeLessThan(900);
  });

  it('is refused, certainly without effect, when nobody listens', async () => {
    const server = await startServer();
    const kill = {
      name: 'kill:store.instance',
      async run() {
        const startMs = nowMs();
        await server.kill();
        await systemClock.sleep(500);
        return [{ ...faultRecord(startMs, nowMs()), kind: 'kill' as const }];
      },
    };
    const plan = loadPlan([part([server])], { faults: [kill], recover: { quietMs: 500, maxMs: 1000 } });
    const result = await runLoad(plan, deps());
    const recover = inPhase(result, 'recover');
    expect(recover.byStatus).toEqual({ refused: recover.sent });
    expect(result.faults[0]?.recoveredMs).toBeNull();
    const refused = result.history.of(0, 'store').filter(({ phase }) => phase === 'recover');
    expect(new Set(refused.map(({ outcome, answeredMs }) => `${outcome} ${answeredMs}`))).toEqual(
      new Set(['fail null']),
    );
  });
});

describe('an interruption', () => {
  it('ends every thread, and the load with it', async () => {
    const server = await startServer();
    const controller = new AbortController();
    const running = runLoad(loadPlan([part([server])], { workers: 2, steadyMs: 60_000 }), deps(controller.signal));
    await systemClock.sleep(1200);
    expect((await server.counts()).get).toBeGreaterThan(10);
    controller.abort(new Error('stop'));
    await expect(running).rejects.toThrow();
    const before = await server.counts();
    await systemClock.sleep(300);
    expect(await server.counts()).toEqual(before);
  });

  it('waits for a fault to heal', async () => {
    const server = await startServer();
    const controller = new AbortController();
    let healed = false;
    const fault = {
      name: 'pause:store.instance',
      async run(signal: AbortSignal) {
        await systemClock.sleep(60_000, signal).catch(() => {});
        await systemClock.sleep(200);
        healed = true;
        signal.throwIfAborted();
        return [faultRecord(0, 0)];
      },
    };
    const running = runLoad(loadPlan([part([server])], { faults: [fault] }), deps(controller.signal));
    await systemClock.sleep(2500);
    controller.abort(new Error('stop'));
    await expect(running).rejects.toThrow('stop');
    expect(healed).toBe(true);
  });
});
