/**
 * Notices that the store's clock went forward by more than time did: every bucket would look refilled. What the script can
 * see is only that a bucket was not used for long, so that this is found out here, where there is a clock that nobody steps.
 */

/** What a step may be and pass for a clock that drifts: as much as the script takes for a setback. */
const toleranceUs = 1_000_000;

export interface StoreClock {
  /**
   * Whether the bucket, emptied at `emptiedUs`, may have got more back than time allows: the store's time is later than it
   * can be, and later than the emptying by more than the time since this limiter asked for one. `sentMs` and
   * `answeredMs` of this process's monotonic clock, `atUs` and `emptiedUs` of the store's.
   */
  isAhead(index: number, atUs: number, emptiedUs: number, answeredMs: number): boolean;
  /** The bucket is to be emptied. Another limiter may be the first to find it empty, and must not be undone. */
  empty(index: number, sentMs: number): void;
  /** Takes the reply for right. */
  trust(index: number, atUs: number, sentMs: number): void;
}

/** One for the buckets of a limiter, each of which may be in another server. */
export function createStoreClock(buckets: number): StoreClock {
  /** By bucket: the store's time less ours, at the least that it can be. */
  const offsetsUs = new Float64Array(buckets).fill(Number.NaN);
  /** By bucket: when this limiter had it emptied, until a reply is trusted. */
  const emptiedMs = new Float64Array(buckets).fill(Number.NaN);
  return {
    isAhead(index, atUs, emptiedUs, answeredMs) {
      // The first reply of a bucket has nothing to be compared with: NaN compares as false.
      if (!(atUs - answeredMs * 1000 > (offsetsUs[index] as number) + toleranceUs)) return false;
      const sinceMs = answeredMs - (emptiedMs[index] as number);
      return atUs - emptiedUs > toleranceUs + (sinceMs > 0 ? sinceMs * 1000 : 0);
    },
    empty(index, sentMs) {
      emptiedMs[index] = sentMs;
    },
    trust(index, atUs, sentMs) {
      offsetsUs[index] = atUs - sentMs * 1000;
      emptiedMs[index] = Number.NaN;
    },
  };
}
