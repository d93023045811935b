/** What Prometheus sees of the limiter. Labels are policy names and fixed words, so that their number is bounded. */

import { Counter, Gauge, Histogram, type Registry } from '@dsp/kit/metrics';

/**
 * - allowed, denied: the store decided.
 * - shadow_denied: a policy in shadow mode would have refused; the caller was admitted.
 * - unreplicated: the store decided, too few replicas confirmed it, and the caller was refused.
 * - store_closed, store_open, store_local_allowed, store_local_denied: the store could not be asked.
 */
export const outcomes = [
  'allowed',
  'denied',
  'shadow_denied',
  'unreplicated',
  'store_closed',
  'store_open',
  'store_local_allowed',
  'store_local_denied',
] as const;

export type Outcome = (typeof outcomes)[number];

export interface LimiterMetrics {
  checked(policy: string, outcome: Outcome): void;
  stored(call: { checks: number; durationMs: number; fenced: boolean }): void;
  failed(kind: 'unreplicated' | 'unavailable'): void;
  swept(removed: number): void;
  /** Units that a call of the store leased, and units given back unspent. */
  leased(units: number): void;
  returned(units: number): void;
  reloaded(policies: number | 'failed'): void;
}

/** Registers in `registry`; without one it counts for nobody. */
export function limiterMetrics(registry?: Registry): LimiterMetrics {
  const registers = registry === undefined ? [] : [registry];
  const checked = checkCounter(registers);
  const durations = new Histogram({
    name: 'limiter_store_call_duration_seconds',
    help: 'Calls of the store that succeeded, with the wait for replicas.',
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
    registers,
  });
  const batches = new Histogram({
    name: 'limiter_store_call_checks',
    help: 'Checks that one call of the store decided.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers,
  });
  const failures = new Counter({
    name: 'limiter_store_call_failures_total',
    help: 'Calls of the store that gave no answer, or one that too few replicas confirmed.',
    labelNames: ['kind'],
    registers,
  });
  const fences = new Counter({
    name: 'limiter_bucket_fences_total',
    help: 'Buckets that were emptied because their state could not be trusted (failover, restart, lost, clock).',
    registers,
  });
  const removed = new Counter({
    name: 'limiter_swept_keys_total',
    help: 'Idle keys removed from the store.',
    registers,
  });
  const policies = new Gauge({ name: 'limiter_policies', help: 'Policies in force.', registers });
  const current = new Gauge({
    name: 'limiter_policies_current',
    help: '0 when the policy file has changed and could not be used, so that the policies before it are in force.',
    registers,
  });
  return {
    checked,
    stored({ checks, durationMs, fenced }) {
      durations.observe(durationMs / 1000);
      batches.observe(checks);
      if (fenced) fences.inc();
    },
    failed: (kind) => failures.inc({ kind }),
    swept: (count) => removed.inc(count),
    ...leaseCounters(registers),
    reloaded(outcome) {
      current.set(outcome === 'failed' ? 0 : 1);
      if (outcome !== 'failed') policies.set(outcome);
    },
  };
}

function leaseCounters(registers: Registry[]): Pick<LimiterMetrics, 'leased' | 'returned'> {
  const leased = new Counter({
    name: 'limiter_leased_units_total',
    help: 'Units leased from the store, to be spent here.',
    registers,
  });
  const returned = new Counter({
    name: 'limiter_returned_units_total',
    help: 'Leased units that were not spent in time and given back.',
    registers,
  });
  return { leased: (units) => leased.inc(units), returned: (units) => returned.inc(units) };
}

/** Counts in plain numbers, which the registry reads when it is asked: labels cost more than the check's own arithmetic. */
function checkCounter(registers: Registry[]): LimiterMetrics['checked'] {
  const counts = new Map<string, Record<Outcome, number>>();
  new Counter({
    name: 'limiter_checks_total',
    help: 'Checks by policy and outcome.',
    labelNames: ['policy', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const [policy, byOutcome] of counts) {
        for (const outcome of outcomes) this.inc({ policy, outcome }, byOutcome[outcome]);
      }
    },
  });
  return (policy, outcome) => {
    let byOutcome = counts.get(policy);
    if (byOutcome === undefined) {
      byOutcome = Object.fromEntries(outcomes.map((name) => [name, 0])) as Record<Outcome, number>;
      counts.set(policy, byOutcome);
    }
    byOutcome[outcome]++;
  };
}
