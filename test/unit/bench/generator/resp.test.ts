import { describe, expect, it } from 'vitest';
import { MalformedResponse } from '../../../../src/bench/generator/answer.ts';
import { readRedirect, readSlots } from '../../../../src/bench/generator/redis-slots.ts';
import { encodeCommand, RespError, RespReader } from '../../../../src/bench/generator/resp.ts';
import type { RespReply } from '../../../../src/bench/generator/workload.ts';
import { seededRandom } from '../../../../src/random.ts';

/** A reply as a server writes it. */
function wire(reply: RespReply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(wire).join('')}`;
  return `-${reply.message}\r\n`;
}

const replies: readonly RespReply[] = [
  'x',
  '',
  null,
  'ä\r\n$5\r\n€',
  -7,
  new RespError('MOVED 1 a:2'),
  [],
  ['a', [1, null, ['b']], new RespError('ERR no')],
  'y'.repeat(3000),
];

describe('replies', () => {
  it('are the same however they are cut', () => {
    const bytes = Buffer.from(replies.map(wire).join(''));
    const random = seededRandom(2);
    for (let round = 0; round < 100; round++) {
      const reader = new RespReader();
      const found: RespReply[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.integer(round % 3 === 0 ? 3 : 900);
        // The bytes may be another's as soon as they were read.
        const chunk = Buffer.from(bytes.subarray(at, at + size));
        found.push(...reader.push(chunk));
        at += size;
      }
      expect(found, `round ${round}`).toEqual(replies);
    }
  });

  it('reads a simple text, a null list and several replies of one chunk', () => {
    expect(new RespReader().push(Buffer.from('+OK\r\n*-1\r\n:1\r\n'))).toEqual(['OK', null, 1]);
    expect(new RespError('LOADING Redis is').code).toBe('LOADING');
  });

  it.each([
    'HTTP/1.1 200 OK\r\n',
    '+OK\n',
    ':1.5\r\n',
    ':\r\n',
    '$-2\r\n',
    '$3\r\nabcd\r\n',
    '$99999999999\r\n',
    '*-3\r\n',
    '\r\n',
    `${'*1\r\n'.repeat(40)}:1\r\n`,
    `+${'x'.repeat(70_000)}`,
  ])('refuses %j', (text) => {
    expect(() => new RespReader().push(Buffer.from(text))).toThrow(MalformedResponse);
  });
});

describe('commands', () => {
  it('count bytes, and hold whatever text', () => {
    expect(encodeCommand(['SET', 'ä\r\n', ''])).toBe('*3\r\n$3\r\nSET\r\n$4\r\nä\r\n\r\n$0\r\n\r\n');
    expect(new RespReader().push(Buffer.from(encodeCommand(['GET', 'ä'])))).toEqual([['GET', 'ä']]);
  });
});

describe('where keys are', () => {
  it('follows from the replies of a cluster', () => {
    const slots = readSlots(
      [
        [0, 99, ['10.0.0.1', 7000, 'id', []], ['10.0.0.2', 7000, 'id']],
        [100, 16_383, ['', 7001, 'id']],
      ],
      '10.0.0.9:7009',
    );
    expect([slots?.[0], slots?.[99], slots?.[100], slots?.[16_383]]).toEqual([
      '10.0.0.1:7000',
      '10.0.0.1:7000',
      '10.0.0.9:7001',
      '10.0.0.9:7001',
    ]);
    expect(readSlots([[0, 5, ['a', 1]]], 'b:2')?.[6]).toBeUndefined();
    for (const wrong of ['OK', null, [1], [[0, 99]], [[0, 99_999, ['a', 1]]], [['0', 1, ['a', 1]]]]) {
      expect(readSlots(wrong as RespReply, 'a:1')).toBeNull();
    }
  });

  it('follows from redirects', () => {
    expect(readRedirect('MOVED 3999 10.0.0.1:6381', 'b:1')).toEqual({
      kind: 'MOVED',
      slot: 3999,
      address: '10.0.0.1:6381',
    });
    expect(readRedirect('ASK 3 :6381', 'fd00::1:7')).toEqual({ kind: 'ASK', slot: 3, address: 'fd00::1:6381' });
    for (const other of ['ERR no', 'MOVED x a:1', 'CLUSTERDOWN', 'MOVED 1 nowhere']) {
      expect(readRedirect(other, 'a:1')).toBeNull();
    }
  });
});
