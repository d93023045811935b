/** From charges to decisions: the store's batches, sets that are taken whole or not at all, and what holds without a store. */

import type { Clock } from '@dsp/kit/clock';
import { type Answer, type Batcher, type Failure, isFailure } from './batcher.ts';
import type { Buckets, Charge, Refund, Ruling, Rulings } from './buckets.ts';
import { joinByField } from './check.ts';
import { blindDecision, type Decision, decisionOf, type Reason } from './decision.ts';
import type { Leased, Leases } from './leases.ts';
import type { LocalLimiter } from './local.ts';
import type { LimiterMetrics, Outcome } from './metrics.ts';

export interface DeciderOptions {
  readonly buckets: Pick<Buckets, 'indexOf' | 'refund'>;
  /** One a bucket. */
  readonly batchers: readonly Batcher[];
  readonly leases: Pick<Leases, 'open' | 'ask'>;
  readonly local: LocalLimiter;
  readonly clock: Clock;
  readonly metrics: LimiterMetrics;
  /** What a refused caller is told to wait when nobody knows its key. */
  readonly blindRetryMs: number;
}

export interface Decider {
  /** At once where the units are at hand. The promise never rejects. */
  one(charge: Charge): Decision | Promise<Decision>;
  /** The same for a key that is known to lease. */
  leased(key: Leased, cost: number): Decision | Promise<Decision>;
  /** All or nothing, save for policies in shadow mode. */
  set(charges: readonly Charge[]): Promise<Decision[]>;
}

/** The charges of a set that are in one bucket, and what became of them. */
interface Part {
  readonly index: number;
  readonly charges: readonly Charge[];
  readonly answer: Rulings | Failure;
}

export function createDecider(options: DeciderOptions): Decider {
  const { buckets, batchers, leases, metrics } = options;

  const settled = (charge: Charge, answer: Answer): Decision => {
    if (isFailure(answer)) return withoutStore(options, [charge], answer)[0] as Decision;
    return counted(metrics, decisionOf(charge.policy, charge.cost, answer));
  };
  const exact = (charge: Charge): Promise<Decision> => {
    const batcher = batchers[buckets.indexOf(charge.field)] as Batcher;
    return new Promise((resolve) => batcher.check(charge, (answer) => resolve(settled(charge, answer))));
  };
  const leased = (key: Leased, cost: number): Decision | Promise<Decision> => {
    const { policy, field } = key;
    const answer = leases.ask(key, cost);
    if (answer === undefined) return exact({ policy, field, cost });
    if (answer instanceof Promise) return answer.then((later) => settled({ policy, field, cost }, later));
    return counted(metrics, decisionOf(policy, cost, answer));
  };
  const one = (charge: Charge): Decision | Promise<Decision> => {
    const key = leases.open(charge);
    return key === undefined ? exact(charge) : leased(key, charge.cost);
  };
  /** Charges every bucket at once, and gives back what was taken when any of them refused. */
  const whole = async (charges: readonly Charge[]): Promise<Map<string, Decision>> => {
    const byBucket = new Map<number, Charge[]>();
    for (const charge of charges) {
      const index = buckets.indexOf(charge.field);
      const part = byBucket.get(index);
      if (part === undefined) byBucket.set(index, [charge]);
      else part.push(charge);
    }
    const parts = await Promise.all(
      [...byBucket].map(async ([index, part]): Promise<Part> => {
        return { index, charges: part, answer: await (batchers[index] as Batcher).checkAll(part) };
      }),
    );
    const failure = parts.map(({ answer }) => answer).find(isFailure);
    const granted = failure === undefined && parts.every(wasGranted);
    if (!granted) await refundAll(buckets, parts);
    const decisions = failure === undefined ? ofParts(parts, granted) : withoutStore(options, charges, failure, true);
    if (failure === undefined) for (const decision of decisions) counted(metrics, decision);
    const fields = failure === undefined ? parts.flatMap((part) => part.charges) : charges;
    return new Map(fields.map(({ field }, at) => [field, decisions[at] as Decision]));
  };

  return {
    one,
    leased,
    async set(charges) {
      const binding = charges.filter(({ policy }) => !policy.shadow);
      const [byField, shadows] = await Promise.all([
        binding.length > 0 ? whole(joinByField(binding)) : new Map<string, Decision>(),
        Promise.all(charges.map((charge) => (charge.policy.shadow ? one(charge) : undefined))),
      ]);
      return charges.map((charge, at) => shadows[at] ?? (byField.get(charge.field) as Decision));
    },
  };
}

