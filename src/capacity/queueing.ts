/**
 * Queues as they are: a single-threaded process is one server with general service times (M/G/1), whose load is split
 * by key skew. All times are in the unit of the service time given.
 */

import type { ServiceTime } from '../pattern.ts';

/** Mean wait of an M/G/1 queue: ρ·s·(1 + scv) / (2·(1 − ρ)) (Pollaczek–Khinchine). Infinite from ρ = 1 on. */
export function meanWaitMG1(ratePerUnit: number, meanService: number, scv: number): number {
  const load = ratePerUnit * meanService;
  if (load >= 1) return Number.POSITIVE_INFINITY;
  return (load * meanService * (1 + scv)) / (2 * (1 - load));
}

/**
 * Quantile of the wait of an M/G/1 queue by its exponential tail: P(W > t) ≈ ρ·exp(−ρ·t / E[W]), which is exact for
 * M/M/1 and the heavy-traffic limit else (Kingman 1962; Tijms, A First Course in Stochastic Models, 9.2).
 */
export function waitQuantileMG1(ratePerUnit: number, meanService: number, scv: number, quantile: number): number {
  const load = ratePerUnit * meanService;
  if (load >= 1) return Number.POSITIVE_INFINITY;
  const wait = meanWaitMG1(ratePerUnit, meanService, scv);
  return load <= 1 - quantile ? 0 : (wait / load) * Math.log(load / (1 - quantile));
}

/**
 * Quantile of wait and service together, bounded from above by the sum of both quantiles; the service time's by a
 * gamma-like tail: mean·(1 + scv·ln(1/(1 − q))).
 */
export function responseQuantileMG1(ratePerUnit: number, meanService: number, scv: number, quantile: number): number {
  const service = meanService * (1 + scv * Math.log(1 / (1 - quantile)));
  return waitQuantileMG1(ratePerUnit, meanService, scv, quantile) + service;
}

/** {@link responseQuantileMG1} at 0.99 in ms, for a rate per second and a service time in µs. */
export function p99Ms(ratePerSecond: number, time: Pick<ServiceTime, 'meanUs' | 'scv'>): number {
  return responseQuantileMG1(ratePerSecond / 1e6, time.meanUs, time.scv, 0.99) / 1000;
}

/** Mean wait of M/M/c: Erlang's C(c, a)·s / (c − a), with a = rate·s (Erlang 1917). */
export function meanWaitMMc(ratePerUnit: number, meanService: number, servers: number): number {
  const offered = ratePerUnit * meanService;
  if (offered >= servers) return Number.POSITIVE_INFINITY;
  let blocked = 1;
  for (let n = 1; n <= servers; n++) blocked = (offered * blocked) / (n + offered * blocked);
  const waiting = blocked / (1 - (offered / servers) * (1 - blocked));
  return (waiting * meanService) / (servers - offered);
}

/** The quantile that each of `count` independent answers must meet so that the slowest meets `quantile`: q^(1/n). */
export function quantileOfEach(quantile: number, count: number): number {
  return quantile ** (1 / count);
}

/**
 * Share of the load on the busiest of `shards` when `keys` keys are asked by Zipf's law with exponent `skew`: the
 * hottest key's share plus an even share of the rest.
 */
export function hottestShare(shards: number, keys: number, skew: number): number {
  const hottestKey = 1 / harmonic(Math.max(1, keys), skew);
  return Math.min(1, hottestKey + (1 - hottestKey) / shards);
}

/** Generalised harmonic number H(n, s); the tail beyond 1000 terms by its integral. */
function harmonic(count: number, exponent: number): number {
  const exact = Math.min(count, 1000);
  let sum = 0;
  for (let k = 1; k <= exact; k++) sum += k ** -exponent;
  if (count <= exact) return sum;
  return exponent === 1
    ? sum + Math.log(count / exact)
    : sum + (count ** (1 - exponent) - exact ** (1 - exponent)) / (1 - exponent);
}
