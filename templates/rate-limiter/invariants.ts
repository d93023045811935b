/** What holds of every history of the limiter: it admits no more than its policy, and denies nobody who is below it. */

import { byKey } from '../../src/checkers/by-key.ts';
import { invariantResult, type Violation } from '../../src/checkers/result.ts';
import { type AdmissionWindow, type Allowance, type Bucket, worstWindow } from '../../src/checkers/window-admission.ts';
import { type Consumption, wrongDenials } from '../../src/checkers/wrong-denial.ts';
import type {
  CheckInput,
  FaultTarget,
  FaultWindow,
  HistoryEntry,
  InvariantResult,
  Invariants,
} from '../../src/pattern.ts';
import { type BenchPolicy, policyOf, storedKey } from './policy.ts';
import { ruling } from './ruling.ts';

/** The store counts in whole microseconds and the history in fractions of a millisecond. */
const clockSlackMs = 1;
/** Where a store's clock steps further, its buckets are emptied; up to that, time stands still or leaps. */
const largestStepMs = 1000;
/** Sums of costs and of rate × time as floating point give them. */
const roundingUnits = 1e-6;
/** A check without an answer consumes within this time or not at all: the service gives its store less. */
const lingerMs = 10_000;

function check(input: CheckInput): readonly InvariantResult[] {
  const policy = policyOf(input.sizing);
  const keys = byKey(input.history);
  return [noOverAdmission(input, policy, keys), noWrongDenial(input, policy, keys)];
}

type Keys = ReadonlyMap<string, readonly HistoryEntry[]>;

/** Admissions that one bucket a key must explain. */
interface Claim {
  readonly covers: (entry: HistoryEntry) => boolean;
  readonly bucket: Bucket;
  readonly allowances: readonly Allowance[];
}

/** The fullest window of a key and claim. */
interface Fullest {
  readonly key: string;
  readonly window: AdmissionWindow;
}

/** What each instance holds of a key was charged before, so that a window may have it beside what is charged within. */
const leasedUnits = ({ instances, leaseChunk }: BenchPolicy) => instances * leaseChunk;

function noOverAdmission(input: CheckInput, policy: BenchPolicy, keys: Keys): InvariantResult {
  const slack = policy.ratePerMs * clockSlackMs + roundingUnits + leasedUnits(policy);
  const { claims, declared } = claimsOf(input, policy);
  let checked = 0;
  let denials = 0;
  const fullest: Fullest[] = [];
  for (const [key, entries] of keys) {
    denials += entries.filter((entry) => isAnswered(entry, ruling.denied)).length;
    for (const { covers, bucket, allowances } of claims) {
      const admitted = entries.filter(covers).map(asAnswered);
      checked += admitted.length;
      const window = worstWindow(admitted, bucket, allowances);
      if (window !== null) fullest.push({ key, window });
    }
  }
  const violations = fullest
    .filter(({ window }) => window.excess > slack)
    .map(({ key, window }) => ({ severity: window.excess, sentence: overAdmitted(key, window, input) }));
  const worst = fullest.reduce<Fullest | null>((a, b) => (a && a.window.excess >= b.window.excess ? a : b), null);
  const note =
    `any window of t ms admits at most ${policy.burst} + ${round(policy.ratePerMs)} × t units, slack ${round(slack)} ` +
    `(${clockSlackMs} ms of clock${leased(policy)})${declared}; ${denials} denials; ` +
    (worst === null ? 'no admission' : `fullest window: ${figures(worst.window)} (key ${worst.key})`);
  const about = { id: 'no-over-admission', title: 'no window admits more than the burst and the rate', note };
  // Where nobody was ever denied, the limit was never reached.
  return invariantResult(about, denials > 0 ? checked : 0, violations);
}

function leased({ instances, leaseChunk }: BenchPolicy): string {
  return leaseChunk === 0 ? '' : `, ${instances} instances × ${leaseChunk} units leased`;
}

function leapt(steps: CheckInput['clockSteps']): string {
  const forwardMs = steps.reduce((sum, { byMs }) => sum + Math.max(0, byMs), 0);
  return forwardMs === 0 ? '' : `; the machine’s wall clock went forward by up to ${round(forwardMs)} ms`;
}

function overAdmitted(key: string, window: AdmissionWindow, input: CheckInput): string {
  const sinceMs = window.fromMs - (input.history[0]?.sentMs ?? 0);
  return `key ${key} was admitted ${figures(window)}, ${round(window.excess)} too many, ${round(sinceMs)} ms into the run`;
}

function figures({ fromMs, toMs, admitted, allowed }: AdmissionWindow): string {
  return `${admitted} units within ${round(toMs - fromMs)} ms where ${round(allowed)} are allowed`;
}

/**
 * Which admissions each bucket must explain. What was decided without the store is declared apart: an open policy does
 * not limit then, a local one shares its limit between the instances, and a closed one admits nobody, so that any such
 * admission counts with the others.
 */
