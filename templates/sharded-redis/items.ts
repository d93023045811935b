/**
 * The items that the bench writes: text that says which key, version, writer and run it belongs to, with a checksum, padded to
 * the payload's size. So each value is unique, and a wrong, cut or foreign one is told from its text alone.
 */

import type { WorkloadContext } from '../../src/pattern.ts';
import { hash32 } from '../../src/random.ts';
import { storeOf } from './store.ts';

/**
 * Filling and reading back go one request after another, so the bench uses at most this many keys and this much data,
 * however much the store is sized for; a thousand keys spread over all shards within a few percent of evenly.
 */
export const maxItemKeys = 2000;
const maxItemsMiB = 256;
/** What an item takes in memory beside its value: key, dictionary entry, allocator's rounding. */
const overheadBytes = 100;
const keyPrefix = 'bench-';
const filler = '.';

/** How many items of the payload's size the data to keep amounts to, within [workers, {@link maxItemKeys}]. */
export function itemCount(context: WorkloadContext): number {
  const bytes = Math.min(storeOf(context.sizing).totalMiB, maxItemsMiB) * 2 ** 20;
  const wanted = Math.floor(bytes / (payloadBytes(context) + overheadBytes));
  return Math.max(context.workerCount, Math.min(maxItemKeys, wanted));
}

export function itemKey(index: number): string {
  return `${keyPrefix}${index}`;
}

export function itemIndex(key: string): number {
  return Number(key.slice(keyPrefix.length));
}

export interface Item {
  readonly key: string;
  /** From 1 up; 1 is the version that the store is filled with. */
  readonly version: number;
  readonly writer: number;
  readonly run: number;
}

/** The text of an item, `bytes` long, or as long as its head where that is more. ASCII only. */
export function itemText({ key, version, writer, run }: Item, bytes: number): string {
  const head = `${key} v${version} w${writer} r${run} `;
  return `${head}${hash32(head).toString(36)} `.padEnd(bytes, filler);
}

const headForm = /^(?<key>\S+) v(?<version>[1-9]\d{0,14}) w(?<writer>\d{1,6}) r(?<run>-?\d{1,15}) /;

/** The item that a text is, down to its last byte; null when it is none. */
export function parseItem(text: string, bytes: number): Item | null {
  const found = headForm.exec(text)?.groups;
  if (found === undefined) return null;
  const item = {
    key: found.key ?? '',
    version: Number(found.version),
    writer: Number(found.writer),
    run: Number(found.run),
  };
  return itemText(item, bytes) === text ? item : null;
}

/** The high bound, which the store is sized for. */
export function payloadBytes(context: WorkloadContext): number {
  return Math.round(context.requirements.data.payloadBytes.high);
}
