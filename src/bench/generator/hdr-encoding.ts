/**
 * Histograms as text: HdrHistogram's compressed V2 encoding in base64, which its readers in every language decode. What
 * that leaves out stands beside it, so that a histogram comes back as it was.
 */

import { deflateSync, inflateSync } from 'node:zlib';
import { type HdrData, indexOf, maxUs } from './hdr.ts';

/** Null: no sample. */
export type EncodedHdr = {
  readonly hdr: string;
  readonly minUs: number;
  readonly maxUs: number;
  readonly sumUs: number;
} | null;

const cookie = 0x1c849313;
const compressedCookie = 0x1c849314;
const digits = 3;
const headerBytes = 40;
const lengths = indexOf(maxUs) + 1;
/** A count takes at most nine bytes. */
const mostBytes = headerBytes + 9 * lengths;

export function encodeHdr(data: HdrData): EncodedHdr {
  if (data.indices.length === 0) return null;
  const counts: number[] = [];
  let next = 0;
  data.indices.forEach((index, i) => {
    if (index - next === 1) putZigZag(counts, 0);
    else if (index > next) putZigZag(counts, next - index);
    putZigZag(counts, data.counts[i] ?? 0);
    next = index + 1;
  });
  const plain = Buffer.alloc(headerBytes + counts.length);
  plain.writeUInt32BE(cookie, 0);
  plain.writeUInt32BE(counts.length, 4);
  plain.writeUInt32BE(0, 8);
  plain.writeUInt32BE(digits, 12);
  plain.writeBigUInt64BE(1n, 16);
  plain.writeBigUInt64BE(BigInt(maxUs), 24);
  plain.writeDoubleBE(1, 32);
  plain.set(counts, headerBytes);
  const packed = deflateSync(plain);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(compressedCookie, 0);
  head.writeUInt32BE(packed.length, 4);
  const hdr = Buffer.concat([head, packed]).toString('base64');
  return { hdr, minUs: data.minUs, maxUs: data.maxUs, sumUs: data.sumUs };
}

/** Throws RangeError for what {@link encodeHdr} does not write. */
export function decodeHdr(encoded: EncodedHdr): HdrData {
  if (encoded === null) return { indices: [], counts: [], minUs: Number.POSITIVE_INFINITY, maxUs: 0, sumUs: 0 };
  const { indices, counts } = readCounts(unpack(encoded.hdr));
  const { minUs, maxUs: mostUs, sumUs } = encoded;
  const [first, last] = [indices[0], indices.at(-1)];
  const fits = minUs <= mostUs && indexOf(minUs) === first && indexOf(mostUs) === last;
  if (!fits) throw new RangeError('a histogram does not hold the least and the greatest latency beside it');
  return { indices, counts, minUs, maxUs: mostUs, sumUs };
}

function unpack(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < 8 || bytes.readUInt32BE(0) !== compressedCookie) throw foreign();
  if (bytes.readUInt32BE(4) !== bytes.length - 8) throw new RangeError('a histogram is cut');
  try {
    return inflateSync(bytes.subarray(8), { maxOutputLength: mostBytes });
  } catch {
    throw foreign();
  }
}

function readCounts(plain: Buffer): Pick<HdrData, 'indices' | 'counts'> {
  const ours =
    plain.length >= headerBytes &&
    plain.readUInt32BE(0) === cookie &&
    plain.readUInt32BE(4) === plain.length - headerBytes &&
    plain.readUInt32BE(8) === 0 &&
    plain.readUInt32BE(12) === digits &&
    plain.readBigUInt64BE(16) === 1n &&
    plain.readBigUInt64BE(24) === BigInt(maxUs) &&
    plain.readDoubleBE(32) === 1;
  if (!ours) throw foreign();
  const indices: number[] = [];
  const counts: number[] = [];
  let index = 0;
  for (let at = headerBytes; at < plain.length; ) {
    const [value, next] = readZigZag(plain, at);
    at = next;
    if (value > 0) {
      indices.push(index);
      counts.push(value);
    }
    index += value < 0 ? -value : 1;
  }
  if (index > lengths) throw new RangeError('a histogram holds a latency above an hour');
  return { indices, counts };
}

/** ZigZag and LEB128, in arithmetic that is exact up to 2^53. */
function putZigZag(bytes: number[], value: number): void {
  let left = value < 0 ? -2 * value - 1 : 2 * value;
  while (left >= 0x80) {
    bytes.push((left % 0x80) + 0x80);
    left = Math.floor(left / 0x80);
  }
  bytes.push(left);
}

function readZigZag(bytes: Buffer, from: number): readonly [value: number, next: number] {
  let value = 0;
  let factor = 1;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (!Number.isSafeInteger(value)) break;
    if (byte < 0x80) return [value % 2 === 0 ? value / 2 : -(value + 1) / 2, at + 1];
    factor *= 0x80;
  }
  throw new RangeError('a histogram holds a count that is none');
}

function foreign(): RangeError {
  return new RangeError('a histogram is not one of 3 digits from 1 µs to an hour in compressed V2 encoding');
}
