/**
 * The most used keys, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005). With `capacity` counters
 * over `total` uses, a key's count is never too low and at most total ÷ capacity too high, and every key used more
 * often than total ÷ capacity is among the counters.
 */

import type { Clock } from './clock.ts';
import { Gauge, type Registry } from './metrics.ts';

export interface KeyCount {
  readonly key: string;
  /** An upper bound of the uses; `count - error` is a lower bound. */
  readonly count: number;
  readonly error: number;
}

interface Counter {
  key: string;
  count: number;
  error: number;
}

export class SpaceSaving {
  readonly capacity: number;
  /** A binary heap, the least count first. */
  readonly #heap: Counter[] = [];
  readonly #positions = new Map<string, number>();
  #total = 0;
  #evicted = false;

  constructor(capacity: number) {
    if (!(capacity >= 1)) throw new RangeError('capacity must be 1 or more');
    this.capacity = capacity;
  }

  get total(): number {
    return this.#total;
  }

  /** By how much a count may be too high, at most. */
  get errorBound(): number {
    return this.#evicted ? Math.floor(this.#total / this.capacity) : 0;
  }

  record(key: string): void {
    this.#total++;
    const position = this.#positions.get(key);
    if (position !== undefined) {
      (this.#heap[position] as Counter).count++;
      this.#sink(position);
    } else if (this.#heap.length < this.capacity) {
      this.#heap.push({ key, count: 1, error: 0 });
      this.#positions.set(key, this.#heap.length - 1);
      this.#rise(this.#heap.length - 1);
    } else {
      const least = this.#heap[0] as Counter;
      this.#evicted = true;
      this.#positions.delete(least.key);
      this.#positions.set(key, 0);
      Object.assign(least, { key, count: least.count + 1, error: least.count });
      this.#sink(0);
    }
  }

  /** The `limit` most used keys, the first the most used. */
  top(limit: number): readonly KeyCount[] {
    const sorted = [...this.#heap].sort((a, b) => b.count - a.count || a.error - b.error);
    return sorted.slice(0, limit).map(({ key, count, error }) => ({ key, count, error }));
  }

  #sink(from: number): void {
    let position = from;
    for (;;) {
      let least = position;
      for (const child of [2 * position + 1, 2 * position + 2]) {
        if (child < this.#heap.length && this.#countAt(child) < this.#countAt(least)) least = child;
      }
      if (least === position) return;
      this.#swap(position, least);
      position = least;
    }
  }

  #rise(from: number): void {
    let position = from;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (this.#countAt(parent) <= this.#countAt(position)) return;
      this.#swap(position, parent);
      position = parent;
    }
  }

  #countAt(position: number): number {
    return (this.#heap[position] as Counter).count;
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a] as Counter;
    const second = this.#heap[b] as Counter;
    this.#heap[a] = second;
    this.#heap[b] = first;
    this.#positions.set(second.key, a);
    this.#positions.set(first.key, b);
  }
}

export interface HotKeysOptions {
  readonly clock: Clock;
  /** Default 512: in a window of 100,000 uses a count is at most 195 too high. */
  readonly capacity?: number;
  /** Default one minute: a key that was hot yesterday is not hot. */
  readonly windowMs?: number;
  readonly metrics?: Registry;
}

export interface HotKeysSnapshot {
  /** The last whole window; before there is one, the current. */
  readonly windowMs: number;
  readonly total: number;
  readonly errorBound: number;
  readonly keys: readonly (KeyCount & { readonly share: number })[];
}

const gaugeRanks = 10;

/** Space-Saving over windows of time. */
export class HotKeys {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #windowMs: number;
  #startedMs: number;
  #current: SpaceSaving;
  #last: SpaceSaving | undefined;

  constructor(options: HotKeysOptions) {
    this.#clock = options.clock;
    this.#capacity = options.capacity ?? 512;
    this.#windowMs = options.windowMs ?? 60_000;
    this.#current = new SpaceSaving(this.#capacity);
    this.#startedMs = this.#clock.monotonicMs();
    if (options.metrics) this.#export(options.metrics);
  }

  record(key: string): void {
    this.#turn();
    this.#current.record(key);
  }

  snapshot(limit: number): HotKeysSnapshot {
    this.#turn();
    const seen = this.#last ?? this.#current;
    return {
      windowMs: this.#last ? this.#windowMs : Math.round(this.#clock.monotonicMs() - this.#startedMs),
      total: seen.total,
      errorBound: seen.errorBound,
      keys: seen.top(limit).map((key) => ({ ...key, share: key.count / seen.total })),
    };
  }

  /** Begins the next window when the current one is over. One that nobody used is a window too. */
  #turn(): void {
    const windows = Math.floor((this.#clock.monotonicMs() - this.#startedMs) / this.#windowMs);
    if (windows < 1) return;
    this.#last = windows === 1 ? this.#current : new SpaceSaving(this.#capacity);
    this.#current = new SpaceSaving(this.#capacity);
    this.#startedMs += windows * this.#windowMs;
  }

  /** By rank, never by key: a metric's labels must be few, and keys may be private. */
  #export(metrics: Registry): void {
    const snapshot = () => this.snapshot(gaugeRanks);
    new Gauge({
      name: 'kv_hot_key_share',
      help: 'Share of all uses, in the last window, that went to the key of this rank (an upper bound).',
      labelNames: ['rank'],
      registers: [metrics],
      collect() {
        const { keys } = snapshot();
        for (let rank = 1; rank <= gaugeRanks; rank++) this.set({ rank }, keys[rank - 1]?.share ?? 0);
      },
    });
  }
}
