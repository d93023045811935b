import { describe, expect, it } from 'vitest';
import { encodeReply, ProtocolError, RequestReader, Status } from './resp.ts';

const limits = { maxBytes: 100, maxArguments: 5 };
const texts = (requests: readonly (readonly Buffer[])[]) => requests.map((words) => words.map(String));

describe('RequestReader', () => {
  const stream = Buffer.from('*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\nPING\r\n\r\n*0\r\n*1\r\n$0\r\n\r\n  SET  k v \n');
  const wanted = [['GET', 'a\r\nb'], ['PING'], [''], ['SET', 'k', 'v']];

  it('reads requests however the bytes were cut', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new RequestReader(limits);
      const requests = [...reader.read(stream.subarray(0, cut)), ...reader.read(stream.subarray(cut))];
      expect(texts(requests), `cut at ${cut}`).toEqual(wanted);
    }
    const reader = new RequestReader(limits);
    const bytewise = [...stream].flatMap((byte) => reader.read(Buffer.from([byte])));
    expect(texts(bytewise)).toEqual(wanted);
  });

  it('keeps bytes that are no text', () => {
    const bytes = Buffer.from([0, 255, 13, 10, 36]);
    const [request] = new RequestReader(limits).read(
      Buffer.concat([Buffer.from('*2\r\n$3\r\nGET\r\n$5\r\n'), bytes, Buffer.from('\r\n')]),
    );
    expect(request?.[1]).toEqual(bytes);
  });

  it.each([
    ['*6\r\n', 'too many arguments'],
    ['*1\r\n$101\r\n', 'too long an argument'],
    ['*1\r\n:1\r\n', 'another type'],
    ['*-1\r\n', 'a negative count'],
    ['*x\r\n', 'no count'],
    ['x'.repeat(70_000), 'a line without end'],
  ])('refuses %j: %s', (text) => {
    expect(() => new RequestReader(limits).read(Buffer.from(text))).toThrow(ProtocolError);
  });
});

describe('encodeReply', () => {
  it.each([
    [null, '$-1\r\n'],
    [-7, ':-7\r\n'],
    ['text', '$4\r\ntext\r\n'],
    ['ü', '$2\r\nü\r\n'],
    [new Status('OK'), '+OK\r\n'],
    [new Error('ERR two\r\n+lines'), '-ERR two +lines\r\n'],
    [[1, [Buffer.from('a'), null]], '*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n'],
  ])('writes %j', (value, text) => {
    expect(encodeReply(value).toString()).toBe(text);
  });
});
