/**
 * How the load fell on the shards of a part, from what was measured: the keys of the steady load's requests, whose shards
 * are known, and the CPU time of each shard's process. Pure.
 *
 * A shard is hot when it has a quarter more than the plan's busiest shard: the plan lets that one be loaded to 0.6 at peak,
 * so that a quarter more is as near to its knee (0.75) as its queue may come, and chance alone does not spread keys so
 * unevenly. A share of requests counts only where it is above the bound by more than as many independent requests leave
 * to chance (a normal bound to the binomial, one-sided, 1 % over all shards); CPU time only from a second on, for the kernel
 * counts hundredths.
 */

/** Above the plan's busiest shard by this factor. */
export const hotFactor = 1.25;
/** Of all shards together: below, ticks are all there is to see. */
const leastCpuUs = 1_000_000;
const shownKeys = 10;

export type ShardVerdict = 'even' | 'uneven' | 'hot';

/** Requests by the part that took them and its key, with the instance that answers for it. */
export interface KeyCount {
  readonly part: string;
  readonly key: string;
  readonly shard: string;
  readonly requests: number;
}

export interface ShardLoadsInput {
  readonly part: string;
  /** Instances that answer for keys, one a shard. */
  readonly shards: readonly string[];
  readonly keys: readonly KeyCount[];
  /** CPU time in the steady load by instance; null when unknown. */
  readonly cpuUs: ReadonlyMap<string, number> | null;
  /** What the plan takes the busiest shard's share to be, with this number of shards. */
  readonly plannedShare: number;
}

export interface ShardLoads {
  readonly part: string;
  readonly verdict: ShardVerdict;
  readonly because: string;
  /** Whose shard is known, in the steady load. */
  readonly requests: number;
  readonly evenShare: number;
  readonly plannedShare: number;
  /** From here on a shard is hot. */
  readonly hotShare: number;
  readonly shards: readonly {
    readonly instance: string;
    readonly requests: number;
    /** Null: there was no request, or no CPU time was seen. */
    readonly share: number | null;
    readonly cpuShare: number | null;
    readonly verdict: ShardVerdict;
  }[];
  /** At most ten, the hottest first; shares of the requests of their own part. */
  readonly hottestKeys: readonly (KeyCount & { readonly share: number })[];
}

/** Null where there is but one shard: nothing can be uneven. */
export function judgeShards(input: ShardLoadsInput): ShardLoads | null {
  const { part, shards, keys, plannedShare } = input;
  if (shards.length < 2) return null;
  const requests = sumOf(keys);
  const evenShare = 1 / shards.length;
  const hotShare = Math.min(1, Math.max(plannedShare, evenShare) * hotFactor);
  const cpu = cpuShares(input);
  const byShard = new Map<string, number>();
  for (const { shard, requests: count } of keys) byShard.set(shard, (byShard.get(shard) ?? 0) + count);
  const judged = shards.map((instance) => {
    const count = byShard.get(instance) ?? 0;
    const share = requests === 0 ? null : count / requests;
    const cpuShare = cpu?.get(instance) ?? null;
    const exceeds = (bound: number) => (share ?? 0) > surelyAbove(bound, requests, shards.length);
    const isHot = exceeds(hotShare) || (cpuShare ?? 0) > hotShare;
    const verdict: ShardVerdict = isHot ? 'hot' : exceeds(Math.max(plannedShare, evenShare)) ? 'uneven' : 'even';
    return { instance, requests: count, share, cpuShare, verdict };
  });
  const verdict: ShardVerdict =
    (['hot', 'uneven'] as const).find((each) => judged.some((shard) => shard.verdict === each)) ?? 'even';
  const loads = { part, verdict, requests, evenShare, plannedShare, hotShare, shards: judged };
  return { ...loads, because: reasonOf(loads), hottestKeys: hottest(keys) };
}

const sumOf = (keys: readonly KeyCount[]) => keys.reduce((sum, { requests }) => sum + requests, 0);

/** The share that a shard with `bound` of the requests passes by chance in 1 of 100 runs, any of `shards`. */
export function surelyAbove(bound: number, requests: number, shards: number): number {
  return bound + normalQuantile(1 - 0.01 / shards) * Math.sqrt((bound * (1 - bound)) / Math.max(1, requests));
}

function cpuShares({ shards, cpuUs }: ShardLoadsInput): ReadonlyMap<string, number> | null {
  if (cpuUs === null) return null;
  const sum = shards.reduce((total, shard) => total + (cpuUs.get(shard) ?? 0), 0);
  return sum < leastCpuUs ? null : new Map(shards.map((shard) => [shard, (cpuUs.get(shard) ?? 0) / sum]));
}

function reasonOf({ shards, verdict, plannedShare, hotShare }: Omit<ShardLoads, 'because' | 'hottestKeys'>): string {
  const most = (of: 'share' | 'cpuShare') => Math.max(...shards.map((shard) => shard[of] ?? 0));
  const cpu = most('cpuShare') > 0 ? ` and ${percentText(most('cpuShare'))} of their CPU time` : '';
  const seen = `the busiest of ${shards.length} shards had ${percentText(most('share'))} of the requests${cpu}`;
  const bounds = `planned for ${percentText(plannedShare)}, hot from ${percentText(hotShare)}`;
  const hot = shards.filter((shard) => shard.verdict === 'hot').map(({ instance }) => instance);
  return `${verdict === 'hot' ? `${hot.join(', ')}: ` : ''}${seen}; ${bounds}`;
}

const percentText = (share: number) => `${Number((share * 100).toFixed(1))} %`;

function hottest(keys: readonly KeyCount[]): ShardLoads['hottestKeys'] {
  const ofPart = new Map<string, number>();
  for (const { part, requests } of keys) ofPart.set(part, (ofPart.get(part) ?? 0) + requests);
  return [...keys]
    .sort((a, b) => b.requests - a.requests || (a.key < b.key ? -1 : 1))
    .slice(0, shownKeys)
    .map((key) => ({ ...key, share: key.requests / (ofPart.get(key.part) ?? 1) }));
}

/** Acklam's rational approximation in the tail (p ≥ 0.97575), relative error below 1.15e-9; P. J. Acklam, 2003. */
function normalQuantile(p: number): number {
  const q = Math.sqrt(-2 * Math.log(1 - p));
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const top = c.reduce((sum, each) => sum * q + each, 0);
  const bottom = d.reduce((sum, each) => sum * q + each, 0) * q + 1;
  return -top / bottom;
}
