/**
 * Notices that the store's clock went forward by more than time did: every bucket would look refilled. What the script can
 * see is only that a bucket was not used for long, so that this is found out here, where there is a clock that nobody steps.
 */

/** What a step may be and pass for a clock that drifts: as much as the script takes for a setback. */
const toleranceUs = 1_000_000;

export interface StoreClock {
  /** Whether the store's time is later than it can be. `sentMs` and `answeredMs` of this process's monotonic clock. */
  isAhead(index: number, atUs: number, answeredMs: number): boolean;
  /** Takes the reply for right. */
  trust(index: number, atUs: number, sentMs: number): void;
}

/** One for the buckets of a limiter, each of which may be in another server. */
export function createStoreClock(buckets: number): StoreClock {
  /** By bucket: the store's time less ours, at the least that it can be. */
  const offsetsUs = new Float64Array(buckets).fill(Number.NaN);
  return {
    isAhead(index, atUs, answeredMs) {
      // The first reply of a bucket has nothing to be compared with: NaN compares as false.
      return atUs - answeredMs * 1000 > (offsetsUs[index] as number) + toleranceUs;
    },
    trust(index, atUs, sentMs) {
      offsetsUs[index] = atUs - sentMs * 1000;
    },
  };
}
