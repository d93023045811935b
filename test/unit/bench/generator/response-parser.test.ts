import { describe, expect, it } from 'vitest';
import { MalformedResponse } from '../../../../src/bench/generator/answer.ts';
import { type ParsedResponse, ResponseParser } from '../../../../src/bench/generator/response-parser.ts';
import { type Random, seededRandom } from '../../../../src/random.ts';

/** Feeds `text` cut at the given places, each piece from a buffer that is overwritten afterwards. */
function feed(text: Buffer, cuts: readonly number[], method = 'GET', ends = false): ParsedResponse | null {
  const parser = new ResponseParser();
  parser.start(method);
  const edges = [0, ...[...cuts].sort((a, b) => a - b), text.length];
  let found: ParsedResponse | null = null;
  for (let i = 1; i < edges.length && found === null; i++) {
    const piece = Buffer.from(text.subarray(edges[i - 1]!, edges[i]!));
    if (piece.length > 0) found = parser.push(piece);
    piece.fill(0x58);
  }
  return found ?? (ends ? parser.end() : null);
}

const whole = (text: string, method = 'GET', ends = false) => feed(Buffer.from(text, 'utf8'), [], method, ends);

interface Sample {
  readonly bytes: Buffer;
  readonly method: string;
  readonly status: number;
  readonly body: string;
  readonly keepAlive: boolean;
  readonly ends: boolean;
}

const pick = <T>(random: Random, choices: readonly T[]): T => choices[random.integer(choices.length)]!;

/** A valid answer of every framing that there is. */
function sampleResponse(random: Random): Sample {
  const framing = pick(random, ['length', 'chunked', 'close', 'none', 'head'] as const);
  const alphabet = ['a', 'ß', '€', '😀', '\r\n', '0', ' ', 'HTTP/1.1 200 OK\r\n\r\n'];
  const text = Array.from({ length: random.integer(40) }, () => pick(random, alphabet)).join('');
  const body = framing === 'none' || framing === 'head' ? '' : text;
  const status = framing === 'none' ? pick(random, [204, 304]) : pick(random, [200, 201, 404, 429, 503]);
  const version = random.integer(4) === 0 ? '1.0' : '1.1';
  const connection = pick(random, [null, 'close', 'keep-alive', 'Keep-Alive, foo']);
  const keepAlive =
    framing !== 'close' && (version === '1.1' ? connection !== 'close' : /keep/i.test(connection ?? ''));
  const lines = [
    `HTTP/${version} ${status}${pick(random, [' OK', ' Not so good: it is', '', ' '])}`,
    'X-Other:  spaced \t',
  ];
  if (connection !== null) lines.push(`Connection: ${connection}`);
  const size = Buffer.byteLength(body);
  if (framing === 'length') lines.push(pick(random, [`Content-Length: ${size}`, `content-length:${size}`]));
  if (framing === 'head') lines.push('Content-Length: 4711');
  if (framing === 'none' && status === 304) lines.push('Content-Length: 12');
  if (framing === 'chunked') lines.push('Transfer-Encoding: chunked');
  const content = framing === 'chunked' ? chunks(random, Buffer.from(body)) : Buffer.from(body);
  const interim = random.integer(5) === 0 ? 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n' : '';
  const bytes = Buffer.concat([Buffer.from(`${interim}${lines.join('\r\n')}\r\n\r\n`), content]);
  return { bytes, method: framing === 'head' ? 'HEAD' : 'GET', status, body, keepAlive, ends: framing === 'close' };
}

function chunks(random: Random, body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + random.integer(30));
    const extension = pick(random, ['', ';name=value', '  ']);
    pieces.push(Buffer.from(`${size.toString(16)}${extension}\r\n`), body.subarray(at, at + size), Buffer.from('\r\n'));
    at += size;
  }
  const trailer = pick(random, ['', 'X-Checksum: 1\r\n']);
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

describe('valid answers', () => {
  it('read the same wherever they are cut', () => {
    for (let seed = 0; seed < 1500; seed++) {
      const random = seededRandom(seed);
      const { bytes, method, ends, ...expected } = sampleResponse(random);
      const ways = [
        [],
        bytes.map((_, i) => i),
        Array.from({ length: 1 + random.integer(6) }, () => random.integer(bytes.length + 1)),
      ];
      for (const cuts of ways) {
        const found = feed(bytes, [...cuts], method, ends);
        const because = `seed ${seed}, cuts ${cuts.length}: ${JSON.stringify(bytes.toString())}`;
        expect(found, because).toMatchObject(expected);
        expect(found?.headers['x-other'], because).toBe('spaced');
      }
    }
  });

  it('are not complete before their last byte', () => {
    for (let seed = 0; seed < 300; seed++) {
      const { bytes, method, ends } = sampleResponse(seededRandom(seed));
      if (ends) continue;
      for (let length = 0; length < bytes.length; length++) {
        expect(feed(bytes.subarray(0, length), [], method), `seed ${seed}, ${length} bytes`).toBeNull();
      }
    }
  });

  it('that more bytes follow end the connection, not the answer', () => {
    expect(whole('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK')).toMatchObject({
      body: 'ok',
      keepAlive: false,
    });
  });

  it('join repeated headers', () => {
    const found = whole('HTTP/1.1 204 No Content\r\nRateLimit: a\r\nratelimit: b\r\n__proto__: c\r\n\r\n');
    expect(found?.headers.ratelimit).toBe('a, b');
    expect(Object.keys(found?.headers ?? {})).toEqual(['ratelimit', '__proto__']);
  });

  it('follow one another on one connection', () => {
    const parser = new ResponseParser();
    for (const body of ['first', 'second']) {
      parser.start('GET');
      expect(parser.push(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`))?.body).toBe(
        body,
      );
    }
  });
});

describe('malformed answers', () => {
  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['HTTP/2 in clear', 'HTTP/2 200\r\n\r\n'],
    ['no status', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a status out of range', 'HTTP/1.1 600 Odd\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx'],
    ['lengths that differ', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['an unknown encoding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(70_000)}`],
  ])('%s', (_, text) => {
    expect(() => whole(text)).toThrow(MalformedResponse);
    const bytes = Buffer.from(text);
    const every = Array.from({ length: bytes.length }, (_unused, i) => i);
    if (bytes.length < 1000) expect(() => feed(bytes, every)).toThrow(MalformedResponse);
  });

  it.each([
    ['within a head', 'HTTP/1.1 200 OK\r\nConten'],
    ['within a body', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello'],
    ['within chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ])('that end %s', (_, text) => {
    expect(() => whole(text, 'GET', true)).toThrow(MalformedResponse);
  });

  it('that nobody asked for', () => {
    expect(() => new ResponseParser().push(Buffer.from('HTTP/1.1 408 Timeout\r\n\r\n'))).toThrow(MalformedResponse);
  });

  it('never make anything but an answer, null or MalformedResponse of noise', () => {
    for (let seed = 0; seed < 3000; seed++) {
      const random = seededRandom(seed);
      const { bytes, method } = sampleResponse(random);
      const broken = Buffer.from(bytes);
      for (let i = 0; i <= random.integer(4); i++) broken[random.integer(broken.length)] = random.integer(256);
      try {
        const found = feed(broken, [random.integer(broken.length)], method, true);
        if (found !== null) expect(found.status, `seed ${seed}`).toBeGreaterThanOrEqual(200);
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(MalformedResponse);
      }
    }
  });

  it('nothing came at all is no malformed answer', () => {
    const parser = new ResponseParser();
    parser.start('GET');
    expect(parser.end()).toBeNull();
  });
});