function wasGranted({ answer }: Part): boolean {
  return !isFailure(answer) && answer.rulings.every(({ allowed }) => allowed);
}

/**
 * A bucket that refused its part has taken nothing. What is not given back (the store went away, or this process does)
 * only refuses more: it never admits more.
 */
async function refundAll(buckets: Pick<Buckets, 'refund'>, parts: readonly Part[]): Promise<void> {
  const taken = parts.filter(wasGranted);
  await Promise.allSettled(taken.map((part) => buckets.refund(part.index, refundsOf(part))));
}

function refundsOf({ charges, answer }: Part): Refund[] {
  const { atUs, rulings } = answer as Rulings;
  return charges.map(({ field, cost }, at) => {
    const { rate, debtTicks } = rulings[at] as Ruling;
    return { field, rate, units: cost, atUs, debtTicks };
  });
}

/** The decisions of a set that the store has ruled on, in the order of the parts' charges. */
function ofParts(parts: readonly Part[], granted: boolean): Decision[] {
  const ruled = parts.flatMap(({ charges, answer }) =>
    charges.map((charge, at) => ({ charge, ruling: (answer as Rulings).rulings[at] as Ruling })),
  );
  if (granted) return ruled.map(({ charge, ruling }) => decisionOf(charge.policy, charge.cost, ruling));
  const own = ruled.map(({ charge, ruling }) => {
    if (!ruling.allowed) return decisionOf(charge.policy, charge.cost, ruling);
    // Would have fitted, and nothing was taken in the end: as it stood before.
    const debtTicks = Math.max(0, ruling.debtTicks - charge.cost * ruling.rate.unitTicks);
    return decisionOf(charge.policy, charge.cost, { ...ruling, debtTicks, allowed: false }, 'set');
  });
  const retryAfterMs = Math.max(...own.map((decision) => decision.retryAfterMs));
  return own.map((decision) => ({ ...decision, retryAfterMs }));
}

/**
 * What holds when the store did not decide. Too few replicas is a refusal whatever the policy says: the store is there, and
 * an admission that a failover could forget is the very thing that waiting for replicas rules out.
 */
function withoutStore(
  options: DeciderOptions,
  charges: readonly Charge[],
  failure: Failure,
  atomic = false,
): Decision[] {
  const { local, clock, metrics, blindRetryMs } = options;
  const blind = ({ policy }: Charge, allowed: boolean, outcome: Outcome, reason: Reason = 'store') => {
    metrics.checked(policy.name, outcome);
    return blindDecision(policy, allowed, blindRetryMs, reason);
  };
  const anyClosed = atomic && charges.some(({ policy }) => policy.onStoreFailure === 'closed');
  const shared = charges.filter(({ policy }) => policy.onStoreFailure === 'local' && !policy.shadow);
  const asked = failure.failed === 'unavailable' && !anyClosed ? shared : [];
  const rulings = local.check(asked, Math.floor(clock.monotonicMs() * 1000), atomic);
  const refused = anyClosed || (atomic && rulings.some(({ allowed }) => !allowed));
  return charges.map((charge) => {
    const { name, onStoreFailure, shadow } = charge.policy;
    if (shadow) return blind(charge, true, 'store_open');
    if (failure.failed === 'unreplicated') return blind(charge, false, 'unreplicated', 'unreplicated');
    if (refused || onStoreFailure === 'closed') return blind(charge, false, 'store_closed');
    if (onStoreFailure === 'open') return blind(charge, true, 'store_open');
    const ruling = rulings[asked.indexOf(charge)] as Ruling;
    metrics.checked(name, ruling.allowed ? 'store_local_allowed' : 'store_local_denied');
    return decisionOf(charge.policy, charge.cost, ruling, 'store');
  });
}

function counted(metrics: LimiterMetrics, decision: Decision): Decision {
  metrics.checked(decision.policy.name, outcomeOf(decision));
  return decision;
}

function outcomeOf({ reason, allowed }: Decision): Outcome {
  if (reason === 'shadow') return 'shadow_denied';
  return allowed ? 'allowed' : 'denied';
}
