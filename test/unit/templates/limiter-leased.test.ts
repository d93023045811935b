import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../src/checkers/history.ts';
import type { CheckInput, FaultWindow, InvariantResult } from '../../../src/checkers/invariant.ts';
import { seededRandom } from '../../../src/random.ts';
import invariants from '../../../templates/rate-limiter/invariants.ts';
import { ruling } from '../../../templates/rate-limiter/ruling.ts';
import { type Leasing, leasedLimiter } from './limiter-leased-simulation.ts';
import { type Hammering, hammer, type MakeLimiter } from './limiter-simulation.ts';
import { requirementsOf } from './requirements.ts';

const policy = { name: 'default', limit: 400, periodMs: 1000, burst: 24 };
const hammering: Hammering = {
  bucket: { ratePerMs: policy.limit / policy.periodMs, burst: policy.burst },
  checks: 500,
  everyMs: 0.3,
  delayMs: 0.5,
  lostShare: 0.02,
};
const leasing: Leasing = {
  instances: 3,
  terms: { chunk: 4, leaseMs: 20, pollMs: 5 },
  delayMs: 0.5,
  lostShare: 0,
  deathMs: Number.POSITIVE_INFINITY,
};
/** Leases that outlast a visit, so that a caller who comes back finds a full bucket and what is held besides. */
const patient: Leasing = { ...leasing, terms: { ...leasing.terms, leaseMs: 1000 } };
/** A caller who asks a little, pauses until the bucket is full again, and then asks for all there is. */
const ebbAndFlow = (check: number): number => (check % 90 < 30 ? 2.5 : check % 90 === 30 ? 100 : 0.05);
const rough: Leasing = { ...leasing, lostShare: 0.05, deathMs: 30 };

function judge(
  history: readonly HistoryEntry[],
  leaseChunk = leasing.terms.chunk,
  { instances = leasing.instances, faults = [] as readonly FaultWindow[] } = {},
): readonly InvariantResult[] {
  const sizing = { policy, instances, leaseChunk };
  const common = { part: 'limiter', options: {}, requirements: requirementsOf(), faults, clockSteps: [], probe: null };
  return invariants.check({ ...common, sizing, history } satisfies CheckInput);
}

const runOf = (over: Leasing, seed: number, told?: { calls: number }) =>
  hammer(leasedLimiter(over, told), { ...hammering, checks: 700 }, seededRandom(seed));
const ebbing = (over: Leasing, seed: number) =>
  hammer(leasedLimiter(over), { ...hammering, gapMs: ebbAndFlow, checks: 450, lostShare: 0 }, seededRandom(seed));
const violated = (over: Leasing, seeds: number, leaseChunk?: number) =>
  Array.from({ length: seeds }, (_, seed) => judge(ebbing(over, seed), leaseChunk)[0]!).filter(
    ({ verdict }) => verdict === 'violated',
  ).length;

describe('instances that lease', () => {
  it('admit no window more than instances × chunk beyond its limit, in fifteen hundred schedules', () => {
    for (let seed = 0; seed < 1500; seed++) {
      const history = (seed % 2 === 0 ? runOf : ebbing)([leasing, patient, rough][seed % 3]!, seed);
      const [over] = judge(history);
      expect(over?.verdict, `seed ${seed}: ${over?.violations[0]}`).toBe('held');
    }
  });

  it('do use what they are allowed: without the slack they would be accused', () => {
    expect(violated(patient, 200, 0)).toBeGreaterThan(150);
  });

  it('are allowed what more of them lease while there are more, and no longer', () => {
    const grownUntil = (healedMs: number): FaultWindow => ({
      kind: 'scale',
      instance: 'limiter',
      set: '',
      part: 'limiter',
      startMs: 0,
      healedMs,
      hit: true,
      sizing: { policy, instances: leasing.instances, leaseChunk: leasing.terms.chunk },
    });
    const { recoveryMs } = requirementsOf().availability;
    const verdicts = (healedMs: number) =>
      Array.from({ length: 200 }, (_, seed) => {
        const history = ebbing(patient, seed);
        return judge(history, undefined, { instances: 1, faults: [grownUntil(healedMs)] });
      });
    for (const [over, wrong] of verdicts(60_000)) {
      expect(over?.verdict, over?.violations[0]).toBe('held');
      expect(over?.note).toContain(`${2 * leasing.terms.chunk} more leased by instances that were added for a time`);
      expect(wrong?.verdict, wrong?.violations[0]).toBe('held');
    }
    expect(verdicts(-recoveryMs - 1).filter(([over]) => over?.verdict === 'violated').length).toBeGreaterThan(50);
  });

  it('refuse nobody who is below the limit by more than what they hold, in five hundred schedules', () => {
    for (let seed = 0; seed < 500; seed++) {
      const [, wrong] = judge((seed % 3 === 0 ? ebbing : runOf)(seed % 2 === 0 ? leasing : patient, seed));
      expect(wrong?.verdict, `seed ${seed}: ${wrong?.violations[0]}`).toBe('held');
    }
  });

  it('admit nearly all that the limit allows, whatever is lost on the way', () => {
    let [admitted, most] = [0, 0];
    for (let seed = 0; seed < 100; seed++) {
      const hot = runOf(leasing, seed).filter(({ key }) => key === 'hot');
      const lastMs = Math.max(...hot.map(({ sentMs }) => sentMs));
      const asked = hot.reduce((sum, { value }) => sum + value, 0);
      most += Math.min(asked, policy.burst + hammering.bucket.ratePerMs * lastMs);
      for (const { result, value } of hot) if (result === ruling.admitted) admitted += value;
    }
    expect(admitted / most).toBeGreaterThan(0.85);
  });

  it('ask the store far less often than they decide', () => {
    const told = { calls: 0 };
    const busy = { ...leasing, terms: { chunk: 100, leaseMs: 100, pollMs: 20 } };
    const bucket = { ratePerMs: 50, burst: 5000 };
    const history = hammer(
      leasedLimiter(busy, told),
      { ...hammering, bucket, checks: 5000, everyMs: 0.02 },
      seededRandom(1),
    );
    expect(told.calls / history.length).toBeLessThan(0.1);
  });

  it('share what is scarce: an instance that is asked ten times less often is still served', () => {
    const served = [0, 0];
    for (let seed = 0; seed < 100; seed++) {
      const random = seededRandom(seed).fork('route');
      let instance = 0;
      const route = () => {
        instance = random.next() < 0.1 ? 0 : 1;
        return instance;
      };
      const make: MakeLimiter = (bucket, time, chance) => {
        const limiter = leasedLimiter({ ...leasing, instances: 2, route })(bucket, time, chance);
        return (_, cost, decide) => {
          let of = 0;
          limiter('shared', cost, (result) => {
            if (result === ruling.admitted) served[of]! += cost;
            decide(result);
          });
          of = instance;
        };
      };
      hammer(make, { ...hammering, checks: 1500 }, seededRandom(seed));
    }
    expect(served[0]! / (served[0]! + served[1]!)).toBeGreaterThan(0.08);
  });
});

describe('mutants', () => {
  it('leases that the store does not count are caught in nearly all of two hundred schedules', () => {
    expect(violated({ ...patient, mutant: 'uncounted' }, 200)).toBeGreaterThan(190);
  });

  it('leases of more than a chunk are caught in most of two hundred schedules', () => {
    expect(violated({ ...patient, mutant: 'unbounded' }, 200)).toBeGreaterThan(120);
  });
});
