/**
 * The greatest prefix sum over positions that arrive in any order. Each position holds an amount, which counts in
 * every prefix from there on, and a weight, which is added when the prefix ends right there.
 */
export class PrefixMaximum {
  readonly #leaves: number;
  /** Sums and maxima of the nodes of a complete binary tree; node 1 is the root, node i has the children 2i and 2i+1. */
  readonly #sum: Float64Array;
  readonly #best: Float64Array;

  /** `size` positions, all of amount 0 and no end of a prefix. */
  constructor(size: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, size)));
    this.#sum = new Float64Array(2 * this.#leaves);
    this.#best = new Float64Array(2 * this.#leaves).fill(Number.NEGATIVE_INFINITY);
  }

  /** O(log size). A weight of −∞: no prefix ends here. */
  set(position: number, amount: number, weight: number): void {
    const sum = this.#sum;
    const best = this.#best;
    let node = this.#leaves + position;
    sum[node] = amount;
    best[node] = amount + weight;
    for (node >>= 1; node >= 1; node >>= 1) {
      const left = 2 * node;
      sum[node] = sum[left]! + sum[left + 1]!;
      best[node] = Math.max(best[left]!, sum[left]! + best[left + 1]!);
    }
  }

  /** The greatest sum of amounts up to p plus the weight of p, over all p. −∞ when no prefix ends anywhere. */
  max(): number {
    return this.#best[1]!;
  }

  /** As {@link max}, over the positions p ≥ `from` only; amounts before `from` count. O(log size). */
  maxFrom(from: number): number {
    if (from >= this.#leaves) return Number.NEGATIVE_INFINITY;
    let node = this.#leaves + from;
    let sum = this.#sum[node]!;
    let best = this.#best[node]!;
    let before = 0;
    for (; node > 1; node >>= 1) {
      const sibling = node ^ 1;
      if (node < sibling) {
        best = Math.max(best, sum + this.#best[sibling]!);
        sum += this.#sum[sibling]!;
      } else {
        before += this.#sum[sibling]!;
      }
    }
    return before + best;
  }

  /** The sum of the amounts at positions < `end`. O(log size). */
  sumBefore(end: number): number {
    if (end >= this.#leaves) return this.#sum[1]!;
    let sum = 0;
    for (let node = this.#leaves + end; node > 1; node >>= 1) {
      if ((node & 1) === 1) sum += this.#sum[node - 1]!;
    }
    return sum;
  }

  /** A position that reaches {@link max}; −1 when there is none. O(log size). */
  argMax(): number {
    if (this.#best[1] === Number.NEGATIVE_INFINITY) return -1;
    let node = 1;
    while (node < this.#leaves) {
      const left = 2 * node;
      node = this.#best[left]! >= this.#sum[left]! + this.#best[left + 1]! ? left : left + 1;
    }
    return node - this.#leaves;
  }
}
