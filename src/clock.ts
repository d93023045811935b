/** The only owner of time in src: everything else is given a {@link Clock}. */

import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Wall-clock time in ms since 1970. */
  nowMs(): number;
  /** A monotonic time in ms with a fraction; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason when aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(durationMs, signal) {
    try {
      await delay(durationMs, undefined, signal ? { signal } : {});
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

export interface Patience {
  readonly timeoutMs: number;
  readonly pollMs: number;
  /** Gives up when it is aborted, too. */
  readonly hurry?: AbortSignal | undefined;
}

/** Asks until it holds; false when that took too long. It is asked once at the least, and once more at the end. */
export async function until(
  clock: Clock,
  { timeoutMs, pollMs, hurry }: Patience,
  holds: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const giveUpMs = clock.monotonicMs() + timeoutMs;
  while (!(await holds())) {
    if (clock.monotonicMs() >= giveUpMs || hurry?.aborted === true) return false;
    await clock.sleep(pollMs);
  }
  return true;
}

/** The time of records: monotonic, and the same for all threads of one process; ms since 1970 but for steps of the wall clock. */
export function sharedNowMs(clock: Clock): number {
  return monotonicOriginMs() + clock.monotonicMs();
}

/** Wall-clock ms minus monotonic ms: threads of one process share it, so their records compare. */
export function monotonicOriginMs(): number {
  return performance.timeOrigin;
}
