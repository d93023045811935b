/**
 * How the p99 of a machine's answers grows with the share of its cores that is busy, as it was measured. A model of shared
 * cores knows the order of service; it does not know the kernel's time slices, collections of garbage, and the turns in
 * which event loops take up what came meanwhile, and near the limit those decide.
 */

export interface BusyPoint {
  /** Of all cores, 0 to 1. */
  readonly busyShare: number;
  readonly p99Ms: number;
}

/**
 * The increasing curve that is nearest to the points in log p99, by least squares: isotonic regression with the
 * pool-adjacent-violators algorithm (Barlow, Bartholomew, Bremner and Brunk, Statistical Inference under Order
 * Restrictions, 1972). Points that were pooled are one, at their mean share.
 */
export function increasing(points: readonly BusyPoint[]): readonly BusyPoint[] {
  interface Pool {
    readonly count: number;
    readonly shares: number;
    readonly logs: number;
  }
  const level = ({ logs, count }: Pool) => logs / count;
  const pools: Pool[] = [];
  for (const { busyShare, p99Ms } of [...points].sort((a, b) => a.busyShare - b.busyShare)) {
    let pool: Pool = { count: 1, shares: busyShare, logs: Math.log(p99Ms) };
    for (let before = pools.at(-1); before && level(before) >= level(pool); before = pools.at(-1)) {
      pools.pop();
      pool = { count: pool.count + before.count, shares: pool.shares + before.shares, logs: pool.logs + before.logs };
    }
    pools.push(pool);
  }
  return pools.map((pool) => ({ busyShare: pool.shares / pool.count, p99Ms: Math.exp(level(pool)) }));
}

/** The busy share at which the increasing curve reaches `p99Ms`, between its points on a log scale; null where it does not. */
export function shareAt(curve: readonly BusyPoint[], p99Ms: number): number | null {
  const above = curve.findIndex((point) => point.p99Ms > p99Ms);
  const [from, to] = [curve[above - 1], curve[above]];
  if (to === undefined) return null;
  if (from === undefined) return to.busyShare;
  const part = Math.log(p99Ms / from.p99Ms) / Math.log(to.p99Ms / from.p99Ms);
  return from.busyShare + part * (to.busyShare - from.busyShare);
}
