/** Removes idle keys from the buckets, a page at a time: gently while there is little to find, at once while there is much. */

import type { Clock } from '@dsp/kit/clock';
import type { Buckets } from './buckets.ts';

export interface SweeperOptions {
  readonly buckets: Pick<Buckets, 'count' | 'sweep'>;
  readonly clock: Clock;
  /** Fields that one call looks at: bounds the time that the store is busy with it. */
  readonly pageFields: number;
  /** Between two pages when the last one held few idle keys. */
  readonly pauseMs: number;
  /** After which a bucket that no limiter sweeps any more is gone; asked before each page. */
  readonly ttlMs: () => number;
  readonly onRemoved: (count: number) => void;
}

/** A page with a larger part of idle keys than this is followed by the next at once. */
const busyShare = 0.25;

/** Sweeps until `signal` aborts, one bucket after another. A store that does not answer is tried again later. */
export async function sweepForever(options: SweeperOptions, signal: AbortSignal): Promise<void> {
  const { buckets, clock, pauseMs } = options;
  for (let index = 0; !signal.aborted; index = (index + 1) % buckets.count) {
    await sweepBucket(options, index, signal).catch(() => undefined);
    await pause(clock, pauseMs, signal);
  }
}

/** Goes once through a bucket. */
export async function sweepBucket(options: SweeperOptions, index: number, signal: AbortSignal): Promise<void> {
  const { buckets, clock, pageFields, pauseMs, ttlMs, onRemoved } = options;
  let cursor = '0';
  do {
    const page = await buckets.sweep(index, cursor, pageFields, ttlMs());
    if (page.removed > 0) onRemoved(page.removed);
    cursor = page.cursor;
    if (cursor !== '0' && page.removed < page.seen * busyShare) await pause(clock, pauseMs, signal);
  } while (cursor !== '0' && !signal.aborted);
}

/** Sleeps, or not for so long when `signal` aborts. */
async function pause(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let wake = () => {};
  const aborted = new Promise<void>((resolve) => {
    wake = resolve;
  });
  signal.addEventListener('abort', wake, { once: true });
  await Promise.race([clock.sleep(durationMs), aborted]);
  signal.removeEventListener('abort', wake);
}
