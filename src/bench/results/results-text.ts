/** The lines of a run as text: one JSON document each (NDJSON). What is read is checked, for it may be anything. */

import * as z from 'zod';
import { requirementsShape } from '../../plan/shape.ts';
import { faultKinds } from '../../requirements/faults.ts';
import { phases } from '../generator/generator-protocol.ts';
import { decodeHdr, encodeHdr } from '../generator/hdr-encoding.ts';
import type { ResultLine } from './results.ts';

/** One line with its end. */
export function formatLine(line: ResultLine): string {
  if (line.kind !== 'cell') return `${JSON.stringify(line)}\n`;
  return `${JSON.stringify({ ...line, latency: encodeHdr(line.latency), lag: encodeHdr(line.lag) })}\n`;
}

/** The document as it stands, once it has been seen to be a line. Throws RangeError, which says what is wrong. */
export function parseLine(text: string): ResultLine {
  const document = parseJson(text);
  const parsed = lineShape.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new RangeError(`${issue?.path.join('.') || 'line'}: ${issue?.message ?? 'wrong shape'}`);
  }
  const line = document as z.infer<typeof lineShape>;
  const read = line.kind === 'cell' ? { ...line, latency: decodeHdr(line.latency), lag: decodeHdr(line.lag) } : line;
  return read as ResultLine;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RangeError('it is not JSON');
  }
}

const text = z.string();
const number = z.number();
const count = z.number().int().nonnegative();
const share = z.number().nullable();
const list = <T extends z.ZodType>(item: T) => z.array(item);
const phase = z.enum(phases as [(typeof phases)[number], ...(typeof phases)[number][]]);

const hdr = z.strictObject({ hdr: z.base64(), minUs: count, maxUs: count, sumUs: count }).nullable();

const cell = z.strictObject({
  kind: z.literal('cell'),
  part: text,
  operation: text,
  phase,
  second: z.number().int().min(-1),
  offered: count,
  sent: count,
  correct: count,
  failed: count,
  late: count,
  behind: count,
  dropped: count,
  byStatus: z.record(text, count),
  latency: hdr,
  lag: hdr,
});

const fault = z.strictObject({
  kind: z.enum(faultKinds),
  fault: text,
  instance: text,
  set: text,
  part: text,
  startMs: number,
  healedMs: number,
  hit: z.boolean(),
  scope: z.json().optional(),
  assumed: z.literal(true).optional(),
  sizing: z.json().optional(),
  witness: text,
  recoveredMs: number.nullable(),
});

const invariant = z.strictObject({
  part: text,
  id: text,
  title: text,
  verdict: z.enum(['held', 'violated', 'unexercised']),
  checked: number,
  violations: list(text),
  violationCount: number,
  note: text,
});

const shardVerdict = z.enum(['even', 'uneven', 'hot']);
const keyCount = { part: text, key: text, shard: text, requests: count };
const shard = z.strictObject({
  part: text,
  verdict: shardVerdict,
  because: text,
  requests: count,
  evenShare: number,
  plannedShare: number,
  hotShare: number,
  shards: list(z.strictObject({ instance: text, requests: count, share, cpuShare: share, verdict: shardVerdict })),
  hottestKeys: list(z.strictObject({ ...keyCount, share: number })),
  hotKey: z.looseObject({ share: number, exponent: number }).nullable(),
});

const step = z.strictObject({
  factor: number,
  why: text,
  offeredPerSecond: number,
  achievedPerSecond: number,
  p99Ms: share,
  failedShare: number,
  ownShare: share,
  foreignShare: share,
  outcome: z.enum(['pass', 'fail', 'inconclusive']),
  note: text,
});

const search = {
  plannedPerSecond: number,
  predictedPerSecond: number,
  binding: text,
  calibrated: z.boolean(),
  times: text,
  cores: count,
};

const capacity = z.strictObject({
  ...search,
  verdict: z.enum(['found', 'none', 'inconclusive']),
  because: text,
  foundPerSecond: share,
  failedFromPerSecond: share,
  predictedLeftPerSecond: number,
  ratio: share,
});

const run = z.strictObject({
  kind: z.literal('run'),
  schemaVersion: z.literal(1),
  dspVersion: text,
  target: z.enum(['local', 'kubernetes']),
  scale: z.number().gt(0).max(1),
  seed: count,
  replay: text,
  smoke: z.boolean(),
  startMs: z.number().nonnegative().max(8.64e15),
  planDigest: text,
  sizesDigest: text,
  requirements: requirementsShape,
  parts: list(z.strictObject({ name: text, offeredLoad: z.record(text, number) })),
  machine: z.strictObject({ cpus: count, model: text, memoryMiB: number, node: text }),
  search: z.strictObject(search).optional(),
});

const atMs = z.number().nonnegative().max(8.64e15);

const lineShape = z.discriminatedUnion('kind', [
  run,
  cell,
  z.strictObject({ kind: z.literal('phase'), phase, atMs, fault: text.optional() }),
  z.strictObject({ kind: z.literal('seen'), atMs }),
  z.strictObject({ kind: z.literal('fault'), fault }),
  z.strictObject({ kind: z.literal('others'), cpuShare: share }),
  z.strictObject({ kind: z.literal('clock'), fromMs: atMs, toMs: atMs, byMs: number }),
  z.strictObject({ kind: z.literal('ended'), atMs, historyCut: count }),
  z.strictObject({ kind: z.literal('step'), step }),
  z.strictObject({ kind: z.literal('capacity'), capacity }),
  z.strictObject({ kind: z.literal('judged'), invariants: list(invariant), shards: list(shard).optional() }),
]);
