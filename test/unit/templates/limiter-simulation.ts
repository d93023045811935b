/** Limiters in simulation, right ones and mutants, hammered by callers through a network with delays. */

import type { HistoryEntry } from '../../../src/checkers/history.ts';
import type { Bucket } from '../../../src/checkers/window-admission.ts';
import { hash32, type Random } from '../../../src/random.ts';
import { ruling } from '../../../templates/rate-limiter/ruling.ts';
import { type Simulation, simulation } from './simulation.ts';

/** Decides on a check, at once or later; the result is one of {@link ruling}. */
export type Limiter = (key: string, cost: number, decide: (result: number) => void) => void;

const byStore = (admitted: boolean): number => (admitted ? ruling.admitted : ruling.denied);

/** Tokens of each key, as a store would hold them. */
class Tokens {
  readonly #bucket: Bucket;
  readonly #levels = new Map<string, { tokens: number; atMs: number }>();

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  read(key: string, nowMs: number): number {
    const known = this.#levels.get(key) ?? { tokens: this.#bucket.burst, atMs: nowMs };
    return Math.min(this.#bucket.burst, known.tokens + this.#bucket.ratePerMs * (nowMs - known.atMs));
  }

  write(key: string, tokens: number, nowMs: number): void {
    this.#levels.set(key, { tokens, atMs: nowMs });
  }

  /** The level of a key that was never seen. */
  startAt(key: string, tokens: number, atMs: number): void {
    if (!this.#levels.has(key)) this.write(key, tokens, atMs);
  }
}

export type MakeLimiter = (bucket: Bucket, time: Simulation, random: Random) => Limiter;

export const rightLimiter: MakeLimiter = (bucket, time) => {
  const store = new Tokens(bucket);
  return (key, cost, decide) => {
    const tokens = store.read(key, time.nowMs);
    if (tokens >= cost) store.write(key, tokens - cost, time.nowMs);
    decide(byStore(tokens >= cost));
  };
};

/** When the clock of the store of {@link onSteppedClock} steps. */
export const stepMs = 150;

/** Right but for its clock: forward by so much, or back, and then time stands still for as long. */
export const onSteppedClock =
  (byMs: number): MakeLimiter =>
  (bucket, time) => {
    const store = new Tokens(bucket);
    const stoppedAtMs = () => Math.max(time.nowMs + byMs, Math.min(time.nowMs, stepMs));
    return (key, cost, decide) => {
      const nowMs = time.nowMs < stepMs ? time.nowMs : stoppedAtMs();
      const tokens = store.read(key, nowMs);
      if (tokens >= cost) store.write(key, tokens - cost, nowMs);
      decide(byStore(tokens >= cost));
    };
  };

/** GET, then SET: between the two another check reads the same level. */
export const nonAtomic: MakeLimiter = (bucket, time, random) => {
  const store = new Tokens(bucket);
  return (key, cost, decide) => {
    const readAtMs = time.nowMs;
    const tokens = store.read(key, readAtMs);
    time.after(random.exponential(2), () => {
      if (tokens >= cost) store.write(key, tokens - cost, readAtMs);
      decide(byStore(tokens >= cost));
    });
  };
};

/** Counts by calendar period: two bursts meet at the edge. */
export const fixedWindow: MakeLimiter = ({ ratePerMs, burst }, time) => {
  const periodMs = burst / ratePerMs;
  const counts = new Map<string, number>();
  return (key, cost, decide) => {
    const cell = `${key}@${Math.floor(time.nowMs / periodMs)}`;
    const count = counts.get(cell) ?? 0;
    if (count + cost <= burst) counts.set(cell, count + cost);
    decide(byStore(count + cost <= burst));
  };
};

/** Each of two instances keeps tokens of its own. */
export const perInstance: MakeLimiter = (bucket, time, random) => {
  const instances = [rightLimiter(bucket, time, random), rightLimiter(bucket, time, random)];
  return (key, cost, decide) => instances[random.integer(2)]!(key, cost, decide);
};

/** Takes tokens for denied checks too, so a caller who keeps asking is never served. */
export const chargesDenials: MakeLimiter = (bucket, time) => {
  const store = new Tokens(bucket);
  return (key, cost, decide) => {
    const tokens = store.read(key, time.nowMs);
    store.write(key, Math.max(tokens - cost, -bucket.burst), time.nowMs);
    decide(byStore(tokens >= cost));
  };
};

/** One bucket for everybody: a hot caller starves the others. */
export const sharedBucket: MakeLimiter = (bucket, time, random) => {
  const limiter = rightLimiter(bucket, time, random);
  return (_, cost, decide) => limiter('everybody', cost, decide);
};

/** When the store of {@link failingOver} is away. */
export const outage = { fromMs: 120, toMs: 180 } as const;

/**
 * Closed while the store is away; what it had counted is lost. A bucket of keys is emptied at the first check of any of
 * them afterwards, or left as new by the mutant.
 */
export const failingOver =
  (restart: 'empty' | 'full'): MakeLimiter =>
  (bucket, time) => {
    const before = new Tokens(bucket);
    const after = new Tokens(bucket);
    const emptiedMs = new Map<number, number>();
    return (key, cost, decide) => {
      if (time.nowMs >= outage.fromMs && time.nowMs < outage.toMs) return decide(ruling.deniedWithoutStore);
      const store = time.nowMs < outage.fromMs ? before : after;
      if (store === after && restart === 'empty') {
        const place = hash32(key) % 3;
        if (!emptiedMs.has(place)) emptiedMs.set(place, time.nowMs);
        after.startAt(key, 0, emptiedMs.get(place)!);
      }
      const tokens = store.read(key, time.nowMs);
      if (tokens >= cost) store.write(key, tokens - cost, time.nowMs);
      decide(byStore(tokens >= cost));
    };
  };

export interface Hammering {
  readonly bucket: Bucket;
  readonly checks: number;
  /** Mean time between two checks, all keys together. */
  readonly everyMs: number;
  /** Mean delay of each way. */
  readonly delayMs: number;
  /** Share of the checks whose answer is lost. */
  readonly lostShare: number;
  /** The time since the check before, instead of a random one, and then all checks are of one key. */
  readonly gapMs?: (check: number) => number;
}

/** How long a caller that comes and goes stays. */
const visitMs = 150;

/** A caller that always asks too much, four that come in turn and ask too much, and a few that ask little. */
export function hammer(make: MakeLimiter, hammering: Hammering, random: Random): readonly HistoryEntry[] {
  const time = simulation();
  const limiter = make(hammering.bucket, time, random.fork('limiter'));
  const history: HistoryEntry[] = [];
  let startMs = 0;
  for (let i = 0; i < hammering.checks; i++) {
    startMs += hammering.gapMs?.(i) ?? random.exponential(hammering.everyMs);
    const visitor = `visiting-${Math.floor(startMs / visitMs) % 4}`;
    const some = random.next() < 0.3 ? `cold-${random.integer(5)}` : random.next() < 0.5 ? 'hot' : visitor;
    const key = hammering.gapMs === undefined ? some : 'hot';
    const value = random.next() < 0.8 ? 1 : 2;
    const lost = random.next() < hammering.lostShare;
    time.after(startMs, () => {
      const sentMs = time.nowMs;
      const common = { part: 'limiter', operation: 'check', key, value, sentMs, phase: 'steady' } as const;
      const place = history.push({ ...common, answeredMs: null, outcome: 'unknown', result: 0 }) - 1;
      time.after(random.exponential(hammering.delayMs), () =>
        limiter(key, value, (result) =>
          time.after(random.exponential(hammering.delayMs), () => {
            if (lost) return;
            history[place] = { ...common, answeredMs: time.nowMs, outcome: 'ok', result };
          }),
        ),
      );
    });
  }
  time.run();
  return history;
}
