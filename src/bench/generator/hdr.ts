/**
 * A high dynamic range histogram of latencies: 3 significant digits from 1 µs to an hour, mergeable, serialisable.
 * Buckets as in HdrHistogram (Gil Tene): 2048 linear sub-buckets, of which the upper half repeats for each power of 2,
 * so a recorded value is off by at most 1/1024. An own implementation, because it is a hundred lines and the packages
 * on offer start a WebAssembly module in every thread or lack sparse serialisation.
 */

const halfCount = 1024;
export const maxUs = 3_600_000_000;

/** Sparse content, in order of index; times in µs. */
export interface HdrData {
  readonly indices: readonly number[];
  readonly counts: readonly number[];
  readonly minUs: number;
  readonly maxUs: number;
  readonly sumUs: number;
}

export class Hdr {
  #counts = new Float64Array(2 * halfCount);
  #used = 0;
  #total = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;
  #sumUs = 0;

  static from(data: HdrData): Hdr {
    const hdr = new Hdr();
    hdr.merge(data);
    return hdr;
  }

  get count(): number {
    return this.#total;
  }

  /** Records a latency in ms; what is negative counts as 0, what is above an hour as an hour. */
  record(latencyMs: number): void {
    const us = Math.min(maxUs, Math.max(0, Math.round(latencyMs * 1000)));
    this.#add(indexOf(us), 1);
    if (us < this.#minUs) this.#minUs = us;
    if (us > this.#maxUs) this.#maxUs = us;
    this.#sumUs += us;
  }

  /** Adds what another histogram holds. */
  merge(other: Hdr | HdrData): void {
    const data = other instanceof Hdr ? other.data() : other;
    data.indices.forEach((index, i) => {
      this.#add(index, data.counts[i] ?? 0);
    });
    if (data.indices.length === 0) return;
    this.#minUs = Math.min(this.#minUs, data.minUs);
    this.#maxUs = Math.max(this.#maxUs, data.maxUs);
    this.#sumUs += data.sumUs;
  }

  data(): HdrData {
    const indices: number[] = [];
    const counts: number[] = [];
    for (let index = 0; index < this.#used; index++) {
      const count = this.#counts[index] ?? 0;
      if (count === 0) continue;
      indices.push(index);
      counts.push(count);
    }
    return { indices, counts, minUs: this.#minUs, maxUs: this.#maxUs, sumUs: this.#sumUs };
  }

  /**
   * The value in ms that a fraction `q` (0 ≤ q ≤ 1) of the samples does not exceed: the sample of rank ⌈q × count⌉,
   * rounded up within its bucket as HdrHistogram does. Null over no sample.
   */
  quantileMs(q: number): number | null {
    if (this.#total === 0) return null;
    if (q <= 0) return this.#minUs / 1000;
    // The subtraction keeps 0.07 × 100 = 7.000000000000001 at rank 7.
    const rank = Math.max(1, Math.ceil(q * this.#total - 1e-9));
    let seen = 0;
    for (let index = 0; index < this.#used; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= rank) return Math.max(this.#minUs, Math.min(this.#maxUs, highestOf(index))) / 1000;
    }
    return this.#maxUs / 1000;
  }

  get meanMs(): number | null {
    return this.#total === 0 ? null : this.#sumUs / this.#total / 1000;
  }

  get minMs(): number | null {
    return this.#total === 0 ? null : this.#minUs / 1000;
  }

  get maxMs(): number | null {
    return this.#total === 0 ? null : this.#maxUs / 1000;
  }

  #add(index: number, count: number): void {
    if (index >= this.#counts.length) this.#grow(index);
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
    if (index >= this.#used) this.#used = index + 1;
    this.#total += count;
  }

  #grow(index: number): void {
    const grown = new Float64Array((Math.floor(index / halfCount) + 1) * halfCount);
    grown.set(this.#counts);
    this.#counts = grown;
  }
}

/** Below 2048 µs every value has its own bucket; above, each power of 2 has 1024. */
export function indexOf(us: number): number {
  const shift = Math.max(0, 21 - Math.clz32(us));
  return shift * halfCount + (us >>> shift);
}

function highestOf(index: number): number {
  const shift = Math.max(0, Math.floor(index / halfCount) - 1);
  return (index - shift * halfCount + 1) * 2 ** shift - 1;
}
