/** Redis' protocol as a server speaks it (RESP2): requests out of a stream of bytes, and answers into one. Pure. */

/** What a client sent is no request; its connection cannot be read on. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface RespLimits {
  /** Of one argument. */
  readonly maxBytes: number;
  /** Of one request. */
  readonly maxArguments: number;
}

/** Gathers bytes until they make whole requests: arrays of bulk strings, or words on a line, as a person types them. */
export class RequestReader {
  readonly #limits: RespLimits;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(limits: RespLimits) {
    this.#limits = limits;
  }

  /** The requests that are complete with `chunk`; empty ones are left out. Throws {@link ProtocolError}. */
  read(chunk: Buffer): readonly (readonly Buffer[])[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const requests: (readonly Buffer[])[] = [];
    let at = 0;
    for (let next = this.#next(at); next !== null; next = this.#next(at)) {
      at = next.end;
      if (next.words.length > 0) requests.push(next.words);
    }
    this.#bytes = this.#bytes.subarray(at);
    return requests;
  }

  /** The request at `start`, null while it is not complete. */
  #next(start: number): { readonly words: readonly Buffer[]; readonly end: number } | null {
    const line = this.#line(start);
    if (line === null) return null;
    if (this.#bytes[start] !== asterisk) {
      const words = line.text.split(/\s+/).filter((word) => word !== '');
      return { words: words.map((word) => Buffer.from(word, 'latin1')), end: line.end };
    }
    const count = this.#count(line.text, '*', this.#limits.maxArguments);
    const words: Buffer[] = [];
    let at = line.end;
    for (let index = 0; index < count; index++) {
      const header = this.#line(at);
      if (header === null) return null;
      const length = this.#count(header.text, '$', this.#limits.maxBytes);
      const end = header.end + length + 2;
      if (this.#bytes.length < end) return null;
      // A copy: the rest of the buffer must not live as long as the command.
      words.push(Buffer.from(this.#bytes.subarray(header.end, header.end + length)));
      at = end;
    }
    return { words, end: at };
  }

  #line(start: number): { readonly text: string; readonly end: number } | null {
    const newline = this.#bytes.indexOf(10, start);
    if (newline < 0) {
      if (this.#bytes.length - start > maxLineBytes) throw new ProtocolError('too long a line');
      return null;
    }
    return { text: this.#bytes.toString('latin1', start, newline).replace(/\r$/, ''), end: newline + 1 };
  }

  #count(text: string, type: '*' | '$', most: number): number {
    const count = /^[*$]\d{1,10}$/.test(text) && text[0] === type ? Number(text.slice(1)) : Number.NaN;
    if (!(count <= most)) throw new ProtocolError(`expected ${type} and at most ${most}`);
    return count;
  }
}

const asterisk = 0x2a;
const maxLineBytes = 65_536;

/** A word rather than a value, e.g. `OK`. */
export class Status {
  readonly word: string;

  constructor(word: string) {
    this.word = word;
  }
}

/** Null, a number, text or bytes, a {@link Status}, an error, or a list of these. */
export function encodeReply(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.from('$-1\r\n');
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`);
  if (value instanceof Status) return Buffer.from(`+${value.word}\r\n`);
  // A line break in the message would begin another answer.
  if (value instanceof Error) return Buffer.from(`-${value.message.replace(/[\r\n]+/g, ' ')}\r\n`);
  if (Array.isArray(value)) return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encodeReply)]);
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
}
