/**
 * The head of an HTTP/1.1 answer (RFC 9112), read byte by byte in one pass: the status and what frames the body.
 * The headers themselves become strings only for a workload that asks for them.
 */

import { MalformedResponse } from './answer.ts';

export class Head {
  readonly status: number;
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
  readonly chunked: boolean;
  /** Null without a content-length. */
  readonly length: number | null;
  /** How many bytes it takes. */
  readonly size: number;
  readonly #lines: string;
  #headers: Readonly<Record<string, string>> | null = null;

  constructor(status: number, framing: Framing, size: number, lines: string) {
    this.status = status;
    this.keepAlive = framing.keepAlive;
    this.chunked = framing.chunked;
    this.length = framing.length;
    this.size = size;
    this.#lines = lines;
  }

  /** By name in lower case; repeated ones are joined. */
  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= headersOf(this.#lines);
    return this.#headers;
  }
}

interface Framing {
  keepAlive: boolean;
  closes: boolean;
  chunked: boolean;
  length: number | null;
}

/** Most answers of one server have the head of the one before, byte for byte: that is read once. */
export class HeadReader {
  readonly #bytes = Buffer.allocUnsafe(1024);
  #head: Head | null = null;

  /** Reads the head that begins at `from`; null while it is not complete at `to`. Throws {@link MalformedResponse}. */
  read(bytes: Buffer, from: number, to: number): Head | null {
    if (this.#head !== null && this.#repeats(bytes, from, to, this.#head.size)) return this.#head;
    const head = readHead(bytes, from, to);
    if (head === null) return null;
    const known = head.size <= this.#bytes.length;
    if (known) bytes.copy(this.#bytes, 0, from, from + head.size);
    this.#head = known ? head : null;
    return head;
  }

  #repeats(bytes: Buffer, from: number, to: number, size: number): boolean {
    return to - from >= size && this.#bytes.compare(bytes, from, from + size, 0, size) === 0;
  }
}

const cr = 13;
const lf = 10;
const colon = 58;
const space = 32;

/** 1 for the bytes of a token (RFC 9110 5.6.2). */
const isToken = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  isToken[char.charCodeAt(0)] = 1;
}

function readHead(bytes: Buffer, from: number, to: number): Head | null {
  const firstLine = readStatusLine(bytes, from, to);
  if (firstLine === null) return null;
  const framing: Framing = { keepAlive: firstLine.keepAlive, closes: false, chunked: false, length: null };
  let at = firstLine.end;
  for (;;) {
    if (at + 1 >= to) return null;
    if (bytes[at] === cr) break;
    const nameEnd = endOfName(bytes, at, to);
    const lineEnd = nameEnd < 0 ? -1 : endOfLine(bytes, nameEnd, to);
    if (lineEnd < 0) return null;
    const name = framingName(bytes, at, nameEnd);
    if (name !== null) frame(framing, name, valueText(bytes, nameEnd, lineEnd));
    at = lineEnd + 2;
  }
  if (bytes[at + 1] !== lf) throw malformed('header', bytes, at, to);
  framing.keepAlive &&= !framing.closes;
  const lines = bytes.toString('latin1', firstLine.end, at);
  return new Head(firstLine.status, framing, at + 2 - from, lines);
}

function headersOf(lines: string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines.split('\r\n')) {
    const at = line.indexOf(':');
    if (at < 0) continue;
    const name = line.slice(0, at).toLowerCase();
    const value = line.slice(at + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

/** `HTTP/1.1 200 OK`: what it says, and where the next line begins. */
function readStatusLine(bytes: Buffer, from: number, to: number) {
  const version = 'HTTP/1.';
  const known = Math.min(to - from, version.length);
  for (let i = 0; i < known; i++) {
    if (bytes[from + i] !== version.charCodeAt(i)) throw malformed('status line', bytes, from, to);
  }
  const end = endOfLine(bytes, from, to);
  if (end < 0) return null;
  const minor = bytes[from + 7];
  const status = digit(bytes, from + 9) * 100 + digit(bytes, from + 10) * 10 + digit(bytes, from + 11);
  const afterStatus = from + 12 === end || bytes[from + 12] === space;
  const wellFormed = (minor === 48 || minor === 49) && bytes[from + 8] === space && end >= from + 12 && afterStatus;
  if (!wellFormed || !(status >= 100 && status < 600)) throw malformed('status line', bytes, from, to);
  return { status, keepAlive: minor === 49, end: end + 2 };
}

/** Not a number when the byte is no digit. */
function digit(bytes: Buffer, at: number): number {
  const value = (bytes[at] ?? 0) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

/** Where the colon after a name is; -1 when the bytes end before it. */
function endOfName(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && isToken[bytes[at]!] === 1) at += 1;
  if (at === to) return -1;
  if (at === from || bytes[at] !== colon) throw malformed('header', bytes, from, to);
  return at;
}

/** Where the line's CR LF is; -1 when the bytes end before it. A bare CR or LF is no end of a line. */
function endOfLine(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== cr && bytes[at] !== lf) at += 1;
  if (at + 1 >= to && bytes[at] !== lf) return -1;
  if (bytes[at] === lf || bytes[at + 1] !== lf) throw malformed('line', bytes, from, to);
  return at;
}

const framingNames = ['content-length', 'transfer-encoding', 'connection'] as const;
type FramingName = (typeof framingNames)[number];

function framingName(bytes: Buffer, from: number, to: number): FramingName | null {
  for (const name of framingNames) if (to - from === name.length && matches(bytes, from, name)) return name;
  return null;
}

function matches(bytes: Buffer, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    // Setting this bit makes a letter lower case, and leaves the hyphen as it is.
    if ((bytes[from + i]! | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

function frame(framing: Framing, name: FramingName, value: string): void {
  if (name === 'content-length') framing.length = lengthOf(value, framing.length);
  else if (name === 'connection') {
    framing.closes ||= value.includes('close');
    framing.keepAlive ||= value.includes('keep-alive');
  } else if (value === 'chunked' && !framing.chunked) framing.chunked = true;
  else throw new MalformedResponse(`transfer-encoding ${JSON.stringify(value.slice(0, 40))}`);
}

function valueText(bytes: Buffer, colonAt: number, lineEnd: number): string {
  const first = bytes[colonAt + 1] === space ? colonAt + 2 : colonAt + 1;
  return bytes.toString('latin1', first, lineEnd).trim().toLowerCase();
}

const onlyDigits = /^\d{1,15}$/;

/** Equal repeated lengths (`5, 5`) are allowed by RFC 9110 8.6; different ones are not. */
function lengthOf(text: string, before: number | null): number {
  let length = before;
  for (const part of onlyDigits.test(text) ? [text] : text.split(',')) {
    const digits = part.trim();
    const value = onlyDigits.test(digits) ? Number(digits) : Number.NaN;
    if (!(value >= 0) || (length !== null && length !== value)) {
      throw new MalformedResponse(`content-length ${JSON.stringify(text.slice(0, 40))}`);
    }
    length = value;
  }
  return length ?? 0;
}

function malformed(what: string, bytes: Buffer, at: number, to: number): MalformedResponse {
  return new MalformedResponse(`${what} ${JSON.stringify(bytes.toString('latin1', at, Math.min(to, at + 40)))}`);
}
