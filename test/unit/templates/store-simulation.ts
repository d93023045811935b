/**
 * A primary and its replica in simulation, under the bench's own workload: writes replicate in order and with a delay,
 * the primary is killed, the replica takes over.
 */

import type { WorkloadContext, WorkloadRequest, WorkloadResponse } from '../../../src/bench/generator/workload.ts';
import type { HistoryEntry, Phase } from '../../../src/checkers/history.ts';
import type { FaultWindow } from '../../../src/checkers/invariant.ts';
import type { Random } from '../../../src/random.ts';
import { exactly } from '../../../src/requirements/requirements.ts';
import workload from '../../../templates/sharded-redis/workload.ts';
import { requirementsOf } from './requirements.ts';
import { type Simulation, simulation } from './simulation.ts';

export interface StoreKind {
  /** When a write is acknowledged. */
  readonly acknowledge: 'before-replication' | 'after-replication';
  readonly readFrom: 'primary' | 'replica';
  /** Share of the writes that are acknowledged and never stored. */
  readonly forgottenShare: number;
  /** Share of the values that are cut short on the way out. */
  readonly cutShare: number;
}

export const rightStore: StoreKind = {
  acknowledge: 'after-replication',
  readFrom: 'primary',
  forgottenShare: 0,
  cutShare: 0,
};

export interface StoreRun {
  readonly history: readonly HistoryEntry[];
  readonly fault: FaultWindow;
  /** Acknowledged writes that the replica did not have when it took over: what is lost, known from inside. */
  readonly lostByFailover: number;
  readonly longestLagMs: number;
}

const loadMs = 400;
const failoverMs = 40;
const networkMs = 0.4;
const timeoutMs = 25;
const lagMs = 6;
const meanGapMs = 1;

/** A map of the values, written and read through HTTP-like requests. `answer` is not called when nobody answers. */
class Store {
  readonly #kind: StoreKind;
  readonly #time: Simulation;
  readonly #random: Random;
  readonly #primary = new Map<string, string>();
  readonly #replica = new Map<string, string>();
  /** Texts that the primary has acknowledged and the replica does not have. */
  readonly #atRisk = new Set<string>();
  #state: 'primary serves' | 'nobody serves' | 'replica serves' = 'primary serves';
  #replicatedAtMs = 0;
  lostByFailover = 0;
  longestLagMs = 0;

  constructor(kind: StoreKind, time: Simulation, random: Random) {
    this.#kind = kind;
    this.#time = time;
    this.#random = random;
  }

  killPrimary(): void {
    this.#state = 'nobody serves';
    this.#time.after(failoverMs, () => {
      this.#state = 'replica serves';
      this.lostByFailover = this.#atRisk.size;
    });
  }

  handle(request: WorkloadRequest, answer: (response: WorkloadResponse) => void): void {
    if (this.#state === 'nobody serves') return;
    if (request.method === 'PUT') this.#write(request.path, request.body ?? '', () => answer(respond(204, '')));
    else answer(this.#read(request.path));
  }

  #read(path: string): WorkloadResponse {
    const stale = this.#kind.readFrom === 'replica' || this.#state === 'replica serves';
    const text = (stale ? this.#replica : this.#primary).get(path);
    if (text === undefined) return respond(404, '');
    return respond(200, this.#random.next() < this.#kind.cutShare ? text.slice(0, -1) : text);
  }

  #write(path: string, text: string, acknowledge: () => void): void {
    if (this.#random.next() < this.#kind.forgottenShare) {
      acknowledge();
      return;
    }
    if (this.#state === 'replica serves') {
      this.#replica.set(path, text);
      acknowledge();
      return;
    }
    this.#primary.set(path, text);
    const early = this.#kind.acknowledge === 'before-replication';
    if (early) {
      this.#atRisk.add(text);
      acknowledge();
    }
    const writtenMs = this.#time.nowMs;
    this.#replicatedAtMs = Math.max(this.#replicatedAtMs, writtenMs + this.#random.exponential(lagMs));
    this.#time.after(this.#replicatedAtMs - writtenMs, () => {
      if (this.#state !== 'primary serves') return;
      this.#replica.set(path, text);
      this.#atRisk.delete(text);
      this.longestLagMs = Math.max(this.longestLagMs, this.#time.nowMs - writtenMs);
      if (!early) acknowledge();
    });
  }
}

function respond(status: number, body: string): WorkloadResponse {
  return { status, headers: {}, body };
}

/** About sixty keys, so that each is written a few times. */
function contextOf(seed: number): WorkloadContext {
  const data = { payloadBytes: exactly(64), totalMiB: exactly(0.01) };
  return {
    part: 'store',
    sizing: { mode: 'store', totalMiB: data.totalMiB.mid },
    options: {},
    requirements: requirementsOf({ data }),
    offeredLoad: { read: 500, write: 500 },
    seed,
    workerIndex: 0,
    workerCount: 1,
  };
}

/** Fills the store, loads it, kills the primary in the middle, and reads everything back. */
export function runStore(kind: StoreKind, random: Random): StoreRun {
  const time = simulation();
  const store = new Store(kind, time, random.fork('store'));
  const context = contextOf(random.integer(1000));
  const run = workload.create(context);
  const history: HistoryEntry[] = [];

  const send = (request: WorkloadRequest, phase: Phase): void => {
    const { operation, key, value } = request;
    const sentMs = time.nowMs;
    let open = true;
    const end = (response: WorkloadResponse | null): void => {
      if (!open) return;
      open = false;
      const { outcome, result } = run.judge(request, response);
      const answeredMs = response === null ? null : time.nowMs;
      history.push({ part: 'store', operation, key, value, sentMs, answeredMs, outcome, result, phase });
    };
    time.after(random.exponential(networkMs), () =>
      store.handle(request, (response) => time.after(random.exponential(networkMs), () => end(response))),
    );
    time.after(timeoutMs, () => end(null));
  };

  for (const request of workload.prepare?.(context) ?? []) send(request, 'prepare');
  const startMs = 200;
  for (let atMs = startMs; atMs < startMs + loadMs; atMs += random.exponential(meanGapMs)) {
    time.after(atMs, () => send(run.next(random.next() < 0.5 ? 'read' : 'write', random), 'steady'));
  }
  const killMs = startMs + loadMs * (0.3 + 0.5 * random.next());
  time.after(killMs, () => store.killPrimary());
  time.after(startMs + loadMs + 100, () => {
    const keys = [...new Set(history.map(({ key }) => key))];
    for (const request of workload.finalReads(context, keys)) send(request, 'final');
  });
  time.run();
  history.sort((a, b) => a.sentMs - b.sentMs);
  const instance = { instance: 'store-redis-0', set: 'store-redis', part: 'store' };
  const fault = { kind: 'kill', ...instance, startMs: killMs, healedMs: killMs + 100, hit: true } as const;
  return { history, fault, lostByFailover: store.lostByFailover, longestLagMs: store.longestLagMs };
}
