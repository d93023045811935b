import { deflateSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Hdr } from '../../../../src/bench/generator/hdr.ts';
import { decodeHdr, type EncodedHdr, encodeHdr } from '../../../../src/bench/generator/hdr-encoding.ts';
import { seededRandom } from '../../../../src/random.ts';

const values = [0, 1, 1, 5, 2047, 2048, 2049, 4100, 70_000, 70_001, 1_234_567, 3_599_999_999];
/** The same values as hdr-histogram-js 3.0 encodes them (1 to 3.6e9, 3 digits). */
const elsewhere = 'HISTFAAAADl4nJNpmSzMwMAgysDAwMjAwMDMAAEgNsO1yUsYYHwmFlamj/JMLP/5mVodWe46Mv3ezsgEAMmMCUE=';

function hdrOf(us: readonly number[]): Hdr {
  const hdr = new Hdr();
  for (const value of us) hdr.record(value / 1000);
  return hdr;
}

const plainOf = (text: string) => inflateSync(Buffer.from(text, 'base64').subarray(8));

function packed(plain: Buffer): string {
  const body = deflateSync(plain);
  const lead = Buffer.alloc(8);
  lead.writeUInt32BE(0x1c849314, 0);
  lead.writeUInt32BE(body.length, 4);
  return Buffer.concat([lead, body]).toString('base64');
}

describe('histograms as text', () => {
  it('hold their counts as other implementations do', () => {
    const ours = plainOf(encodeHdr(hdrOf(values).data())?.hdr ?? '');
    const theirs = plainOf(elsewhere);
    expect(ours.subarray(40)).toEqual(theirs.subarray(40));
    // They differ in the offset and in the ratio, which no reader uses: here, they are those of the Java original.
    const head = (plain: Buffer) => [plain.subarray(0, 8), plain.subarray(12, 32)];
    expect(head(ours)).toEqual(head(theirs));
    expect([ours.readInt32BE(8), ours.readDoubleBE(32)]).toEqual([0, 1]);
  });

  it('come back as they were', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 200; round++) {
      const us = Array.from({ length: random.integer(300) }, () => Math.floor(10 ** (random.next() * 9.6)));
      const data = hdrOf(us).data();
      expect(decodeHdr(encodeHdr(data)), `round ${round}`).toEqual(data);
    }
    const many = { indices: [4, 5, 7], counts: [2 ** 31, 1, 2 ** 48 + 3], minUs: 4, maxUs: 7, sumUs: 2 ** 50 };
    expect(decodeHdr(encodeHdr(many))).toEqual(many);
  });

  it('are null over no sample', () => {
    expect(encodeHdr(new Hdr().data())).toBeNull();
    expect(decodeHdr(null)).toEqual(new Hdr().data());
  });

  it('are refused when they are something else', () => {
    const good = encodeHdr(hdrOf(values).data())!;
    const changed = (at: number, byte: number) => {
      const plain = Buffer.from(plainOf(good.hdr));
      plain[at] = byte;
      return packed(plain);
    };
    const tooLong = Buffer.concat([plainOf(good.hdr), Buffer.from([0xff, 0xff, 0x7f, 2])]);
    tooLong.writeUInt32BE(tooLong.length - 40, 4);
    const wrong: Record<string, EncodedHdr> = {
      empty: { ...good, hdr: '' },
      cut: { ...good, hdr: good.hdr.slice(0, -8) },
      'plain V2': { ...good, hdr: plainOf(good.hdr).toString('base64') },
      'not deflated': {
        ...good,
        hdr: Buffer.concat([Buffer.from(good.hdr, 'base64').subarray(0, 8)]).toString('base64'),
      },
      'of 2 digits': { ...good, hdr: changed(15, 2) },
      'with another unit': { ...good, hdr: changed(23, 2) },
      'of another length': { ...good, hdr: changed(7, 1) },
      'with an open count': { ...good, hdr: changed(plainOf(good.hdr).length - 1, 0x82) },
      'above an hour': { ...good, hdr: packed(tooLong) },
      'with another least': { ...good, minUs: 1 },
      'with another greatest': { ...good, maxUs: 70_000 },
    };
    for (const [name, one] of Object.entries(wrong)) expect(() => decodeHdr(one), name).toThrow(RangeError);
    expect(() => decodeHdr({ ...good, hdr: packed(plainOf(good.hdr)) })).not.toThrow();
  });
});
