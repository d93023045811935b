/** Measurements as a run leaves them, for the tests of what is made of them. */

import { Hdr } from '../../../src/bench/generator/hdr.ts';
import type { FaultRecord, Report } from '../../../src/bench/report.ts';
import type { Cell } from '../../../src/bench/results/figures.ts';
import type { ChecksInput } from '../../../src/bench/verdict/checks.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';

export const requirements: Requirements = {
  schemaVersion: 1,
  name: 'shop',
  needs: [],
  rate: { readPerSecond: exactly(80), writePerSecond: exactly(20), peakFactor: exactly(2) },
  data: { payloadBytes: exactly(100), totalMiB: exactly(1) },
  latency: { p99Ms: 20 },
  consistency: { level: 'eventual', stalenessMs: 1000 },
  availability: { target: 0.999, recoveryMs: 10_000 },
  loss: { rpoMs: 1000 },
  cost: { usdPerMonth: 1000 },
  operations: { effort: 'low' },
  options: {},
  slo: {},
};

/** `count` correct answers of `latencyMs` each, then what `changes` says. */
export function cell(count: number, latencyMs: number, changes: Partial<Cell> = {}): Cell {
  const latency = new Hdr();
  for (let i = 0; i < count; i++) latency.record(latencyMs);
  const counts = { offered: count, sent: count, correct: count, failed: 0, late: 0, behind: 0, dropped: 0 };
  return {
    part: 'store',
    operation: 'get',
    phase: 'steady',
    ...counts,
    byStatus: { 200: count },
    latency,
    lag: new Hdr(),
    ...changes,
  };
}

export const fault: FaultRecord = {
  kind: 'kill',
  fault: 'kill:store.primary',
  instance: 'store-redis-0',
  set: 'store-redis',
  part: 'store',
  startMs: 1_800_000_030_000,
  healedMs: 1_800_000_043_000,
  hit: true,
  witness: 'pid 4711 gone after 3 ms',
  recoveredMs: 4200,
};

/** Ten seconds of steady load of one part, and nothing wrong. */
export function checksInput(changes: Partial<ChecksInput> = {}): ChecksInput {
  return {
    cells: [cell(5000, 5)],
    spans: [{ phase: 'steady', startMs: 0, endMs: 10_000 }],
    faults: [],
    control: null,
    foreignCpuShare: 0.02,
    parts: ['store'],
    requirements,
    thresholds: [],
    scale: 1,
    ...changes,
  };
}

export const invariant: Report['invariants'][number] = {
  part: 'store',
  id: 'acked-writes',
  title: 'Acknowledged writes are kept',
  verdict: 'held',
  checked: 100,
  violations: [],
  violationCount: 0,
  note: '',
};

export const hotShards: NonNullable<Report['shards']>[number] = {
  part: 'store',
  verdict: 'hot',
  because: 'store-redis-0: the busiest of 2 shards had 90 % of the requests',
  requests: 1000,
  evenShare: 0.5,
  plannedShare: 0.52,
  hotShare: 0.65,
  shards: [
    { instance: 'store-redis-0', requests: 900, share: 0.9, cpuShare: 0.85, verdict: 'hot' },
    { instance: 'store-redis-1', requests: 100, share: 0.1, cpuShare: null, verdict: 'even' },
  ],
  hottestKeys: [{ part: 'store', key: 'bench-0', shard: 'store-redis-0', requests: 800, share: 0.8 }],
  hotKey: {
    share: 0.8,
    exponent: 2.6,
    busiestLoad: 0.9,
    usdPerMonth: null,
    remedies: [
      {
        name: 'local cache',
        how: 'each instance keeps the hottest key',
        risk: 'reads may be older',
        busiestLoad: 0.2,
        usdPerMonth: 300,
        addsUsdPerMonth: 0,
      },
    ],
    rejected: [{ option: 'replica reads', reason: 'too old', bottleneck: 'consistency.level', numbers: { lagMs: 1 } }],
  },
};

export function report(changes: Partial<Report> = {}): Report {
  return {
    schemaVersion: 1,
    dspVersion: '0.1.0',
    name: 'shop',
    target: 'local',
    scale: 1,
    seed: 7,
    replay: 'dsp bench --seed 7',
    startedAt: '2027-01-15T08:00:00.123Z',
    durationMs: 61_234,
    verdict: 'pass',
    reasons: [],
    checks: [
      {
        name: 'http_req_duration{part:store,phase:steady}: p(99)<20',
        from: 'latency.p99Ms',
        verdict: 'pass',
        measured: 5.003,
        bound: 20,
        unit: 'ms',
        note: '5000 samples',
      },
    ],
    invariants: [invariant],
    faults: [fault],
    figures: [
      {
        part: 'store',
        phase: 'steady',
        durationMs: 10_000,
        offeredPerSecond: 500,
        achievedPerSecond: 500,
        sent: 5000,
        correct: 5000,
        failed: 0,
        late: 3,
        behind: 0,
        lagP99Ms: 0.1,
        dropped: 0,
        byStatus: { 200: 5000 },
        latency: { count: 5000, minMs: 1, meanMs: 2, p50Ms: 2, p90Ms: 3, p95Ms: 4, p99Ms: 5.003, p999Ms: 7, maxMs: 9 },
      },
    ],
    series: [
      {
        part: 'store',
        second: [0, 1, 2],
        sent: [500, 501, 499],
        failed: [0, 2, 0],
        p50Ms: [2, null, 2],
        p99Ms: [5, null, 5],
      },
    ],
    curves: [
      {
        part: 'store',
        points: [
          [0, 1],
          [0.5, 2],
          [0.99, 5.003],
        ],
      },
    ],
    machine: { cpus: 2, model: 'A <fast> CPU', memoryMiB: 4096, node: '20.19.4', foreignCpuShare: 0.02 },
    ...changes,
  };
}
