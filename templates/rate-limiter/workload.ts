/**
 * Checks of one policy. A few hot keys get several times what the policy gives them, so that the limit is reached and
 * held under concurrency; one more such share goes to visitors that take turns, because a caller who comes back with a
 * full bucket finds faults that one who never stops does not (a counter that starts anew each period admits two bursts).
 * The rest of the load goes to many cold keys, each far below the limit. Checks are no writes: every worker uses every
 * key, so that a hot key is asked about from all sides at once.
 */

import { keyDraw, uniform } from '../../src/key-skew.ts';
import type {
  Json,
  Judgement,
  Workload,
  WorkloadContext,
  WorkloadRequest,
  WorkloadResponse,
  WorkloadRun,
} from '../../src/pattern.ts';
import type { Random } from '../../src/random.ts';
import { policyOf } from './policy.ts';
import { ruling } from './ruling.ts';

export const keyMix = {
  /** Share of the checks that go to hot keys, where the load is high enough to leave the choice. */
  hotShare: 0.3,
  maxHotShare: 0.9,
  maxHotKeys: 16,
  /** A hot key asks for this many times the policy's rate, and for its burst at least every so often. */
  hotOverload: 4,
  drainBurstMs: 2000,
  /** Visitors, and how long one stays: as long as its bucket takes to fill again, within these bounds. */
  visitors: 8,
  minVisitMs: 500,
  maxVisitMs: 5000,
  /** A cold key asks for this part of the policy's rate on average. */
  coldLoad: 0.25,
  minColdKeys: 100,
  maxColdKeys: 200_000,
  /** Share of the checks that cost more than 1, and the most that one costs. */
  heavyShare: 0.1,
  maxCost: 5,
} as const;

export interface KeyMix {
  /** Keys that are always hot; the visitors share what one more would get. */
  readonly hotKeys: number;
  readonly visitMs: number;
  readonly coldKeys: number;
  /** Share of the checks that go to hot keys. */
  readonly hotShare: number;
  readonly maxCost: number;
}

/** The mix for a rate of checks per second, all workers together. */
export function mixFor(policy: { ratePerMs: number; burst: number }, checksPerSecond: number): KeyMix {
  const maxCost = Math.max(1, Math.min(keyMix.maxCost, Math.floor(policy.burst)));
  const meanCost = maxCost === 1 ? 1 : 1 + (keyMix.heavyShare * maxCost) / 2;
  const unitsPerSecond = checksPerSecond * meanCost;
  const perHotKey = Math.max(
    keyMix.hotOverload * policy.ratePerMs * 1000,
    policy.ratePerMs * 1000 + (policy.burst / keyMix.drainBurstMs) * 1000,
  );
  const hotShare = Math.min(keyMix.maxHotShare, Math.max(keyMix.hotShare, perHotKey / unitsPerSecond));
  const hotKeys = clamp(Math.floor((hotShare * unitsPerSecond) / perHotKey), 1, keyMix.maxHotKeys) - 1;
  const visitMs = clamp(policy.burst / policy.ratePerMs, keyMix.minVisitMs, keyMix.maxVisitMs);
  const coldUnitsPerSecond = (1 - hotShare) * unitsPerSecond;
  const coldKeys = clamp(
    Math.ceil(coldUnitsPerSecond / (keyMix.coldLoad * policy.ratePerMs * 1000)),
    keyMix.minColdKeys,
    keyMix.maxColdKeys,
  );
  return { hotKeys, visitMs, coldKeys, hotShare, maxCost };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

const operation = 'check';
const headers = { 'content-type': 'application/json' };

function checkRequest(policy: string, key: string, cost: number): WorkloadRequest {
  const body = JSON.stringify({ policy, key, cost });
  return { operation, method: 'POST', path: '/v1/check', headers, body, key, value: cost };
}

function create(context: WorkloadContext): WorkloadRun {
  const policy = policyOf(context.sizing);
  const checksPerSecond = Math.max(1, context.offeredLoad[operation] ?? 0);
  const mix = mixFor(policy, checksPerSecond);
  const checksPerVisit = Math.max(1, ((checksPerSecond / context.workerCount) * mix.visitMs) / 1000);
  // Keys of one seed are the bench's own; those of earlier runs are swept by the limiter when they are idle.
  const prefix = `bench-${context.seed.toString(36)}`;
  const coldKey = keyDraw(context.skew ?? uniform, mix.coldKeys);
  let checks = 0;
  const hotKey = (random: Random): string => {
    const drawn = random.integer(mix.hotKeys + 1);
    if (drawn < mix.hotKeys) return `${prefix}-hot-${drawn}`;
    // There is no clock here: time is what the worker's share of the load takes.
    return `${prefix}-hot-visitor-${Math.floor(checks / checksPerVisit) % keyMix.visitors}`;
  };
  return {
    next(_, random) {
      checks += 1;
      const hot = random.next() < mix.hotShare;
      const key = hot ? hotKey(random) : `${prefix}-cold-${coldKey(random)}`;
      return checkRequest(policy.name, key, costOf(mix, random));
    },
    judge: (_, response) => judge(response, context.options.onStoreFailure),
  };
}

function costOf(mix: KeyMix, random: Random): number {
  return mix.maxCost > 1 && random.next() < keyMix.heavyShare ? 2 + random.integer(mix.maxCost - 1) : 1;
}

/**
 * Admitted is what a caller takes for admitted: status 200, whatever the body. Without an answer the check may have
 * consumed, but nobody was admitted. Where a limiter denies because it can't reach its store, the caller was not served: that
 * counts as a failed request, while to admit or to count by itself then is what was asked for.
 */
function judge(response: WorkloadResponse | null, onStoreFailure: Json | undefined): Judgement {
  if (response === null || response.status >= 500) return { outcome: 'unknown', correct: false, result: ruling.denied };
  const answer = parseAnswer(response.body);
  const withoutStore = answer?.reason === 'store' || answer?.reason === 'unreplicated';
  if (response.status === 200) {
    const result = withoutStore ? ruling.admittedWithoutStore : ruling.admitted;
    return { outcome: 'ok', correct: answer?.allowed === true, result };
  }
  if (response.status === 429) {
    const retryAfter = /^[1-9]\d*$/.test(response.headers['retry-after'] ?? '');
    const served = !withoutStore || onStoreFailure === 'local';
    const result = withoutStore ? ruling.deniedWithoutStore : ruling.denied;
    return { outcome: 'ok', correct: answer?.allowed === false && retryAfter && served, result };
  }
  return { outcome: 'fail', correct: false, result: ruling.denied };
}

interface Answer {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
  readonly retryAfterMs: number;
  /** Present when the decision is not the store's own. */
  readonly reason?: unknown;
}

/** Null when the body is not what the API promises. */
function parseAnswer(body: string): Answer | null {
  let answer: Partial<Record<keyof Answer, unknown>> | null;
  try {
    answer = JSON.parse(body);
  } catch {
    return null;
  }
  if (answer === null || typeof answer !== 'object' || typeof answer.allowed !== 'boolean') return null;
  const amounts = [answer.limit, answer.resetMs, answer.retryAfterMs];
  const right = Number.isInteger(answer.remaining) && (answer.remaining as number) >= 0 && amounts.every(isAmount);
  return right ? (answer as Answer) : null;
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** A last check of every hot key: after recovery the limit must hold as before. */
function finalReads(context: WorkloadContext, keys: readonly string[]): readonly WorkloadRequest[] {
  const { name } = policyOf(context.sizing);
  return keys.filter((key) => key.includes('-hot-')).map((key) => checkRequest(name, key, 1));
}

export default { create, finalReads } satisfies Workload;
