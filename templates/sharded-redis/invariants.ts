/** What holds of every history of the store, and of the store itself when it is at rest. */

import keySlot from 'cluster-key-slot';
import * as z from 'zod';
import { checkRegisters, type LossWindow, type RegisterFindings } from '../../src/checkers/register.ts';
import { invariantResult } from '../../src/checkers/result.ts';
import type { CheckInput, FaultKind, FaultWindow, InvariantResult, Invariants } from '../../src/pattern.ts';
import { itemUse } from './access.ts';
import { faultTargets, probe } from './probe.ts';
import { shards } from './shards.ts';
import { judgeProbe } from './slots.ts';
import { storeOf } from './store.ts';

/** A killed or stopped server may acknowledge writes for as long after the fault's recorded start. */
const faultTakesMs = 250;
/** A write without an answer takes effect within this time, counted from the heal of a fault it ran into, or never. */
const lingerMs = 10_000;

function check(input: CheckInput): readonly InvariantResult[] {
  const atRest = judgeProbe(input.probe);
  // Another part's store has no load of its own: what can be said of it is how it stands.
  if (input.history.length === 0 && input.probe !== null) return atRest;
  const { level, stalenessMs } = input.requirements.consistency;
  const bound = level === 'eventual' ? null : level === 'linearizable' ? 0 : stalenessMs;
  const findings = checkRegisters(
    input.history.filter((entry) => entry.operation === 'write'),
    input.history.filter((entry) => entry.operation === 'read'),
    {
      stalenessMs: bound,
      mayBeAbsent: storeOf(input.sizing).mode === 'cache',
      losses: declaredLosses(input),
      lingerMs: lingerMs + longestFaultMs(input),
    },
  );
  return [
    noLostWrites(input, findings),
    noInventedValues(findings),
    ...(bound === null ? [] : [boundedStaleness(findings, bound)]),
    keysReadable(findings),
    ...atRest,
  ];
}

/**
 * A fault may lose what was acknowledged in the last `rpoMs` before it, of the keys of the shard that it hit. A primary that
 * was only stopped has a second such time when it goes on, and one that was cut off has its first `rpoMs` of that: it
 * acknowledges writes until it learns that it was replaced, or that it is alone. Where two faults overlap on one shard more
 * than one machine was lost at once, which no requirement speaks of: then anything of that time may be lost.
 */
function declaredLosses(input: CheckInput): readonly LossWindow[] {
  const { rpoMs } = input.requirements.loss;
  const faults = storeFaults(input);
  const recoveryMs = input.requirements.availability.recoveryMs;
  const doubled = faults.flatMap((fault, i) =>
    faults.slice(i + 1).flatMap((other) => {
      const apart = other.startMs > fault.healedMs + recoveryMs || fault.startMs > other.healedMs + recoveryMs;
      if (apart || !mayLose(fault) || !mayLose(other) || fault.instance === other.instance) return [];
      const [one, two] = [coverOf(fault), coverOf(other)];
      const fromMs = Math.min(fault.startMs, other.startMs) - rpoMs;
      const toMs = Math.max(fault.healedMs, other.healedMs) + rpoMs + faultTakesMs;
      return [{ fromMs, toMs, covers: (key: string) => one(key) && two(key) }];
    }),
  );
  const single = rpoMs === 0 ? [] : faults.flatMap((fault) => windowsOf(fault, rpoMs));
  return [...single, ...doubled];
}

/** The others end no process and cut nobody off: what was acknowledged is there when they are over. */
const losing: readonly FaultKind[] = ['kill', 'power', 'pause', 'partition'];
const mayLose = ({ kind }: FaultWindow) => losing.includes(kind);

function windowsOf(fault: FaultWindow, rpoMs: number): readonly LossWindow[] {
  const { kind, startMs, healedMs } = fault;
  const covers = coverOf(fault);
  const before = { fromMs: startMs - rpoMs, toMs: startMs + faultTakesMs, covers };
  const after = { fromMs: healedMs - faultTakesMs, toMs: healedMs + rpoMs, covers };
  if (kind === 'kill' || kind === 'power') return [before];
  if (kind === 'pause') return [before, after];
  return kind === 'partition' ? [{ ...before, toMs: startMs + rpoMs + faultTakesMs }, after] : [];
}

const scopeShape = z.object({ slots: z.array(z.tuple([z.number(), z.number()])) });

