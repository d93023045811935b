/** Seeded requirements over the fake catalogue, the ends of every range included. */

import type { Json } from '../../../src/pattern.ts';
import type { Random } from '../../../src/random.ts';
import { allFields } from '../../../src/requirements/assemble.ts';
import type { FieldType } from '../../../src/requirements/fields.ts';
import type { Interval, Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from './fake-catalogue.ts';

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.integer(list.length)] as T;
}

/** Of any magnitude within the range. */
function numberWithin({ min, max }: { min: number; max: number }, integer: boolean, random: Random): number {
  const ends = [min, max];
  if (random.next() < 0.1)
    return pick(
      random,
      ends.map((end) => (integer ? Math.trunc(end) : end)),
    );
  const exponent = random.next() < 0.5 ? random.next() : random.next() ** 6;
  const value = min + (max - min) * exponent;
  return integer ? Math.round(value) : value;
}

export function randomValue(type: FieldType, random: Random): Json {
  if (type.kind === 'confirm') return random.next() < 0.5;
  if (type.kind === 'choice') return pick(random, type.choices).value;
  if (type.kind === 'number') return numberWithin(type, type.integer, random);
  const bounds = [0, 0, 0].map(() => numberWithin(type, false, random)).sort((a, b) => a - b);
  const [low = 0, mid = 0, high = 0] = random.next() < 0.4 ? [bounds[0], bounds[0], bounds[0]] : bounds;
  return { low, mid, high };
}

function nameOf(random: Random): string {
  if (random.next() < 0.2)
    return pick(random, ['null', 'true', 'yes', 'on', 'y', 'no', 'nan', 'a', 'e1', 'constructor']);
  const middle = Array.from({ length: random.integer(38) }, () => pick(random, [...'abcxyz0189-']));
  return `${pick(random, [...'abz'])}${middle.join('')}${pick(random, [...'az09'])}`;
}

/** Printable ASCII of every kind: quotes, colons, braces, hashes. */
function asciiOf(random: Random, first: string): string {
  const rest = Array.from({ length: random.integer(30) }, () => String.fromCharCode(32 + random.integer(95)));
  return `${first}${rest.join('')}`;
}

function sloOf(random: Random): Requirements['slo'] {
  const metrics = Array.from({ length: random.integer(3) }, () => asciiOf(random, pick(random, [...'chd'])));
  return Object.fromEntries(
    metrics.map((metric) => [metric, Array.from({ length: 1 + random.integer(2) }, () => asciiOf(random, 'p'))]),
  );
}

export function randomRequirements(random: Random): Requirements {
  const needs = pick(random, [['cross-water'], ['keep-things'], ['cross-water', 'keep-things']]);
  const chosen = catalogue.filter((pattern) => needs.includes(pattern.need.id));
  const tree: Record<string, Record<string, Json | Record<string, Json>>> = { options: {} };
  for (const { key, type } of allFields(chosen)) {
    const [section = '', name = '', inner] = key.split('.');
    tree[section] ??= {};
    if (inner === undefined) tree[section][name] = randomValue(type, random);
    else tree[section][name] = { ...(tree[section][name] as Record<string, Json>), [inner]: randomValue(type, random) };
  }
  const requirements = { schemaVersion: 1, name: nameOf(random), needs, ...tree, slo: sloOf(random) } as unknown;
  return consistent(requirements as Requirements);
}

/** What contradicts itself is refused; here only what can be is wanted. */
function consistent(requirements: Requirements): Requirements {
  const { rate, data } = requirements;
  const idle = rate.readPerSecond.high + rate.writePerSecond.high === 0;
  const payload = Math.min(data.payloadBytes.high, data.totalMiB.high * 2 ** 20);
  const cap = ({ low, mid, high }: Interval, most: number): Interval => ({
    low: Math.max(1, Math.min(low, most)),
    mid: Math.max(1, Math.min(mid, most)),
    high: Math.max(1, Math.min(high, most)),
  });
  return {
    ...requirements,
    rate: idle ? { ...rate, writePerSecond: { low: 0, mid: 0, high: 1 } } : rate,
    data: { ...data, payloadBytes: cap(data.payloadBytes, payload) },
  };
}
