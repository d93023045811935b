import { describe, expect, it } from 'vitest';
import type { InvariantResult } from '../../../src/checkers/invariant.ts';
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
  const input = { part: 'store', sizing, options: {}, requirements, history, faults: [fault], probe: null };
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
    eachSeed({ ...rightStore, cutShare: 0.02 }, 100, (run) => {
      expect(judge(run, none)['no-invented-values']?.verdict).toBe('violated');
    });
  });
});
