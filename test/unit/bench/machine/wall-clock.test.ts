import { describe, expect, it } from 'vitest';
import { WallClockWatch } from '../../../../src/bench/machine/wall-clock.ts';
import { type Clock, monotonicOriginMs } from '../../../../src/clock.ts';
import { type Random, seededRandom } from '../../../../src/random.ts';

/** A wall clock read in whole ms, and a thread that is sometimes kept waiting between two readings. */
class SteppedClock implements Clock {
  readonly #random: Random;
  monotonicNowMs = 1234.56;
  aheadMs = 1_790_000_000_000.4;

  constructor(random: Random) {
    this.#random = random;
  }

  #read(): number {
    this.monotonicNowMs += this.#random.integer(20) === 0 ? this.#random.next() * 30 : 0.001;
    return this.monotonicNowMs;
  }

  nowMs = () => Math.floor(this.#read() + this.aheadMs);
  monotonicMs = () => this.#read();
  sleep = async () => {};
}

const seeds = [...Array(100).keys()];

function watched(seed: number) {
  const random = seededRandom(seed);
  const clock = new SteppedClock(random);
  const watch = new WallClockWatch(clock);
  const look = () => {
    clock.monotonicNowMs += 40 + random.next() * 20;
    return watch.look();
  };
  return { clock, look };
}

describe('a watch of the wall clock', () => {
  it('sees nothing where there is nothing, however it is delayed', () => {
    for (const seed of seeds) {
      const { look } = watched(seed);
      for (let i = 0; i < 500; i++) expect(look(), `seed ${seed}`).toBeNull();
    }
  });

  it.each([5, 80, 3_600_000, -5, -80, -3_600_000])('sees a step of %d ms once, no smaller than it was', (byMs) => {
    let widest = 0;
    for (const seed of seeds) {
      const { clock, look } = watched(seed);
      for (let i = 0; i < 20; i++) look();
      const steppedMs = monotonicOriginMs() + clock.monotonicNowMs;
      clock.aheadMs += byMs;
      // A look that was kept waiting may see too little of a small one; the next sees it then.
      const steps = Array.from({ length: 20 }, look).filter((step) => step !== null);
      expect(steps, `seed ${seed}`).toHaveLength(1);
      const [step] = steps;
      if (step === undefined) continue;
      expect(step.byMs * Math.sign(byMs)).toBeGreaterThanOrEqual(Math.abs(byMs) - 1e-3);
      widest = Math.max(widest, Math.abs(step.byMs - byMs));
      expect(step.fromMs).toBeLessThanOrEqual(steppedMs);
      expect(step.toMs).toBeGreaterThan(steppedMs);
    }
    // As coarse as the wall clock is read, and as long as a reading may be delayed.
    expect(widest).toBeLessThan(62);
  });
});
