import { describe, expect, it } from 'vitest';
import type { FaultWindow, InvariantResult } from '../../../src/checkers/invariant.ts';
import { seededRandom } from '../../../src/random.ts';
import invariants from '../../../templates/sharded-redis/invariants.ts';
import { requirementsOf } from './requirements.ts';
import { rightStore, runStore, type StoreKind, type StoreRun } from './store-simulation.ts';

const sizing = { mode: 'store', totalMiB: 64 };

interface Demands {
  readonly rpoMs: number;
  readonly stalenessMs: number;
}

/** Verdicts by invariant, of the history alone. */
function judge({ history, fault }: StoreRun, { rpoMs, stalenessMs }: Demands): Record<string, InvariantResult> {
  const requirements = requirementsOf({
    loss: { rpoMs },
    consistency: stalenessMs === 0 ? { level: 'linearizable', stalenessMs } : { level: 'bounded', stalenessMs },
  });
  const input = {
    part: 'store',
    sizing,
    options: {},
    requirements,
    history,
    faults: [fault],
    clockSteps: [],
    probe: null,
  };
  return Object.fromEntries(invariants.check(input).map((result) => [result.id, result]));
}

const none: Demands = { rpoMs: 0, stalenessMs: 0 };
const ofHistory = ['no-lost-writes', 'no-invented-values', 'bounded-staleness', 'keys-readable'];

function eachSeed(kind: StoreKind, seeds: number, look: (run: StoreRun, seed: number) => void): void {
  for (let seed = 0; seed < seeds; seed++) look(runStore(kind, seededRandom(seed)), seed);
}

describe('the right store', () => {
  it('is accused in none of five hundred schedules with a kill, and each exercises every check', () => {
    eachSeed(rightStore, 500, (run, seed) => {
      const found = judge(run, none);
      for (const id of ofHistory) {
        expect(found[id]?.verdict, `seed ${seed}: ${id}: ${found[id]?.violations[0]}`).toBe('held');
      }
    });
  });
});

describe('acknowledgement before replication', () => {
  const mutant: StoreKind = { ...rightStore, acknowledge: 'before-replication' };

  it('is caught in nearly every schedule in which the failover lost something, and in no other', () => {
    let losing = 0;
    let caught = 0;
    eachSeed(mutant, 600, (run, seed) => {
      const { verdict, violations } = judge(run, none)['no-lost-writes']!;
      if (run.lostByFailover > 0) losing += 1;
      if (verdict !== 'violated') return;
      caught += 1;
      expect(run.lostByFailover, `seed ${seed}: ${violations[0]}`).toBeGreaterThan(0);
    });
    expect(losing).toBeGreaterThan(500);
    expect(caught / losing).toBeGreaterThan(0.8);
  });

  it('is right where so much loss was declared, and the report counts it', () => {
    let declared = 0;
    eachSeed(mutant, 300, (run, seed) => {
      const { verdict, violations, note } = judge(run, { ...none, rpoMs: run.longestLagMs + 50 })['no-lost-writes']!;
      expect(verdict, `seed ${seed}: ${violations[0]}`).toBe('held');
      declared += Number(/and (?<count>\d+) more within/.exec(note)?.groups?.count);
    });
    expect(declared).toBeGreaterThan(200);
  });
});

describe('other mutants', () => {
  it('a store that forgets one write in ten', () => {
    eachSeed({ ...rightStore, forgottenShare: 0.1 }, 100, (run) => {
      // A later write may hide one that was forgotten from the final read, but not from the reads in between.
      const found = judge(run, none);
      expect([found['no-lost-writes']?.verdict, found['bounded-staleness']?.verdict]).toContain('violated');
    });
  });

  it('reads from a replica that lags', () => {
    eachSeed({ ...rightStore, acknowledge: 'before-replication', readFrom: 'replica' }, 100, (run) => {
      expect(judge(run, none)['bounded-staleness']?.verdict).toBe('violated');
    });
  });

  it('values that are cut short', () => {
    eachSeed({ ...rightStore, cutShare: 0.05 }, 100, (run) => {
      expect(judge(run, none)['no-invented-values']?.verdict).toBe('violated');
    });
  });
});

