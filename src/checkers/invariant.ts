/** What a pattern's invariants.ts default-exports: properties of the recorded history that hold whatever the scale. */

import type { Json } from '../../stacks/topology.ts';
import type { Instance } from '../deploy/deployment.ts';
import type { FaultKind } from '../requirements/faults.ts';
import type { Requirements } from '../requirements/requirements.ts';
import type { HistoryEntry } from './history.ts';

/** A fault as it was injected. */
export interface FaultWindow {
  readonly kind: FaultKind;
  readonly instance: string;
  readonly set: string;
  readonly part: string;
  /** Same clock as the history. */
  readonly startMs: number;
  /** When the heal was complete: the process is back and ready. */
  readonly healedMs: number;
  readonly hit: boolean;
  /** Part of what the fault does could not be brought about, and is assumed. */
  readonly assumed?: true;
  /** Of a `scale`: the part's sizing while it lasted. */
  readonly sizing?: Json;
  /** What {@link FaultTarget.scope} said of the instance when it was hit; absent: nothing. */
  readonly scope?: Json;
}

/** The wall clock of the bench's machine jumped, by which a part may count. */
export interface ClockStep {
  /** It happened between these moments, on the history's clock. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Above 0: forward. No less than it was. */
  readonly byMs: number;
}

export interface CheckInput {
  readonly part: string;
  readonly sizing: Json;
  readonly options: Readonly<Record<string, Json>>;
  readonly requirements: Requirements;
  /** Of this part only, in order of `sentMs`. Final reads have phase `final`. */
  readonly history: readonly HistoryEntry[];
  readonly faults: readonly FaultWindow[];
  /** Those of clock faults, which only some processes see, are not among them. */
  readonly clockSteps: readonly ClockStep[];
  /** What {@link Invariants.probe} returned after the final reads; null when not probed. */
  readonly probe: Json;
}

export interface InvariantResult {
  readonly id: string;
  readonly title: string;
  /** `unexercised`: nothing in the history could have broken it, so it says nothing. */
  readonly verdict: 'held' | 'violated' | 'unexercised';
  /** How many windows, writes, … were checked. */
  readonly checked: number;
  /** At most ten, worst first, each a sentence with its numbers. */
  readonly violations: readonly string[];
  readonly violationCount: number;
  /** What holding it means in numbers, e.g. declared slack and worst window seen. */
  readonly note: string;
}

/** How the bench finds whom to hit: engines of one set, with the role that each has at this moment. */
export interface FaultTarget {
  /** As the user names it: `--fault kill:<part>.<role>`, e.g. `primary`, `instance`. */
  readonly role: string;
  /** The instances that have this role now. */
  find(instances: readonly Instance[]): Promise<readonly string[]>;
  /** What the instance is responsible for at this moment, for the checks to read: a fault harms no more than that. */
  scope?(instances: readonly Instance[], instanceId: string): Promise<Json>;
  /** The instance's own wall clock, ms since 1970. */
  readClockMs?(instance: Instance): Promise<number>;
}

/** The shards of a part that keeps keys, as they stood when it was asked. */
export interface Shards {
  /** The instance of each shard that answers for its keys. */
  readonly instances: readonly string[];
  /** The instance that answers for a key as the servers know it; null: none. */
  ownerOf(storedKey: string): string | null;
}

export interface Invariants {
  check(input: CheckInput): readonly InvariantResult[];
  /** Looks at the running part itself (slots covered, one owner a key). */
  probe?(instances: readonly Instance[]): Promise<Json>;
  readonly faultTargets: readonly FaultTarget[];
  /** Of a part that keeps keys: who answers for which, asked while nothing changes. */
  shards?(instances: readonly Instance[]): Promise<Shards>;
  /**
   * Of a part that takes load: the key, as the servers of the part that keeps it know it, that an operation on `key` asks.
   * Null where not every operation gets that far.
   */
  storedKey?(key: string, sizing: Json): string | null;
}
