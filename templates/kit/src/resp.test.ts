import { describe, expect, it } from 'vitest';
import { type Argument, CommandWriter, MalformedReplyError, type Reply, ReplyError, ReplyReader } from './resp.ts';

/** The protocol as its description says it, one argument after the other. */
function framed(name: string, args: readonly Argument[]): Buffer {
  const words = [name, ...args].map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word))));
  const parts = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

const taken = (writer: CommandWriter) => Buffer.concat(writer.take());

describe('CommandWriter', () => {
  const every: readonly Argument[] = [
    ...['', 'a', 'key with spaces\r\n', 'ü', '€', '😀', 'plain, then ü', '\u007f', '\u0080'],
    ...[0, 9, 10, -1, 1.5, 2 ** 53, 1e21],
    ...[Buffer.alloc(0), Buffer.from([0, 13, 10, 255])],
    ...[95, 96, 97, 1000, 65_535, 65_536, 200_000].flatMap((length) => [
      'x'.repeat(length),
      'é'.repeat(length),
      Buffer.alloc(length, 7),
    ]),
  ];

  it.each(every.map((argument) => [String(argument).slice(0, 20), argument] as const))('frames %j', (_, argument) => {
    const writer = new CommandWriter();
    writer.add('ECHO', [argument]);
    expect(taken(writer).equals(framed('ECHO', [argument]))).toBe(true);
    expect(writer.take()).toEqual([]);
  });

  it('frames many arguments, of commands one after the other, and leaves alone what was taken', () => {
    const writer = new CommandWriter();
    const wanted: Buffer[] = [];
    const found: Buffer[] = [];
    const snapshots: Buffer[] = [];
    for (let round = 0; round < 400; round++) {
      const args = Array.from({ length: round % 120 }, (_, at) => every[(round * 7 + at) % 20] as Argument);
      writer.add(`C${round}`, args);
      wanted.push(framed(`C${round}`, args));
      if (round % 3 > 0) continue;
      for (const piece of writer.take()) {
        found.push(piece);
        snapshots.push(Buffer.from(piece));
      }
    }
    const rest = taken(writer);
    expect(Buffer.concat([...found, rest]).equals(Buffer.concat(wanted))).toBe(true);
    expect(found.every((piece, at) => piece.equals(snapshots[at] as Buffer))).toBe(true);
  });
});

const stream =
  '+OK\r\n:0\r\n:-12\r\n:9007199254740991\r\n$-1\r\n*-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n$2\r\nü\r\n-MOVED 1 h:1\r\n*0\r\n'.concat(
    '*3\r\n:1\r\n*2\r\n+x\r\n$1\r\ny\r\n-ERR z\r\n*1\r\n*1\r\n*1\r\n$-1\r\n+end\r\n',
  );
const values: readonly Reply[] = [
  ...['OK', 0, -12, 2 ** 53 - 1, null, null, '', 'a\r\nb', 'ü', new ReplyError('MOVED 1 h:1'), []],
  ...[[1, ['x', 'y'], new ReplyError('ERR z')], [[[null]]], 'end'],
];

function readAll(reader: ReplyReader, asBytes = false): Reply[] {
  const replies: Reply[] = [];
  for (let reply = reader.next(asBytes); reply !== undefined; reply = reader.next(asBytes)) replies.push(reply);
  return replies;
}

describe('ReplyReader', () => {
  const bytes = Buffer.from(stream);

  it('reads every kind of reply however the bytes were cut', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new ReplyReader();
      reader.push(bytes.subarray(0, cut));
      const replies = readAll(reader);
      reader.push(bytes.subarray(cut));
      replies.push(...readAll(reader));
      expect(replies, `cut at ${cut}`).toEqual(values);
      expect(reader.hasMore).toBe(false);
    }
  });

  it('reads byte for byte, also while nobody asks', () => {
    const reader = new ReplyReader();
    const replies: Reply[] = [];
    for (const [at, byte] of bytes.entries()) {
      reader.push(Buffer.from([byte]));
      if (at % 5 === 0) replies.push(...readAll(reader));
    }
    expect([...replies, ...readAll(reader)]).toEqual(values);
  });

  it('gives bytes that are their own where they are wanted', () => {
    const reader = new ReplyReader();
    const sent = Buffer.from('$3\r\n\x00ab\r\n+OK\r\n*2\r\n$1\r\nx\r\n:1\r\n');
    reader.push(sent);
    const replies = readAll(reader, true);
    sent.fill(0);
    expect(replies).toEqual([Buffer.from('\x00ab'), Buffer.from('OK'), [Buffer.from('x'), 1]]);
  });

  it('puts a large value together once', () => {
    const value = Buffer.alloc(3_000_000, 'abcdefg');
    const whole = Buffer.concat([Buffer.from(`*2\r\n$${value.length}\r\n`), value, Buffer.from('\r\n:5\r\n:6\r\n')]);
    const reader = new ReplyReader();
    const replies: Reply[] = [];
    for (let at = 0; at < whole.length; at += 10_007) {
      reader.push(whole.subarray(at, at + 10_007));
      replies.push(...readAll(reader, true));
    }
    expect(replies).toHaveLength(2);
    expect((replies[0] as [Buffer, number])[0].equals(value)).toBe(true);
    expect(replies[1]).toBe(6);
  });

  it.each([
    'HTTP/1.1 400 Bad Request\r\n',
    ':1a\r\n',
    '$x\r\n',
    '$9999999999\r\n',
    '*99999999\r\n',
    `+${'x'.repeat(70_000)}`,
    '*1\r\n'.repeat(40),
  ])('refuses what is no reply: %.20j', (text) => {
    const reader = new ReplyReader();
    reader.push(Buffer.from(text));
    expect(() => readAll(reader)).toThrow(MalformedReplyError);
  });
});