describe('what may be lost', () => {
  const common = { part: 'store', key: 'k', phase: 'steady', outcome: 'ok' } as const;
  const write = (value: number, sentMs: number) =>
    ({ ...common, operation: 'write', value, result: value, sentMs, answeredMs: sentMs + 1 }) as const;
  const atEnd = (result: number) =>
    ({ ...common, operation: 'read', phase: 'final', value: 0, result, sentMs: 90_000, answeredMs: 90_001 }) as const;
  const kill: FaultWindow = {
    kind: 'kill',
    instance: 'store-redis-0',
    set: 'store-redis',
    part: 'store',
    startMs: 10_000,
    healedMs: 15_000,
    hit: true,
  };
  /** Whether the write at that moment may be gone at the end. */
  const mayLose = (atMs: number, rpoMs: number, fault: FaultWindow = kill) => {
    const history = [write(1, 0), write(2, atMs), atEnd(1)];
    const run = { history, fault, lostByFailover: 0, longestLagMs: 0 };
    return judge(run, { rpoMs, stalenessMs: 0 })['no-lost-writes']?.verdict === 'held';
  };
  const pause: FaultWindow = { ...kill, kind: 'pause' };

  it.each<[string, boolean, number, number, FaultWindow]>([
    ['the last second before a kill, where so much was declared', true, 9100, 1000, kill],
    ['what was older', false, 8900, 1000, kill],
    ['what was acknowledged while the kill took effect', true, 10_100, 1000, kill],
    ['what the new primary acknowledged', false, 12_000, 1000, kill],
    ['what was acknowledged after the heal', false, 15_500, 1000, kill],
    ['nothing where nothing was declared, not even while the kill took effect', false, 10_100, 0, kill],
    ['the last second before a pause', true, 9100, 1000, pause],
    ['what the old primary acknowledged when it woke', true, 15_900, 1000, pause],
    ['what was acknowledged during the pause', false, 12_000, 1000, pause],
    ['nothing for a fault that did not hit', false, 9100, 1000, { ...kill, hit: false }],
    ['nothing for a fault of another set', false, 9100, 1000, { ...kill, set: 'store-api' }],
  ])('%s', (_, may, atMs, rpoMs, fault) => {
    expect(mayLose(atMs, rpoMs, fault)).toBe(may);
  });

  const cut: FaultWindow = { ...kill, kind: 'partition' };
  it.each<[string, boolean, number, FaultWindow]>([
    ['what a primary acknowledged before it knew that it was alone', true, 10_900, cut],
    ['nothing of the rest of the partition', false, 12_000, cut],
    ['nothing for a latency', false, 9900, { ...kill, kind: 'latency' }],
    ['nothing for a reset', false, 9900, { ...kill, kind: 'reset' }],
    ['nothing for half-open connections', false, 9900, { ...kill, kind: 'half-open' }],
    ['nothing for a restart', false, 9900, { ...kill, kind: 'restart' }],
    ['nothing for another size', false, 9900, { ...kill, kind: 'scale', set: '' }],
    ['nothing for a clock that was stepped', false, 9900, { ...kill, kind: 'clock' }],
  ])('%s', (_, may, atMs, fault) => {
    expect(mayLose(atMs, 1000, fault)).toBe(may);
  });

  // CLUSTER KEYSLOT k = 7629.
  it.each<[string, boolean, FaultWindow['scope']]>([
    [
      'keys of the shard that was hit',
      true,
      {
        slots: [
          [0, 10],
          [7629, 7629],
        ],
      },
    ],
    ['no key of another shard', false, { slots: [[0, 7628]] }],
    ['any key where nobody knows the shard', true, null],
  ])('%s', (_, may, scope) => {
    expect(mayLose(9100, 1000, { ...kill, scope: scope as never })).toBe(may);
  });

  it('more where two members of one shard were away at once, and only of that', () => {
    const verdict = (scope: unknown, instance = 'store-redis-3', startMs = 11_000) => {
      const one = { ...kill, scope: { slots: [[7000, 8000]] } } as FaultWindow;
      const other = { ...kill, instance, startMs, healedMs: startMs + 2000, scope } as FaultWindow;
      const history = [write(1, 0), write(2, 12_500), atEnd(1)];
      const requirements = requirementsOf({ loss: { rpoMs: 0 } });
      const input = {
        part: 'store',
        options: {},
        requirements,
        faults: [one, other],
        clockSteps: [],
        probe: null,
        sizing,
        history,
      };
      return invariants.check(input).find(({ id }) => id === 'no-lost-writes')?.verdict;
    };
    expect(verdict({ slots: [[7000, 8000]] })).toBe('held');
    expect(verdict({ slots: [[8001, 9000]] })).toBe('violated');
    expect(verdict({ slots: [[7000, 8000]] }, kill.instance)).toBe('violated');
    expect(verdict({ slots: [[7000, 8000]] }, 'store-redis-3', 80_000)).toBe('violated');
  });

  it('is said with its moments', () => {
    const history = [write(1, 0), write(2, 100), write(3, 8900), atEnd(1)];
    const run = { history, fault: kill, lostByFailover: 0, longestLagMs: 0 };
    expect(judge(run, none)['no-lost-writes']).toMatchObject({
      violationCount: 2,
      violations: [
        'key k returned version 1 at the end, but version 3 and 1 others since 8800 ms before had been acknowledged, ' +
          '8901 ms into the run (1099 ms before the kill of store-redis-0)',
      ],
    });
  });

  it('is everything in a cache, as long as it is gone and not old', () => {
    const input = {
      part: 'store',
      options: {},
      requirements: requirementsOf(),
      faults: [],
      clockSteps: [],
      probe: null,
    };
    const verdict = (read: number) =>
      invariants
        .check({ ...input, sizing: { ...sizing, mode: 'cache' }, history: [write(1, 0), write(2, 100), atEnd(read)] })
        .find(({ id }) => id === 'no-lost-writes')?.verdict;
    expect([verdict(0), verdict(1), verdict(2)]).toEqual(['held', 'violated', 'held']);
  });
});
