/**
 * Queues as they are: a single-threaded process is one server with general service times (M/G/1), whose load is split
 * by key skew. All times are in the unit of the service time given.
 */

import { hottestKeyShare } from '../key-skew.ts';
import type { ServiceTime } from '../pattern.ts';

/**
 * Mean wait of a G/G/1 queue: ρ·s·(ca² + cs²) / (2·(1 − ρ)) (Kingman 1961), with the squared coefficients of variation of
 * the times between arrivals and of the service. Exact for Poisson arrivals (ca² = 1: Pollaczek–Khinchine), an
 * approximation else. Infinite from ρ = 1 on.
 */
export function meanWaitGG1(ratePerUnit: number, meanService: number, arrivalScv: number, serviceScv: number): number {
  const load = ratePerUnit * meanService;
  if (load >= 1) return Number.POSITIVE_INFINITY;
  return (load * meanService * (arrivalScv + serviceScv)) / (2 * (1 - load));
}

/**
 * Quantile of the wait by its exponential tail: P(W > t) ≈ ρ·exp(−ρ·t / E[W]), which is exact for M/M/1 and the
 * heavy-traffic limit else (Kingman 1962; Tijms, A First Course in Stochastic Models, 9.2; Abate, Choudhury and Whitt,
 * Operations Research 43(5), 1995, on how close such tails are from the 90th percentile on).
 */
export function waitQuantileMG1(
  ratePerUnit: number,
  meanService: number,
  scv: number,
  quantile: number,
  arrivalScv = 1,
): number {
  const load = ratePerUnit * meanService;
  if (load >= 1) return Number.POSITIVE_INFINITY;
  const wait = meanWaitGG1(ratePerUnit, meanService, arrivalScv, scv);
  return load <= 1 - quantile ? 0 : (wait / load) * Math.log(load / (1 - quantile));
}

/**
 * Quantile of wait and service together, bounded from above by the sum of both quantiles; the service time's by a
 * gamma-like tail: mean·(1 + scv·ln(1/(1 − q))).
 */
export function responseQuantileMG1(
  ratePerUnit: number,
  meanService: number,
  scv: number,
  quantile: number,
  arrivalScv = 1,
): number {
  const service = meanService * (1 + scv * Math.log(1 / (1 - quantile)));
  return waitQuantileMG1(ratePerUnit, meanService, scv, quantile, arrivalScv) + service;
}

/** {@link responseQuantileMG1} at 0.99 in ms, for a rate per second and a service time in µs. */
export function p99Ms(ratePerSecond: number, time: Pick<ServiceTime, 'meanUs' | 'scv'>, arrivalScv = 1): number {
  return responseQuantileMG1(ratePerSecond / 1e6, time.meanUs, time.scv, 0.99, arrivalScv) / 1000;
}

/** Operations of one kind in a server's mix. */
export interface Served {
  readonly ratePerSecond: number;
  readonly meanUs: number;
  readonly scv: number;
}

/** The service time of a mix of operations: its mean, and its scv from E[S²] = Σ pᵢ·(scvᵢ + 1)·mᵢ². */
export function mixOf(kinds: readonly Served[]): Served {
  const sum = (of: (kind: Served) => number) => kinds.reduce((total, kind) => total + of(kind), 0);
  const rate = sum((kind) => kind.ratePerSecond);
  if (rate === 0) return { ratePerSecond: 0, meanUs: 0, scv: 0 };
  const mean = sum((kind) => kind.ratePerSecond * kind.meanUs) / rate;
  const square = sum((kind) => kind.ratePerSecond * (kind.scv + 1) * kind.meanUs ** 2) / rate;
  return { ratePerSecond: rate, meanUs: mean, scv: Math.max(0, square / mean ** 2 - 1) };
}

/**
 * Share of the load on the busiest of `shards` when `keys` keys are asked by Zipf's law with exponent `skew`: the
 * hottest key's share plus an even share of the rest.
 */
export function hottestShare(shards: number, keys: number, skew: number): number {
  const hottestKey = hottestKeyShare(keys, skew);
  return Math.min(1, hottestKey + (1 - hottestKey) / shards);
}

/**
 * Share of the load on the busiest of `shards` when it falls into `pieces` equal ones that are hashed to shards: the mean
 * and one standard deviation more (√mean, for a balls-into-bins count), and never less than one piece.
 */
export function busiestPieces(shards: number, pieces: number): number {
  const mean = pieces / shards;
  return Math.min(1, Math.max(1, mean + Math.sqrt(mean)) / pieces);
}

/** The least whole number from `from` to `to` that fits, when whatever is above one that fits does too; null: none. */
export function leastThat(fits: (value: number) => boolean, from: number, to: number): number | null {
  if (from > to || !fits(to)) return null;
  let [low, high] = [from, to];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The least number of equal single servers that share a rate, at least `from`: none loaded above `maxLoad`, and their p99
 * within `boundMs`, or as good as that of an idle one where that is all there is to gain.
 */
export function serversFor(
  ratePerSecond: number,
  time: Pick<ServiceTime, 'meanUs' | 'scv'>,
  { from, maxLoad, boundMs }: { readonly from: number; readonly maxLoad: number; readonly boundMs: number },
): number {
  const idleLoad = 0.05;
  const fits = (count: number) => {
    const load = (ratePerSecond * time.meanUs) / 1e6 / count;
    return load <= idleLoad || (load <= maxLoad && p99Ms(ratePerSecond / count, time) <= boundMs);
  };
  const surely = Math.ceil((ratePerSecond * time.meanUs) / 1e6 / idleLoad);
  return leastThat(fits, from, Math.max(from, surely)) ?? from;
}