function claimsOf(input: CheckInput, policy: BenchPolicy): { claims: readonly Claim[]; declared: string } {
  const failovers = policy.failoverLossMs === 0 ? [] : storeFaults(input);
  const units = policy.burst + policy.ratePerMs * policy.failoverLossMs;
  const added = grown(input, policy).map(({ span, leased }) => ({ ...span, units: leased }));
  const leaps = input.clockSteps.map((step) => ({ ...step, units: policy.ratePerMs * Math.max(0, step.byMs) }));
  const allowances = [...failovers.map((fault) => ({ ...disturbance(fault, input), units })), ...added, ...leaps];
  const forgotten =
    (failovers.length === 0 ? '' : `; ${failovers.length} failovers may admit ${round(units)} more each`) +
    leapt(input.clockSteps) +
    added.map((one) => `; ${round(one.units)} more leased by instances that were added for a time`).join('');
  const withStore = (entry: HistoryEntry) => isAnswered(entry, ruling.admitted);
  const withoutStore = (entry: HistoryEntry) => isAnswered(entry, ruling.admittedWithoutStore);
  if (input.options.onStoreFailure === 'open') {
    const declared = `${forgotten}; not limited where the store did not answer`;
    return { claims: [{ covers: withStore, bucket: policy, allowances }], declared };
  }
  if (input.options.onStoreFailure !== 'local') {
    return { claims: [{ covers: isAdmission, bucket: policy, allowances }], declared: forgotten };
  }
  // Each instance has a burst of at least 1, and an instance that restarts has its share anew.
  const bucket = { ...policy, burst: Math.max(policy.burst, policy.instances) };
  const renewed = ownFaults(input).map((fault) => ({ ...disturbance(fault, input), units: renewedBy(fault, bucket) }));
  return {
    claims: [
      { covers: withStore, bucket: policy, allowances },
      { covers: withoutStore, bucket, allowances: renewed },
    ],
    declared: `${forgotten}; as much again where the store did not answer (local on store failure)`,
  };
}

/**
 * Faults of another part are its store's: while one is away and until the store has recovered, checks are decided without
 * it, as the policy says.
 */
function storeFaults(input: CheckInput): readonly FaultWindow[] {
  return input.faults.filter((fault) => fault.hit && fault.part !== input.part);
}

/** Times in which checks may be denied without the store, or by emptied buckets. */
function storeDisturbances(input: CheckInput): readonly Span[] {
  const { recoveryMs } = input.requirements.availability;
  const steps = input.clockSteps.filter(({ byMs }) => Math.abs(byMs) > largestStepMs);
  return [
    ...storeFaults(input).map((fault) => disturbance(fault, input)),
    ...steps.map(({ fromMs, toMs }) => ({ fromMs, toMs: toMs + recoveryMs })),
  ];
}

/** While a clock that was set back has not come to where it was, nothing drains: as if that had been taken. */
function stoodStill({ clockSteps }: CheckInput, { ratePerMs }: BenchPolicy): readonly Consumption[] {
  return clockSteps
    .filter(({ byMs }) => byMs < 0)
    .map(({ fromMs, toMs, byMs }) => ({ fromMs, byMs: toMs - byMs, units: -byMs * ratePerMs }));
}

/** Faults of the limiter's own instances. */
function ownFaults(input: CheckInput): readonly FaultWindow[] {
  return input.faults.filter((fault) => fault.hit && fault.part === input.part);
}

/** A change of size restarts all, twice, and the shares of more and of fewer instances are in force side by side. */
function renewedBy({ sizing, startMs, healedMs }: FaultWindow, { burst, ratePerMs }: Bucket): number {
  return sizing === undefined ? burst : 2 * burst + ratePerMs * (healedMs - startMs);
}

/** While there are more instances, those have leased units, too. */
function grown(input: CheckInput, policy: BenchPolicy): readonly { span: Span; leased: number }[] {
  return ownFaults(input).flatMap((fault) => {
    if (fault.sizing === undefined) return [];
    const { instances, leaseChunk } = policyOf(fault.sizing);
    const leased = Math.max(0, instances - policy.instances) * leaseChunk;
    return leased === 0 ? [] : [{ span: disturbance(fault, input), leased }];
  });
}

/** What an instance that dies, or sleeps, has leased of a key is spent by nobody. */
function lostWithInstances(input: CheckInput, { leaseChunk }: BenchPolicy): readonly Consumption[] {
  if (leaseChunk === 0) return [];
  return ownFaults(input).map((fault) => {
    const { fromMs, toMs } = disturbance(fault, input);
    return { fromMs, byMs: toMs, units: leaseChunk };
  });
}

