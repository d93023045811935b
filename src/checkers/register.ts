/**
 * Versioned registers, judged from outside: every write gives its key a version of its own, and every read returns the
 * version it saw (0: nothing there). Four things can be told from the intervals between sending and answer alone:
 * a read of what nobody wrote, a read older than what had been acknowledged before it, a final read that lacks
 * acknowledged writes, and a key that could not be read at the end.
 *
 * A write takes effect between its sending and its answer. One without an answer may take effect later, when a stopped
 * process wakes with the request still in its socket; `lingerMs` bounds that. Version a was replaced by b for certain
 * only when a had taken effect before b was sent, so concurrent writes accuse nobody.
 */

import { byKey } from './by-key.ts';
import type { HistoryEntry } from './history.ts';

/** An acknowledged write that took effect in [fromMs, toMs] may be lost: it was declared so. */
export interface LossWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /** Keys that it may be lost of; absent: any. */
  readonly covers?: (key: string) => boolean;
}

export interface RegisterRules {
  /** A read sent this long after an acknowledgement must see it; null: reads may be of any age. */
  readonly stalenessMs: number | null;
  /** Nothing there is a right answer at any time (a cache's miss). */
  readonly mayBeAbsent: boolean;
  readonly losses: readonly LossWindow[];
  /** How long after its sending a write without an answer may still take effect. */
  readonly lingerMs: number;
}

/** A read that returned less than it had to. */
export interface Overtaken {
  readonly read: HistoryEntry;
  /** The acknowledged write that replaced what was read, the latest one sent. */
  readonly by: HistoryEntry;
}

export interface Invented {
  readonly read: HistoryEntry;
  readonly why: 'never written' | 'written by a request that was answered as not run' | 'not yet sent';
}

/** A key whose last final read lacks acknowledged writes. */
export interface LostWrites extends Overtaken {
  /** Lost outside every loss window. */
  readonly lost: number;
  /** When the earliest of them was acknowledged. */
  readonly sinceMs: number;
}

export interface RegisterFindings {
  readonly writesAcknowledged: number;
  readonly reads: number;
  /** Reads that a staleness bound applied to: some write had been acknowledged that long before. */
  readonly readsBound: number;
  readonly invented: readonly Invented[];
  readonly stale: readonly Overtaken[];
  /** Acknowledged writes of keys that have a final read. */
  readonly writesReadBack: number;
  readonly lost: readonly LostWrites[];
  /** Acknowledged writes that are gone, within the loss windows. */
  readonly lostAsDeclared: number;
  /** Keys with an acknowledged write that no final read answered for, where final reads were sent for them. */
  readonly unreadable: readonly string[];
  readonly keysReadBack: number;
}

/**
 * `writes` carry the version in `value`; `reads` carry the version seen in `result`, and count when their outcome is
 * `ok`. Reads of phase `final` are held to no staleness but to every acknowledged write. O(n log n).
 */
export function checkRegisters(
  writes: readonly HistoryEntry[],
  reads: readonly HistoryEntry[],
  rules: RegisterRules,
): RegisterFindings {
  const registers = new Map<string, Register>();
  for (const [key, ofKey] of byKey(writes)) registers.set(key, new Register(ofKey, rules));
  const answered = reads.filter((read) => read.outcome === 'ok' && read.answeredMs !== null);
  const nobody = new Register([], rules);
  const invented: Invented[] = [];
  const stale: Overtaken[] = [];
  let readsBound = 0;
  for (const read of answered) {
    const register = registers.get(read.key) ?? nobody;
    const why = register.inventedBecause(read);
    if (why !== null) invented.push({ read, why });
    else if (rules.stalenessMs !== null && read.phase !== 'final') {
      const found = register.overtaken(read, rules.stalenessMs);
      if (found !== 'unbound') readsBound += 1;
      if (found !== 'unbound' && found !== 'current') stale.push({ read, by: found });
    }
  }
  return {
    writesAcknowledged: writes.filter((write) => write.outcome === 'ok').length,
    reads: answered.length,
    readsBound,
    invented,
    stale,
    ...readBack(registers, reads),
  };
}

type ReadBack = Pick<RegisterFindings, 'writesReadBack' | 'lost' | 'lostAsDeclared' | 'unreadable' | 'keysReadBack'>;

