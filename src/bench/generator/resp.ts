/** RESP2, the protocol of Redis: commands as bytes, and replies from bytes that may be cut anywhere. */

import { MalformedResponse } from './answer.ts';
import type { RespReply } from './workload.ts';

/** An error that a server replied with, `<CODE> <words>`. */
export class RespError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  get code(): string {
    return /^\S*/.exec(this.message)?.[0] ?? '';
  }
}

export function encodeCommand(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
  return text;
}

const mostBulkBytes = 512 * 2 ** 20;
const mostLineBytes = 64 * 1024;
const mostDepth = 32;
const empty = Buffer.alloc(0);
/** Of a reply of which more bytes are to come. */
const open = Symbol('open');

export class RespReader {
  #bytes: Buffer = empty;
  #at = 0;

  /** The replies that are whole with these bytes, which are kept. Throws {@link MalformedResponse}. */
  push(chunk: Buffer): readonly RespReply[] {
    this.#bytes = this.#at < this.#bytes.length ? Buffer.concat([this.#bytes.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
    const replies: RespReply[] = [];
    while (this.#at < this.#bytes.length) {
      const start = this.#at;
      const reply = this.#read(0);
      if (reply === open) {
        this.#at = start;
        break;
      }
      replies.push(reply);
    }
    return replies;
  }

  #read(depth: number): RespReply | typeof open {
    const line = this.#line();
    if (line === null) return open;
    const text = line.slice(1);
    switch (line[0]) {
      case '+':
        return text;
      case '-':
        return new RespError(text);
      case ':':
        return wholeNumber(text);
      case '$':
        return this.#bulk(wholeNumber(text));
      case '*':
        return this.#list(wholeNumber(text), depth);
      default:
        throw new MalformedResponse(`a reply of type ${JSON.stringify(line[0] ?? '')}`);
    }
  }

  #line(): string | null {
    const end = this.#bytes.indexOf(10, this.#at);
    const length = (end < 0 ? this.#bytes.length : end) - this.#at;
    if (length > mostLineBytes) throw new MalformedResponse('a line without an end');
    if (end < 0) return null;
    if (length < 2 || this.#bytes[end - 1] !== 13) throw new MalformedResponse('a line that ends without CR');
    const line = this.#bytes.toString('utf8', this.#at, end - 1);
    this.#at = end + 1;
    return line;
  }

  #bulk(length: number): string | null | typeof open {
    if (length === -1) return null;
    if (length < 0 || length > mostBulkBytes) throw new MalformedResponse(`a text of ${length} bytes`);
    const end = this.#at + length;
    if (end + 2 > this.#bytes.length) return open;
    if (this.#bytes[end] !== 13 || this.#bytes[end + 1] !== 10) throw new MalformedResponse('a text of another length');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #list(length: number, depth: number): RespReply | typeof open {
    if (length === -1) return null;
    if (length < 0 || depth >= mostDepth) throw new MalformedResponse('a list of no length, or too deep');
    const items: RespReply[] = [];
    for (let i = 0; i < length; i++) {
      const item = this.#read(depth + 1);
      if (item === open) return open;
      items.push(item);
    }
    return items;
  }
}

function wholeNumber(text: string): number {
  if (!/^-?\d{1,18}$/.test(text)) throw new MalformedResponse(`${JSON.stringify(text)} is no number`);
  return Number(text);
}
