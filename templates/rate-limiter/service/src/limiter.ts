/**
 * The limiter as a plain function: `createLimiter({ kv, policies, buckets }).check('per-user', userId)`. The HTTP service
 * (app.ts) and the Fastify plugin (plugin.ts) are two ways of calling it. README.md says what exact means, and when it is.
 */

import { type Clock, systemClock } from '@dsp/kit/clock';
import type { KvClient } from '@dsp/kit/kv';
import { type Batcher, createBatcher, isFailure } from './batcher.ts';
import { type Buckets, createBuckets } from './buckets.ts';
import { type Check, chargeOf, chargesOf, isCost } from './check.ts';
import { createDecider } from './decide.ts';
import type { Decision } from './decision.ts';
import { refillMs } from './gcra.ts';
import { createLeases, type Leases } from './leases.ts';
import { createLocalLimiter } from './local.ts';
import { type LimiterMetrics, limiterMetrics } from './metrics.ts';
import type { PolicySource } from './policies.ts';
import { sweepForever } from './sweeper.ts';

export { type Check, CheckError, maxChecks, maxKeyBytes } from './check.ts';
export type { Decision, Reason } from './decision.ts';

export interface Limiter {
  /** Rejects with {@link CheckError} when the check itself is wrong, and never for the store's sake. */
  check(policy: string, key: string, cost?: number): Promise<Decision>;
  /** The same, without a promise where the decision is at hand (a leased key). Throws {@link CheckError}. */
  decide(policy: string, key: string, cost?: number): Decision | Promise<Decision>;
  /**
   * Decisions in the order of the checks. Two checks of one key count one after the other. With `atomic`, units are taken
   * for all of them or for none; checks under a policy in shadow mode do not take part in that.
   */
  checkMany(checks: readonly Check[], options?: { readonly atomic?: boolean }): Promise<readonly Decision[]>;
  /**
   * Resolves once every bucket is in the store; until then checks are answered as for a store that cannot be asked.
   * Rejects when the limiter is closed before that.
   */
  ready(): Promise<void>;
  isReady(): boolean;
  close(): Promise<void>;
}

export interface LimiterOptions {
  /** Stays the caller's to close. */
  readonly kv: KvClient;
  readonly policies: PolicySource;
  /** Hashes that the keys are spread over. Every instance must have the same; changing it empties every bucket once. */
  readonly buckets: number;
  /** Replicas that must have a charge before it is admitted; all that there are, for exactness through a failover. */
  readonly waitReplicas?: number;
  readonly waitTimeoutMs?: number;
  /** How many instances share a limit while each decides alone (onStoreFailure: local), and a policy's allowed error. */
  readonly instances?: number;
  /** Leased units that are not spent after this time are given back. */
  readonly leaseMs?: number;
  readonly clock?: Clock;
  readonly metrics?: LimiterMetrics;
  /** How long a bucket is left alone after a call of the store has failed. */
  readonly cooldownMs?: number;
  /** Told of every call of the store that failed. */
  readonly onStoreError?: (error: unknown) => void;
}

/** A refused caller whose key nobody could look at is told to come back after this. */
const blindRetryMs = 1000;
/** One script call holds up to so many checks: about a millisecond of the store. */
const maxBatch = 512;
const maxQueued = 20_000;
const sweepPageFields = 200;
const sweepPauseMs = 100;
/** A bucket that no limiter sweeps is gone after this, or after twice the longest refill if that is more. */
const leastTtlMs = 86_400_000;

/** After a refusal a leased key's store is asked again no sooner. */
const leasePollMs = 50;

