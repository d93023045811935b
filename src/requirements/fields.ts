/**
 * The requirements as a table: what each key means, which decision it feeds, its bounds, and what "don't know" takes.
 * The interview, the reader and the writer of dsp.yaml all follow it.
 */

import { usualExponent } from '../key-skew.ts';
import type { Json, Question } from '../pattern.ts';

/** What a pattern's question may take, and an interval: a number that may be unsure. */
export type FieldType =
  | { readonly kind: 'interval'; readonly min: number; readonly max: number; readonly unit: string }
  | Question['type'];

/** A question whose key is dotted, as in dsp.yaml, --set and the environment. */
export interface Field extends Omit<Question, 'type'> {
  readonly type: FieldType;
  /** It matters only while another key has a certain value; else it is not asked for. */
  readonly onlyIf?: { readonly key: string; readonly is: Json };
}

const interval = (min: number, max: number, unit: string): FieldType => ({ kind: 'interval', min, max, unit });
const number = (min: number, max: number, integer: boolean, unit: string): FieldType => ({
  kind: 'number',
  min,
  max,
  integer,
  unit,
});
const prior = (low: number, mid: number, high: number): Json => ({ low, mid, high });

/** A month of milliseconds: no bound on loss or staleness means more. */
const monthMs = 2_592_000_000;

/** A thousandth of the 8766 hours of a year, an hour each. */
const usualLossesPerYear = 8.766;

/** In the order in which they are asked. */
export const fields: readonly Field[] = [
  {
    key: 'rate.readPerSecond',
    ask: 'How many reads a second, on an average of the busiest day?',
    feeds: 'the number of shards and instances',
    type: interval(0, 1e8, 'reads a second'),
    prior: prior(50, 200, 1000),
    priorSource: 'a service of some thousand daily users',
  },
  {
    key: 'rate.writePerSecond',
    ask: 'How many writes a second?',
    feeds: 'the number of shards, and what replication costs',
    type: interval(0, 1e8, 'writes a second'),
    prior: prior(10, 50, 200),
    priorSource: 'a write for every four or five reads',
  },
  {
    key: 'rate.peakFactor',
    ask: 'How many times the average is the peak?',
    feeds: 'the headroom: everything is sized for the peak',
    type: interval(1, 1000, '×'),
    prior: prior(2, 3, 5),
    priorSource: 'daily peaks of two to five times the average are usual',
  },
  {
    key: 'rate.keySkew',
    ask: 'How uneven is the choice of keys (0: every key as often, 0.8: usual, 1.2: a few take most)?',
    feeds: 'the load of the busiest shard, which the hottest key is on, and the keys that a bench asks for',
    type: interval(0, 3, 'exponent of Zipf’s law'),
    prior: prior(usualExponent, usualExponent, usualExponent),
    priorSource: 'a little more even than the 0.99 of YCSB’s benchmarks',
    unasked: true,
  },
  {
    key: 'data.payloadBytes',
    ask: 'How large is one value?',
    feeds: 'memory and network a request',
    type: interval(1, 64 * 2 ** 20, 'bytes'),
    prior: prior(256, 1024, 4096),
    priorSource: 'a small JSON document',
  },
  {
    key: 'data.totalMiB',
    ask: 'How much data is kept at once, before replication?',
    feeds: 'the number of shards by memory',
    type: interval(0.001, 1e9, 'MiB'),
    prior: prior(64, 256, 1024),
    priorSource: 'a few hundred thousand small values',
  },
  {
    key: 'latency.p99Ms',
    ask: 'How fast must 99 of 100 answers be, at peak?',
    feeds: 'the load allowed on each server, and the verdict',
    type: number(0.1, 600_000, false, 'ms'),
    prior: 100,
    priorSource: 'what people take for immediate',
  },
  {
    key: 'consistency.level',
    ask: 'What may a read miss?',
    feeds: 'which stores can be used at all',
    type: {
      kind: 'choice',
      choices: [
        { value: 'eventual', words: 'it may be older than any bound' },
        { value: 'bounded', words: 'it may be as old as the delay asked next' },
        { value: 'linearizable', words: 'nothing: every read sees every acknowledged write' },
      ],
    },
    prior: 'bounded',
    priorSource: 'most data may be a moment old',
  },
  {
    key: 'consistency.stalenessMs',
    ask: 'How long after a write may readers still see the old value?',
    feeds: 'the age at which the bench calls a read stale',
    type: number(0, monthMs, true, 'ms'),
    prior: 1000,
    priorSource: 'a second is rarely noticed',
    onlyIf: { key: 'consistency.level', is: 'bounded' },
  },
  {
    key: 'availability.target',
    ask: 'Which share of requests must be answered correctly over a month?',
    feeds: 'the number of replicas and instances',
    type: number(0.5, 0.999_999, false, 'of 1'),
    prior: 0.999,
    priorSource: '43 minutes a month',
  },
  {
    key: 'availability.recoveryMs',
    ask: 'How soon after a machine is lost must it answer again?',
    feeds: 'the failure detector’s time-out',
    type: number(100, 3_600_000, true, 'ms'),
    prior: 30_000,
    priorSource: 'an automatic failover without haste',
  },
  {
    key: 'loss.rpoMs',
    ask: 'How many ms of acknowledged writes may a single fault lose?',
    feeds: 'how a write is made durable before it is acknowledged',
    type: number(0, monthMs, true, 'ms'),
    prior: 1000,
    priorSource: 'an append-only file flushed every second',
  },
  {
    key: 'cost.usdPerMonth',
    ask: 'What may it cost a month?',
    feeds: 'which plans are refused',
    type: number(1, 1e9, false, 'USD'),
    prior: 2000,
    priorSource: 'a small team’s budget',
  },
  {
    key: 'operations.effort',
    ask: 'How much work may running it be?',
    feeds: 'how long a lost machine stays away, and so the number of copies',
    type: {
      kind: 'choice',
      choices: [
        { value: 'low', words: 'nobody looks after it daily' },
        { value: 'medium', words: 'a team looks after it beside other work' },
        { value: 'high', words: 'people are there for it' },
      ],
    },
    prior: 'medium',
    priorSource: 'the usual case',
  },
  {
    key: 'operations.lossesPerYear',
    ask: 'How often a year is one machine lost: crashed, replaced, restarted?',
    feeds: 'how much of the time failovers and repairs take, with the downtime that a bench measured of one',
    type: interval(0, 1000, 'losses a year and machine'),
    prior: prior(usualLossesPerYear, usualLossesPerYear, usualLossesPerYear),
    priorSource: 'away for a thousandth of the time, for an hour each time',
    unasked: true,
  },
];
