/**
 * Joins the checks that reach a bucket at about the same time into one call of the store (group commit): what arrives
 * while a call is under way goes with the next. So the batches grow with the load, and the store's work for each check
 * shrinks.
 *
 * When a call fails, the batcher stops asking for a moment, then lets one call try, and answers everything else at once:
 * checks never queue behind a store that does not answer.
 */

import type { Clock } from '@dsp/kit/clock';
import { UnreplicatedError } from '@dsp/kit/kv';
import type { Charge, Ruling, Rulings } from './buckets.ts';

/** The store gave no answer that may be used. The charge may have been taken all the same. */
export interface Failure {
  /** `unreplicated`: it decided, but too few replicas confirmed in time. `unavailable`: it did not answer. */
  readonly failed: 'unreplicated' | 'unavailable';
  readonly error: unknown;
}

export type Answer = Ruling | Failure;

export function isFailure<T extends object>(answer: T | Failure): answer is Failure {
  return 'failed' in answer;
}

export interface BatcherOptions {
  readonly call: (charges: readonly Charge[], atomic: boolean) => Promise<Rulings>;
  readonly clock: Clock;
  /** Checks in one call: bounds the time that the store is busy with one script. */
  readonly maxBatch: number;
  /** Checks that wait; one more is answered as if the store were unavailable. */
  readonly maxQueued: number;
  /** How long the store is left alone after a failure. */
  readonly cooldownMs: number;
  /** Called for each call of the store. */
  readonly onCall?: (outcome: { checks: number; durationMs: number; fenced: boolean } | Failure) => void;
}

export interface Batcher {
  /** `settle` is called once: at once when the store is not to be asked. */
  check(charge: Charge, settle: (answer: Answer) => void): void;
  /** All or nothing, in a call of its own. Never rejects. */
  checkAll(charges: readonly Charge[]): Promise<Rulings | Failure>;
}

/** Charges that wait, and who is told of each: two lists, so that what the store is asked needs no copying. */
interface Queue {
  readonly charges: Charge[];
  readonly settles: ((answer: Answer) => void)[];
}

export function createBatcher(options: BatcherOptions): Batcher {
  const { maxBatch, maxQueued } = options;
  const store = createBreaker(options);
  const overloaded: Failure = { failed: 'unavailable', error: new Error('too many checks wait for this bucket') };
  let queue: Queue = { charges: [], settles: [] };
  let flushing = false;

  function next(): Queue {
    const batch = queue;
    queue = { charges: batch.charges.splice(maxBatch), settles: batch.settles.splice(maxBatch) };
    return batch;
  }

  async function flush(): Promise<void> {
    const { charges, settles } = next();
    const answer = await store.call(charges, false);
    if (isFailure(answer)) {
      const behind = queue.settles;
      queue = { charges: [], settles: [] };
      for (const settle of settles) settle(answer);
      for (const settle of behind) settle(answer);
    } else {
      for (let at = 0; at < settles.length; at++) settles[at]?.(answer.rulings[at] as Ruling);
    }
    flushing = queue.settles.length > 0;
    if (flushing) setImmediate(flush);
  }

  return {
    check(charge, settle) {
      const refused = store.refusal() ?? (queue.settles.length >= maxQueued ? overloaded : undefined);
      if (refused !== undefined) return settle(refused);
      queue.charges.push(charge);
      queue.settles.push(settle);
      if (flushing) return;
      flushing = true;
      // After the requests that this turn of the event loop still reads, here as after a call: the more they are that share a
      // call, the less each of them costs the store.
      setImmediate(flush);
    },
    async checkAll(charges) {
      return store.refusal() ?? store.call(charges, true);
    },
  };
}

/** The store behind a circuit breaker. */
interface Breaker {
  /** Why the store is not to be asked now: it failed a moment ago, or a call is under way that tries it. */
  refusal(): Failure | undefined;
  /** Never rejects. */
  call(charges: readonly Charge[], atomic: boolean): Promise<Rulings | Failure>;
}

function createBreaker({ call, clock, cooldownMs, onCall }: BatcherOptions): Breaker {
  /** The last failure, until a call succeeds; nothing is asked before `retryAtMs`, and only one call after it. */
  let failure: Failure | undefined;
  let retryAtMs = 0;
  let trying = false;
  return {
    refusal() {
      if (failure === undefined) return undefined;
      return trying || clock.monotonicMs() < retryAtMs ? failure : undefined;
    },
    async call(charges, atomic) {
      const startMs = clock.monotonicMs();
      const onTrial = failure !== undefined;
      trying ||= onTrial;
      try {
        const rulings = await call(charges, atomic);
        failure = undefined;
        onCall?.({ checks: charges.length, durationMs: clock.monotonicMs() - startMs, fenced: rulings.fenced });
        return rulings;
      } catch (error) {
        failure = { failed: error instanceof UnreplicatedError ? 'unreplicated' : 'unavailable', error };
        retryAtMs = clock.monotonicMs() + cooldownMs;
        onCall?.(failure);
        return failure;
      } finally {
        if (onTrial) trying = false;
      }
    },
  };
}