function readBack(registers: ReadonlyMap<string, Register>, reads: readonly HistoryEntry[]): ReadBack {
  const last = new Map<string, HistoryEntry>();
  const tried = new Set<string>();
  for (const read of reads) {
    if (read.phase !== 'final') continue;
    tried.add(read.key);
    if (read.outcome === 'ok' && read.answeredMs !== null) last.set(read.key, read);
  }
  const lost: LostWrites[] = [];
  let writesReadBack = 0;
  let lostAsDeclared = 0;
  for (const [key, read] of last) {
    const register = registers.get(key);
    if (register === undefined || register.inventedBecause(read) !== null) continue;
    writesReadBack += register.acknowledged.length;
    const gone = register.missing(read);
    const undeclared = gone.filter((write) => !register.isDeclaredLoss(write));
    lostAsDeclared += gone.length - undeclared.length;
    if (undeclared.length === 0) continue;
    const by = undeclared.reduce((a, b) => (b.sentMs > a.sentMs ? b : a));
    // In order of answer, as `acknowledged` is.
    lost.push({ read, by, lost: undeclared.length, sinceMs: undeclared[0]!.answeredMs! });
  }
  const unreadable = [...tried].filter((key) => !last.has(key) && (registers.get(key)?.acknowledged.length ?? 0) > 0);
  return { writesReadBack, lost, lostAsDeclared, unreadable, keysReadBack: last.size };
}

interface Version {
  sentMs: number;
  /** It took effect before; it may not have at all. */
  byMs: number;
  ranAtAll: boolean;
}

/** The writes of one key. */
class Register {
  /** Acknowledged writes in order of answer. */
  readonly acknowledged: readonly HistoryEntry[];
  readonly #rules: RegisterRules;
  readonly #versions = new Map<number, Version>();
  /** Of `acknowledged` without the declared losses: answers, and the latest-sent write up to each. */
  readonly #durableAnswers: Float64Array;
  readonly #latestSent: HistoryEntry[] = [];

  constructor(writes: readonly HistoryEntry[], rules: RegisterRules) {
    this.#rules = rules;
    for (const write of writes) this.#addVersion(write);
    this.acknowledged = writes
      .filter((write) => write.outcome === 'ok' && write.answeredMs !== null)
      .sort((a, b) => a.answeredMs! - b.answeredMs!);
    const durable = this.acknowledged.filter((write) => !this.isDeclaredLoss(write));
    this.#durableAnswers = Float64Array.from(durable, (write) => write.answeredMs!);
    let latest = durable[0];
    for (const write of durable) {
      if (latest === undefined || write.sentMs > latest.sentMs) latest = write;
      this.#latestSent.push(latest);
    }
  }

  /** A version sent twice (a repeated filling of the store) is one write that spans both. */
  #addVersion({ value, sentMs, answeredMs, outcome }: HistoryEntry): void {
    const byMs = outcome === 'ok' && answeredMs !== null ? answeredMs : sentMs + this.#rules.lingerMs;
    const known = this.#versions.get(value);
    if (known === undefined) {
      this.#versions.set(value, { sentMs, byMs, ranAtAll: outcome !== 'fail' });
      return;
    }
    known.sentMs = Math.min(known.sentMs, sentMs);
    known.byMs = Math.max(known.byMs, byMs);
    known.ranAtAll ||= outcome !== 'fail';
  }

  isDeclaredLoss(write: HistoryEntry): boolean {
    return this.#rules.losses.some(
      ({ fromMs, toMs, covers }) =>
        write.sentMs <= toMs && write.answeredMs! >= fromMs && (covers === undefined || covers(write.key)),
    );
  }

  inventedBecause(read: HistoryEntry): Invented['why'] | null {
    if (read.result === 0) return null;
    const version = this.#versions.get(read.result);
    if (version === undefined) return 'never written';
    if (!version.ranAtAll) return 'written by a request that was answered as not run';
    return version.sentMs > read.answeredMs! ? 'not yet sent' : null;
  }

  /** The acknowledged write that `read` had to see or to see replaced; `unbound` when none was old enough. */
  overtaken(read: HistoryEntry, stalenessMs: number): HistoryEntry | 'current' | 'unbound' {
    const count = lowerBound(this.#durableAnswers, read.sentMs - stalenessMs);
    if (count === 0) return 'unbound';
    const by = this.#latestSent[count - 1]!;
    return this.#endedBefore(read, by) ? by : 'current';
  }

  /** The acknowledged writes that a final read lacks: sent after what it returned had taken effect. */
  missing(read: HistoryEntry): readonly HistoryEntry[] {
    return this.acknowledged.filter((write) => write.answeredMs! < read.sentMs && this.#endedBefore(read, write));
  }

  #endedBefore(read: HistoryEntry, write: HistoryEntry): boolean {
    if (read.result === 0) return !this.#rules.mayBeAbsent;
    return this.#versions.get(read.result)!.byMs < write.sentMs;
  }
}

/** How many of the ascending values are < `bound`. */
function lowerBound(ascending: Float64Array, bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
