/** Availability of replicated parts whose machines fail independently of each other. */

import type { OperationsEffort } from '../pattern.ts';

/** How long a lost machine stays away, against the usual: with nobody looking after it daily, days instead of hours. */
const repairTimes: Readonly<Record<OperationsEffort, number>> = { low: 5, medium: 1, high: 0.5 };

/** The share of time that a machine is away, unavailability being proportional to the time of repair. */
export function unavailabilityWith(effort: OperationsEffort, usual: number): number {
  return Math.min(0.5, usual * repairTimes[effort]);
}

/** At least `needed` of `total` are up: a binomial tail. */
export function availabilityOfQuorum(machineUnavailability: number, needed: number, total: number): number {
  let sum = 0;
  for (let up = needed; up <= total; up++) {
    sum += choose(total, up) * (1 - machineUnavailability) ** up * machineUnavailability ** (total - up);
  }
  return sum;
}

/** The least number of copies whose availability reaches `target`, at most `max`; null when none does. */
export function copiesFor(target: number, machineUnavailability: number, max: number): number | null {
  for (let copies = 1; copies <= max; copies++) {
    // What is left out of 1, compared as such: 1 − u^n rounds to 1 long before u^n is nothing.
    if (machineUnavailability ** copies <= (1 - target) * (1 + 1e-9)) return copies;
  }
  return null;
}

/**
 * Share of the time that failovers take: a machine is lost u / repair times a ms (the renewal rate of up and down, for
 * small u), and each loss takes `failoverMs`.
 */
export function failoverShare(machineUnavailability: number, machineRepairMs: number, failoverMs: number): number {
  return (machineUnavailability / machineRepairMs) * failoverMs;
}

export const yearMs = 8766 * 3_600_000;

/** Seconds a month of 30 days. */
export function secondsAMonth(share: number): number {
  return share * 2_592_000;
}

function choose(n: number, k: number): number {
  let product = 1;
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i;
  return product;
}