/** The keys of the shard; where nobody knows it, every key. */
function coverOf({ scope }: FaultWindow): (key: string) => boolean {
  const read = scopeShape.safeParse(scope);
  if (!read.success || read.data.slots.length === 0) return () => true;
  const { slots } = read.data;
  return (key) => {
    const slot = keySlot(key);
    return slots.some(([from, to]) => slot >= from && slot <= to);
  };
}

function storeFaults(input: CheckInput): CheckInput['faults'] {
  return input.faults.filter((fault) => fault.hit && fault.set === `${input.part}-redis`);
}

function longestFaultMs(input: CheckInput): number {
  return Math.max(0, ...input.faults.map(({ startMs, healedMs }) => healedMs - startMs));
}

function noLostWrites(input: CheckInput, findings: RegisterFindings): InvariantResult {
  const faults = storeFaults(input);
  const violations = findings.lost.map(({ read, by, lost, sinceMs }) => {
    const returned = read.result === 0 ? 'nothing' : `version ${read.result}`;
    const earlier = lost === 1 ? '' : ` and ${lost - 1} others since ${Math.round(by.answeredMs! - sinceMs)} ms before`;
    const sentence =
      `key ${read.key} returned ${returned} at the end, but version ${by.value}${earlier} had been acknowledged, ` +
      whenOf(by.answeredMs!, input);
    return { severity: lost, sentence };
  });
  const count = findings.lost.reduce((sum, { lost }) => sum + lost, 0);
  const { rpoMs } = input.requirements.loss;
  const note =
    `${findings.writesReadBack} acknowledged writes of ${findings.keysReadBack} keys read back, ${faults.length} faults; ` +
    `${count} lost, and ${findings.lostAsDeclared} more within the ${rpoMs} ms before a fault that may be lost`;
  const title = 'no acknowledged write is lost beyond what was declared';
  return invariantResult({ id: 'no-lost-writes', title, note }, findings.writesReadBack, violations, count);
}

/** A moment as people find it on the report's time axis, and beside the fault that it goes with. */
function whenOf(atMs: number, input: CheckInput): string {
  const intoRun = `${Math.round(atMs - (input.history[0]?.sentMs ?? 0))} ms into the run`;
  const fault = storeFaults(input).at(-1);
  if (fault === undefined) return intoRun;
  const offset = Math.round(atMs - fault.startMs);
  const side = offset < 0 ? 'before' : 'after';
  return `${intoRun} (${Math.abs(offset)} ms ${side} the ${fault.kind} of ${fault.instance})`;
}

function noInventedValues(findings: RegisterFindings): InvariantResult {
  const violations = findings.invented.map(({ read, why }) => {
    const returned = read.result > 0 ? `version ${read.result}, ${why}` : 'a value that is no item of the key';
    return { severity: 1, sentence: `a read of key ${read.key} returned ${returned}` };
  });
  const note = `${findings.reads} answered reads, each compared with what was written`;
  return invariantResult(
    { id: 'no-invented-values', title: 'every value read had been written', note },
    findings.reads,
    violations,
  );
}

function boundedStaleness(findings: RegisterFindings, boundMs: number): InvariantResult {
  const violations = findings.stale.map(({ read, by }) => {
    const ageMs = read.sentMs - by.answeredMs!;
    const returned = read.result === 0 ? 'nothing' : `version ${read.result}`;
    const sentence = `key ${read.key} returned ${returned} ${Math.round(ageMs)} ms after version ${by.value} was acknowledged`;
    return { severity: ageMs, sentence };
  });
  const reads =
    findings.readsBound > 0 ? `${findings.readsBound} such reads` : 'no such read: the run is too short for it';
  const note = `a read sent more than ${boundMs} ms after an acknowledgement must see it; ${reads}`;
  const about = { id: 'bounded-staleness', title: 'reads are no older than the consistency asked for', note };
  return invariantResult(about, findings.readsBound, violations);
}

function keysReadable(findings: RegisterFindings): InvariantResult {
  const violations = findings.unreadable.map((key) => ({
    severity: 1,
    sentence: `key ${key} was written and acknowledged, but no final read of it was answered`,
  }));
  const note = `${findings.keysReadBack} keys answered a final read after recovery`;
  const about = { id: 'keys-readable', title: 'every key can be read after recovery', note };
  return invariantResult(about, findings.keysReadBack + violations.length, violations);
}

/** The service puts its prefix before an item's key. */
const storedKey = (key: string) => `${itemUse.keyPrefixes[0] ?? ''}${key}`;

export default { check, probe, faultTargets, shards, storedKey } satisfies Invariants;
