/**
 * The generic cell rate algorithm as pure integer arithmetic: the model that the store's script follows, and what the
 * `local` fallback runs on.
 *
 * A key's whole state is its theoretical arrival time (TAT), the moment at which it will have drained. Its debt at a
 * moment is TAT − now; a unit adds one emission interval (period ÷ limit); a check of cost c is admitted when
 * debt + c × interval ≤ burst × interval. So any window t admits at most burst + t × limit ÷ period.
 *
 * An interval is seldom a whole number of microseconds (3 a second is 333333⅓ µs), and rounding it either admits too
 * much or refuses a caller who keeps exactly to the rate. Debt is therefore counted in ticks, `ticksPerUs` of which make
 * a microsecond, chosen for each policy so that the interval is a whole number of ticks. Every number stays below 2^53,
 * where the doubles of JavaScript and Lua are exact.
 */

/** What a policy promises: `limit` units every `periodMs`, `burst` of them at once. All are integers ≥ 1. */
export interface Quota {
  readonly limit: number;
  readonly periodMs: number;
  readonly burst: number;
}

/** A quota in ticks. */
export interface Rate {
  readonly ticksPerUs: number;
  /** The emission interval: what one unit adds to the debt. */
  readonly unitTicks: number;
  /** The debt at which nothing more is admitted: burst × unitTicks. */
  readonly capacityTicks: number;
  readonly burst: number;
}

/** A key's TAT: `tatUs` µs and `ticks` more, fewer than a µs has. A key never seen has none. */
export interface KeyState {
  readonly tatUs: number;
  readonly ticks: number;
}

/** Debt and charge are each at most this, so that their sum is exact. */
const maxTicks = 2 ** 51;

/** The longest time in which a burst may refill: ten years. */
export const maxRefillMs = 10 * 366 * 86_400_000;

/** How long an empty key needs to be full again, in ms. */
export function refillMs(quota: Quota): number {
  return (quota.burst * quota.periodMs) / quota.limit;
}

/**
 * The quota in ticks. Exact where burst × period, in lowest terms with the limit, fits 2^51; else the interval is rounded
 * up by less than one part in 2^51 ÷ burst, so that it never admits more.
 * @throws RangeError when a burst needs longer than {@link maxRefillMs} to refill.
 */
export function compileRate(quota: Quota): Rate {
  if (refillMs(quota) > maxRefillMs) throw new RangeError('the burst takes more than ten years to refill');
  const periodUs = quota.periodMs * 1000;
  const divisor = greatestCommonDivisor(periodUs, quota.limit);
  const exact = { ticksPerUs: quota.limit / divisor, unitTicks: periodUs / divisor };
  const { ticksPerUs, unitTicks } =
    quota.burst * exact.unitTicks <= maxTicks && exact.ticksPerUs <= maxTicks ? exact : roundedUp(quota);
  return { ticksPerUs, unitTicks, capacityTicks: quota.burst * unitTicks, burst: quota.burst };
}

function roundedUp({ limit, periodMs, burst }: Quota): { ticksPerUs: number; unitTicks: number } {
  const periodUs = BigInt(periodMs) * 1000n;
  // Half of the room, so that rounding the interval up cannot pass maxTicks.
  const ticksPerUs = (BigInt(maxTicks / 2) * BigInt(limit)) / (BigInt(burst) * periodUs);
  const unitTicks = (ticksPerUs * periodUs + BigInt(limit) - 1n) / BigInt(limit);
  return { ticksPerUs: Number(ticksPerUs), unitTicks: Number(unitTicks) };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The debt in ticks at a moment, at most the capacity (more can only be left over from a policy since replaced). */
export function debtAt(rate: Rate, state: KeyState | undefined, nowUs: number): number {
  if (state === undefined) return 0;
  const debt = (state.tatUs - nowUs) * rate.ticksPerUs + Math.min(state.ticks, rate.ticksPerUs);
  return Math.min(Math.max(debt, 0), rate.capacityTicks);
}

/** The TAT of a key that owes `debtTicks` at a moment. */
export function stateOf(rate: Rate, debtTicks: number, nowUs: number): KeyState {
  const us = Math.floor(debtTicks / rate.ticksPerUs);
  return { tatUs: nowUs + us, ticks: debtTicks - us * rate.ticksPerUs };
}

/** Whether `cost` fits at this debt, and the debt afterwards (unchanged when it does not fit). */
export function take(rate: Rate, debtTicks: number, cost: number): { allowed: boolean; debtTicks: number } {
  const after = debtTicks + cost * rate.unitTicks;
  return after <= rate.capacityTicks ? { allowed: true, debtTicks: after } : { allowed: false, debtTicks };
}

/** What a caller is told of a key. */
export interface Standing {
  /** Whole units that fit now. */
  readonly remaining: number;
  /** Until all of the burst is there again, rounded up. */
  readonly resetMs: number;
  /** Until `cost` fits, rounded up; 0 when it fits now. */
  readonly retryAfterMs: number;
  /** Until one unit more than `remaining` fits, rounded up; 0 when the burst is full. */
  readonly nextUnitMs: number;
}

/** The standing of a key that owes `debtTicks`; `cost` is what the caller is still refused, 0 when it was admitted. */
export function standing(rate: Rate, debtTicks: number, cost: number): Standing {
  const { ticksPerUs, unitTicks, capacityTicks, burst } = rate;
  const ticksPerMs = ticksPerUs * 1000;
  const msUntilFits = (units: number) =>
    Math.max(0, Math.ceil((debtTicks + units * unitTicks - capacityTicks) / ticksPerMs));
  const remaining = Math.floor((capacityTicks - debtTicks) / unitTicks);
  return {
    remaining,
    resetMs: Math.ceil(debtTicks / ticksPerMs),
    retryAfterMs: cost === 0 ? 0 : msUntilFits(cost),
    nextUnitMs: remaining >= burst ? 0 : msUntilFits(remaining + 1),
  };
}