/** Units leased by instances that are there for a time may be spent by nobody, too. */
function heldByMore(input: CheckInput, policy: BenchPolicy): readonly Consumption[] {
  return grown(input, policy).map(({ span, leased }) => ({ fromMs: span.fromMs, byMs: span.toMs, units: leased }));
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

function disturbance(fault: FaultWindow, input: CheckInput): Span {
  return { fromMs: fault.startMs, toMs: fault.healedMs + input.requirements.availability.recoveryMs };
}

function overlaps(entry: HistoryEntry, { fromMs, toMs }: Span): boolean {
  return entry.sentMs <= toMs && (entry.answeredMs ?? Number.POSITIVE_INFINITY) >= fromMs;
}

/**
 * A bucket starts with an unknown level (the store may have restarted just before the run) and restarts empty after a
 * fault of the store; both count as a burst taken. Denials while the store is disturbed are declared, not judged. A denial
 * without the store's word says nothing of a caller's level: such a check was not served, and the load counts it as failed.
 */
function noWrongDenial(input: CheckInput, policy: BenchPolicy, keys: Keys): InvariantResult {
  // What instances hold, and what has come back to the store since one of them asked.
  const slack = policy.ratePerMs * clockSlackMs + roundingUnits + leasedUnits(policy) + policy.leaseChunk;
  const spans = storeDisturbances(input);
  const elsewhere = [...lostWithInstances(input, policy), ...heldByMore(input, policy), ...stoodStill(input, policy)];
  const startMs = input.history[0]?.sentMs ?? 0;
  const beforeTheRun = { fromMs: startMs - 1, toMs: startMs - 1 };
  let judged = 0;
  let admitted = 0;
  let unserved = 0;
  const violations: Violation[] = [];
  for (const [key, entries] of keys) {
    const denied = entries.filter(
      (entry) => isAnswered(entry, ruling.denied) && !spans.some((span) => overlaps(entry, span)),
    );
    const resets = [beforeTheRun, ...spans].map((span) => resetAfter(span, entries, policy.burst));
    const taken = entries.filter(mayHaveTaken).map(asConsumption);
    admitted += entries.filter(isAdmission).length;
    judged += denied.length;
    unserved += entries.filter((entry) => isAnswered(entry, ruling.deniedWithoutStore)).length;
    const consumed = [...resets, ...elsewhere, ...taken];
    for (const wrong of wrongDenials(consumed, denied.map(asAnswered), policy, slack)) {
      const sentence =
        `key ${key} was denied ${wrong.cost} units with at least ${round(wrong.tokens)} left, ` +
        `${round(wrong.sentMs - startMs)} ms into the run`;
      violations.push({ severity: wrong.tokens - wrong.cost, sentence });
    }
  }
  const below = admitted + violations.length;
  const { target } = input.requirements.availability;
  const note =
    `${violations.length} of ${below} checks below the limit were denied; an availability of ${target} allows ` +
    `${round((1 - target) * below)}${spans.length === 0 ? '' : '; denials while the store was disturbed are declared'}` +
    (unserved === 0 ? '' : `; ${unserved} more were denied without the store, and are no part of this`);
  const about = { id: 'no-wrong-denial', title: 'callers below their limit are admitted', note };
  return invariantResult(about, admitted + judged, violations.length > (1 - target) * below ? violations : []);
}

/** The store empties a bucket at the first check that it rules on after the fault, which may be long after it. */
function resetAfter({ fromMs, toMs }: Span, entries: readonly HistoryEntry[], units: number): Consumption {
  const first = entries.find(
    (entry) => entry.sentMs > toMs && (isAnswered(entry, ruling.admitted) || isAnswered(entry, ruling.denied)),
  );
  return { fromMs, byMs: first?.answeredMs ?? toMs, units };
}

function isAnswered(entry: HistoryEntry, result: number): boolean {
  return entry.outcome === 'ok' && entry.answeredMs !== null && entry.result === result;
}

function isAdmission(entry: HistoryEntry): boolean {
  return isAnswered(entry, ruling.admitted) || isAnswered(entry, ruling.admittedWithoutStore);
}

function mayHaveTaken(entry: HistoryEntry): boolean {
  return entry.outcome === 'unknown' || isAdmission(entry) || isAnswered(entry, ruling.deniedWithoutStore);
}

function asAnswered({ sentMs, answeredMs, value }: HistoryEntry): { sentMs: number; answeredMs: number; cost: number } {
  return { sentMs, answeredMs: answeredMs!, cost: value };
}

/** The store may still take the units of a check that it has not answered itself. */
function asConsumption(entry: HistoryEntry): Consumption {
  const { sentMs, answeredMs, value } = entry;
  const certain = answeredMs !== null && isAdmission(entry);
  return { fromMs: sentMs, byMs: certain ? answeredMs : sentMs + lingerMs, units: value };
}

function round(value: number): number {
  return Number(value.toPrecision(6));
}

const anyInstance: FaultTarget = {
  role: 'instance',
  find: async (instances) => instances.filter(({ kind }) => kind === 'service').map(({ id }) => id),
  async readClockMs({ host, ports }) {
    const response = await fetch(`http://${host}:${ports.http}/livez`);
    return new Date(response.headers.get('date') ?? '').getTime();
  },
};

export default { check, faultTargets: [anyInstance], storedKey } satisfies Invariants;
