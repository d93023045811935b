/**
 * Reads one HTTP/1.1 answer at a time from bytes that may be cut anywhere (RFC 9112). Strict: what it does not
 * understand is malformed, so a broken answer never counts as a correct one.
 */

import { type Answer, type AnswerParser, MalformedResponse } from './answer.ts';
import { type Head, HeadReader } from './response-head.ts';

/** An answer whose headers are taken apart when somebody looks at them. */
export class ParsedResponse implements Answer {
  readonly status: number;
  readonly body: string;
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
  readonly #head: Head;

  constructor(head: Head, body: string, keepAlive: boolean) {
    this.status = head.status;
    this.body = body;
    this.keepAlive = keepAlive;
    this.#head = head;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#head.headers;
  }
}

const maxHeadBytes = 64 * 1024;
const maxBodyBytes = 16 * 1024 * 1024;
const empty = Buffer.alloc(0);

type State = 'idle' | 'head' | 'fixed' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close';

export class ResponseParser implements AnswerParser {
  readonly #heads: HeadReader;
  #state: State = 'idle';
  #method = 'GET';
  /** Bytes of an unfinished line or head, copied, because the socket's buffer is used again. */
  #held: Buffer = empty;
  #head: Head | null = null;
  #body = '';
  #pieces: Buffer[] = [];
  #bodyBytes = 0;
  /** Of the fixed body or the chunk that is being read. */
  #missing = 0;

  /** Parsers of one server's answers may share a reader of heads. */
  constructor(heads = new HeadReader()) {
    this.#heads = heads;
  }

  start(method: string): void {
    this.#state = 'head';
    this.#method = method;
    this.#held = empty;
    this.#head = null;
    this.#body = '';
    if (this.#pieces.length > 0) this.#pieces = [];
    this.#bodyBytes = 0;
  }

  /** Bytes beyond the answer mean that the connection can't be used again. */
  push(bytes: Buffer, end = bytes.length): ParsedResponse | null {
    if (this.#state === 'idle') throw new MalformedResponse('bytes that no request asked for');
    const held = this.#held.length > 0;
    const input = held ? Buffer.concat([this.#held, bytes.subarray(0, end)]) : bytes;
    const to = held ? input.length : end;
    this.#held = empty;
    let at = 0;
    while (at < to) {
      const next = this.#step(input, at, to);
      // #step may end the answer.
      if ((this.#state as State) === 'idle') return this.#finish(next < to);
      if (next < 0) {
        this.#hold(input.subarray(at, to));
        return null;
      }
      at = next;
    }
    return null;
  }

  end(): ParsedResponse | null {
    if (this.#state === 'until-close') return this.#finish(true);
    if (this.#state === 'idle' || (this.#state === 'head' && this.#held.length === 0)) return null;
    throw new MalformedResponse('the connection ended within an answer');
  }

  /** Consumes from `at`; returns the new position, or -1 when more bytes are needed. */
  #step(input: Buffer, at: number, to: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(input, at, to);
      case 'fixed':
      case 'chunk-data':
        return this.#readCounted(input, at, to);
      case 'chunk-size':
        return this.#readChunkSize(input, at, to);
      case 'chunk-end':
        return this.#readLine(input, at, to, (line) => {
          if (line !== '') throw new MalformedResponse('a chunk is longer than its size');
          this.#state = 'chunk-size';
        });
      case 'trailers':
        return this.#readLine(input, at, to, (line) => {
          if (line === '') this.#state = 'idle';
        });
      default:
        this.#take(input, at, to);
        return to;
    }
  }

  #readHead(input: Buffer, at: number, to: number): number {
    const head = this.#heads.read(input, at, to);
    if (head === null) return -1;
    if (head.status === 101) throw new MalformedResponse('the server switched protocols');
    // Interim answers (100, 103) come before the real one.
    if (head.status < 200) return at + head.size;
    this.#head = head;
    this.#state = this.#bodyState(head);
    return at + head.size;
  }

  #bodyState({ status, chunked, length }: Head): State {
    if (this.#method === 'HEAD' || status === 204 || status === 304) return 'idle';
    if (chunked) return 'chunk-size';
    if (length === null) return 'until-close';
    this.#missing = length;
    return length === 0 ? 'idle' : 'fixed';
  }

  #readCounted(input: Buffer, at: number, to: number): number {
    const end = Math.min(to, at + this.#missing);
    this.#missing -= end - at;
    this.#take(input, at, end);
    if (this.#missing === 0) this.#state = this.#state === 'fixed' ? 'idle' : 'chunk-end';
    return end;
  }

  #readChunkSize(input: Buffer, at: number, to: number): number {
    return this.#readLine(input, at, to, (line) => {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
      this.#missing = Number.parseInt(size, 16);
      this.#state = this.#missing === 0 ? 'trailers' : 'chunk-data';
    });
  }

  #readLine(input: Buffer, at: number, to: number, use: (line: string) => void): number {
    const end = input.indexOf('\r\n', at, 'latin1');
    if (end < 0 || end + 2 > to) return -1;
    use(input.toString('latin1', at, end));
    return end + 2;
  }

  #hold(rest: Buffer): void {
    if (rest.length > maxHeadBytes) throw new MalformedResponse('a head or line above 64 KiB');
    this.#held = Buffer.from(rest);
  }

  /** A body that comes in one piece is made a string at once; of others, the pieces are copied. */
  #take(input: Buffer, from: number, to: number): void {
    this.#bodyBytes += to - from;
    if (this.#bodyBytes > maxBodyBytes) throw new MalformedResponse('a body above 16 MiB');
    if (this.#state === 'fixed' && this.#missing === 0 && this.#pieces.length === 0) {
      this.#body = input.toString('utf8', from, to);
    } else this.#pieces.push(Buffer.from(input.subarray(from, to)));
  }

  #finish(closing: boolean): ParsedResponse {
    const head = this.#head;
    if (head === null) throw new MalformedResponse('an answer without a head');
    this.#state = 'idle';
    const body = this.#pieces.length === 0 ? this.#body : Buffer.concat(this.#pieces).toString('utf8');
    return new ParsedResponse(head, body, head.keepAlive && !closing);
  }
}
