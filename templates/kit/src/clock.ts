/** Time, passed in so that a test can own it. */

import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Wall-clock time in ms since 1970. */
  nowMs(): number;
  /** A monotonic time in ms with a fraction; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after `durationMs`. */
  sleep(durationMs: number): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(durationMs) {
    await delay(durationMs);
  },
};
