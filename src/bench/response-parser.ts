/**
 * Reads one HTTP/1.1 answer at a time from bytes that may be cut anywhere (RFC 9112). Strict: what it does not
 * understand is malformed, so a broken answer never counts as a correct one.
 */

import type { WorkloadResponse } from './workload.ts';

export interface ParsedResponse extends WorkloadResponse {
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
}

export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

const maxHeadBytes = 64 * 1024;
const maxBodyBytes = 16 * 1024 * 1024;
const headEnd = Buffer.from('\r\n\r\n');
const empty = Buffer.alloc(0);

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly keepAlive: boolean;
}

type State = 'idle' | 'head' | 'fixed' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close';

export class ResponseParser {
  #state: State = 'idle';
  #method = 'GET';
  /** Bytes of an unfinished line or head, copied, because the socket's buffer is used again. */
  #held: Buffer = empty;
  #head: Head | null = null;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  /** Of the fixed body or the chunk that is being read. */
  #missing = 0;

  /** Expects the answer to a request of this method. */
  start(method: string): void {
    this.#state = 'head';
    this.#method = method;
    this.#held = empty;
    this.#head = null;
    this.#body = [];
    this.#bodyBytes = 0;
  }

  /**
   * Reads `bytes`, which belong to the caller again afterwards. Returns the answer when it is complete, else null.
   * Throws {@link MalformedResponse}. Bytes beyond the answer mean that the connection can't be used again.
   */
  push(bytes: Buffer): ParsedResponse | null {
    if (this.#state === 'idle') throw new MalformedResponse('bytes that no request asked for');
    const input = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = empty;
    let at = 0;
    while (at < input.length) {
      const next = this.#step(input, at);
      // #step may end the answer.
      if ((this.#state as State) === 'idle') return this.#finish(next < input.length);
      if (next < 0) {
        this.#hold(input.subarray(at));
        return null;
      }
      at = next;
    }
    return null;
  }

  /** The connection ended: the answer when that is what ends it, null when nothing came; else throws. */
  end(): ParsedResponse | null {
    if (this.#state === 'until-close') return this.#finish(true);
    if (this.#state === 'idle' || (this.#state === 'head' && this.#held.length === 0)) return null;
    throw new MalformedResponse('the connection ended within an answer');
  }

  /** Consumes from `at`; returns the new position, or -1 when more bytes are needed. */
  #step(input: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(input, at);
      case 'fixed':
      case 'chunk-data':
        return this.#readCounted(input, at);
      case 'chunk-size':
        return this.#readChunkSize(input, at);
      case 'chunk-end':
        return this.#readLine(input, at, (line) => {
          if (line !== '') throw new MalformedResponse('a chunk is longer than its size');
          this.#state = 'chunk-size';
        });
      case 'trailers':
        return this.#readLine(input, at, (line) => {
          if (line === '') this.#state = 'idle';
        });
      default:
        this.#take(input, at, input.length);
        return input.length;
    }
  }

  #readHead(input: Buffer, at: number): number {
    const end = input.indexOf(headEnd, at);
    if (end < 0) return -1;
    const head = parseHead(input.toString('latin1', at, end));
    const next = end + headEnd.length;
    if (head.status === 101) throw new MalformedResponse('the server switched protocols');
    // Interim answers (100, 103) come before the real one.
    if (head.status < 200) return next;
    this.#head = head;
    this.#state = this.#bodyState(head);
    return next;
  }

  #bodyState(head: Head): State {
    if (this.#method === 'HEAD' || head.status === 204 || head.status === 304) return 'idle';
    const encoding = head.headers['transfer-encoding'];
    if (encoding !== undefined) {
      if (encoding.toLowerCase() !== 'chunked') throw new MalformedResponse(`transfer-encoding ${encoding}`);
      return 'chunk-size';
    }
    const length = head.headers['content-length'];
    if (length === undefined) return 'until-close';
    this.#missing = parseLength(length);
    return this.#missing === 0 ? 'idle' : 'fixed';
  }

  #readCounted(input: Buffer, at: number): number {
    const end = Math.min(input.length, at + this.#missing);
    this.#missing -= end - at;
    this.#take(input, at, end);
    if (this.#missing === 0) this.#state = this.#state === 'fixed' ? 'idle' : 'chunk-end';
    return end;
  }

  #readChunkSize(input: Buffer, at: number): number {
    return this.#readLine(input, at, (line) => {
      const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse(`chunk size ${JSON.stringify(line.slice(0, 40))}`);
      this.#missing = Number.parseInt(size, 16);
      this.#state = this.#missing === 0 ? 'trailers' : 'chunk-data';
    });
  }

  #readLine(input: Buffer, at: number, use: (line: string) => void): number {
    const end = input.indexOf('\r\n', at, 'latin1');
    if (end < 0) return -1;
    use(input.toString('latin1', at, end));
    return end + 2;
  }

  #hold(rest: Buffer): void {
    if (rest.length > maxHeadBytes) throw new MalformedResponse('a head or line above 64 KiB');
    this.#held = Buffer.from(rest);
  }

  #take(input: Buffer, from: number, to: number): void {
    this.#bodyBytes += to - from;
    if (this.#bodyBytes > maxBodyBytes) throw new MalformedResponse('a body above 16 MiB');
    this.#body.push(Buffer.from(input.subarray(from, to)));
  }

  #finish(closing: boolean): ParsedResponse {
    const head = this.#head;
    if (head === null) throw new MalformedResponse('an answer without a head');
    const [first] = this.#body;
    const bytes = this.#body.length > 1 ? Buffer.concat(this.#body) : (first ?? empty);
    this.#state = 'idle';
    this.#body = [];
    const keepAlive = head.keepAlive && !closing;
    return { status: head.status, headers: head.headers, body: bytes.toString('utf8'), keepAlive };
  }
}

function parseHead(text: string): Head {
  const lines = text.split('\r\n');
  const status = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\n\r]*)?$/.exec(lines[0] ?? '');
  if (status === null) throw new MalformedResponse(`status line ${JSON.stringify((lines[0] ?? '').slice(0, 40))}`);
  const headers: Record<string, string> = Object.create(null);
  for (let i = 1; i < lines.length; i++) addHeader(headers, lines[i] ?? '');
  const connection = (headers.connection ?? '').toLowerCase();
  const keepAlive = status[1] === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  return { status: Number(status[2]), headers, keepAlive };
}

function addHeader(headers: Record<string, string>, line: string): void {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(0, colon)).toLowerCase();
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) {
    throw new MalformedResponse(`header ${JSON.stringify(line.slice(0, 40))}`);
  }
  const value = line.slice(colon + 1).trim();
  headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
}

/** Equal repeated lengths (`5, 5`) are allowed by RFC 9110 8.6; different ones are not. */
function parseLength(text: string): number {
  const [length = '', ...others] = text.split(',').map((part) => part.trim());
  if (!/^\d{1,15}$/.test(length) || others.some((other) => other !== length)) {
    throw new MalformedResponse(`content-length ${JSON.stringify(text.slice(0, 40))}`);
  }
  return Number(length);
}