export function createLimiter(options: LimiterOptions): Limiter {
  const { policies, clock = systemClock, metrics = limiterMetrics(), instances = 1, leaseMs = 1000 } = options;
  const wait = { waitReplicas: options.waitReplicas ?? 0, waitTimeoutMs: options.waitTimeoutMs ?? 1000 };
  const buckets = createBuckets({ kv: options.kv, count: options.buckets, wait, clock });
  const made = new Array<boolean>(buckets.count).fill(false);
  const stop = new AbortController();
  const batchers = made.map((_, index) => bucketBatcher(options, buckets, made, index, clock, metrics));
  const local = createLocalLimiter(instances);
  // While instances are replaced one after the other, there is one more of them.
  const leasing = { buckets, batchers, policies, clock, metrics, sharers: instances + 1, leaseMs, pollMs: leasePollMs };
  const leases = createLeases(leasing);
  const decider = createDecider({ buckets, batchers, leases, local, clock, metrics, blindRetryMs });
  const decide = (name: string, key: string, cost = 1) => {
    const current = policies.current();
    const leased = leases.find(current.get(name), key);
    // A key that is known has been looked at before.
    if (leased !== undefined && isCost(leased.policy, cost)) return decider.leased(leased, cost);
    return decider.one(chargeOf(current, { policy: name, key, cost }));
  };
  const ready = makeBuckets(options, buckets, made, clock, stop.signal);
  const sweeper = {
    buckets,
    clock,
    pageFields: sweepPageFields,
    pauseMs: sweepPauseMs,
    ttlMs: () =>
      Math.ceil(Math.max(leastTtlMs, ...[...policies.current().values()].map((policy) => 2 * refillMs(policy)))),
    onRemoved: metrics.swept,
  };
  const background = ready.then(() => sweepForever(sweeper, stop.signal)).catch(() => undefined);
  void sweepLeases(leases, clock, leaseMs / 4, stop.signal);
  return {
    // Not an async function, which would put a promise of its own around the decision's.
    check(policy, key, cost) {
      try {
        const decision = decide(policy, key, cost);
        return decision instanceof Promise ? decision : Promise.resolve(decision);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    decide,
    async checkMany(checks, { atomic = false } = {}) {
      const charges = chargesOf(policies.current(), checks, atomic);
      return atomic ? decider.set(charges) : Promise.all(charges.map(decider.one));
    },
    ready: () => ready,
    isReady: () => made.every(Boolean),
    async close() {
      stop.abort(new Error('the limiter is closed'));
      await background;
      await leases.sweep(true);
    },
  };
}

async function sweepLeases(leases: Leases, clock: Clock, everyMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(everyMs);
    if (signal.aborted) return;
    await leases.sweep();
  }
}

function bucketBatcher(
  options: LimiterOptions,
  buckets: Buckets,
  made: readonly boolean[],
  index: number,
  clock: Clock,
  metrics: LimiterMetrics,
): Batcher {
  return createBatcher({
    clock,
    maxBatch,
    maxQueued,
    cooldownMs: options.cooldownMs ?? 100,
    call(charges, atomic) {
      if (!made[index]) return Promise.reject(new Error('the bucket is not in the store yet'));
      return buckets.check(index, charges, atomic);
    },
    onCall(outcome) {
      if (!isFailure(outcome)) return metrics.stored(outcome);
      metrics.failed(outcome.failed);
      options.onStoreError?.(outcome.error);
    },
  });
}

/**
 * Makes the buckets that are missing, until all are there. A missing bucket starts full, because nothing was admitted from
 * it yet; but when the number of buckets has changed, keys have moved between them, and what is missing starts empty. The
 * first bucket tells; it takes on the new layout with its first check, after the others have been made.
 */
async function makeBuckets(
  options: LimiterOptions,
  buckets: Buckets,
  made: boolean[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let moved: boolean | undefined;
  for (;;) {
    signal.throwIfAborted();
    try {
      moved ??= (await buckets.create(0, false)) === 'other-layout';
      const fenced = moved;
      const rest = made.map((_, index) => index).filter((index) => index > 0 && !made[index]);
      await Promise.all(rest.map((index) => buckets.create(index, fenced).then(() => (made[index] = true))));
      made[0] = true;
      return;
    } catch (error) {
      options.onStoreError?.(error);
      await clock.sleep(options.cooldownMs ?? 100);
    }
  }
}
