/**
 * Redis' protocol as a client speaks it (RESP2): commands into bytes, and replies out of them, however they were cut.
 *
 * Written here because it is most of what a command costs: through a driver that makes objects, promises and strings for
 * each of them, a command took six times as much of this process's time when measured.
 */

export type Argument = string | Buffer | number;

/** A server's reply that a command failed: `<CODE> <words>`. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

/** What came is no reply; the connection cannot be read on. */
export class MalformedReplyError extends Error {
  override readonly name = 'MalformedReplyError';
}

export type Reply = string | Buffer | number | null | ReplyError | Reply[];

/** Commands are gathered in pieces of this size. */
const pieceBytes = 65_536;
/** Up to this length, text is copied by a loop here: a call into Node's own code takes longer. */
const shortText = 96;
/** Of the `$<length>` before an argument and the line breaks around it, or of `*<count>`. */
const frameBytes = 24;

/** Gathers commands, to be written at once. */
export class CommandWriter {
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  /** What was not taken yet begins here, and ends at `#at`. */
  #from = 0;
  #at = 0;
  #full: Buffer[] = [];

  add(name: string, args: readonly Argument[]): void {
    this.#reserve(frameBytes);
    this.#head(asterisk, args.length + 1);
    this.#text(name);
    for (let i = 0; i < args.length; i++) {
      const argument = args[i] as Argument;
      if (typeof argument === 'string') this.#text(argument);
      else if (argument instanceof Uint8Array) this.#bytes(argument);
      else this.#text(String(argument));
    }
  }

  /** What was added since the last time. The bytes stay as they are. */
  take(): readonly Buffer[] {
    const taken = this.#full;
    if (this.#at > this.#from) taken.push(this.#piece.subarray(this.#from, this.#at));
    this.#full = [];
    this.#from = this.#at;
    return taken;
  }

  #text(text: string): void {
    if (text.length > shortText || !this.#shortText(text)) this.#longText(text);
  }

  /** False, with nothing added, for text that is not plain: its length in bytes is another. */
  #shortText(text: string): boolean {
    const { length } = text;
    this.#reserve(frameBytes + length);
    const start = this.#at;
    this.#head(dollar, length);
    const piece = this.#piece;
    let at = this.#at;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        this.#at = start;
        return false;
      }
      piece[at++] = code;
    }
    this.#at = at;
    this.#lineBreak();
    return true;
  }

  #longText(text: string): void {
    const length = Buffer.byteLength(text);
    this.#reserve(frameBytes + length);
    this.#head(dollar, length);
    this.#at += this.#piece.write(text, this.#at, 'utf8');
    this.#lineBreak();
  }

  #bytes(bytes: Buffer): void {
    this.#reserve(frameBytes + bytes.length);
    this.#head(dollar, bytes.length);
    this.#piece.set(bytes, this.#at);
    this.#at += bytes.length;
    this.#lineBreak();
  }

  #head(type: number, count: number): void {
    const piece = this.#piece;
    let at = this.#at;
    piece[at++] = type;
    if (count < 10) piece[at++] = zero + count;
    else {
      const digits = String(count);
      for (let i = 0; i < digits.length; i++) piece[at++] = digits.charCodeAt(i);
    }
    this.#at = at;
    this.#lineBreak();
  }

  #lineBreak(): void {
    this.#piece[this.#at++] = carriageReturn;
    this.#piece[this.#at++] = lineFeed;
  }

  /** A piece that was taken is not written into again from its beginning: it may still be on its way. */
  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#piece.length) return;
    if (this.#at > this.#from) this.#full.push(this.#piece.subarray(this.#from, this.#at));
    this.#piece = Buffer.allocUnsafeSlow(Math.max(pieceBytes, bytes));
    this.#from = 0;
    this.#at = 0;
  }
}

/** A list of which members are still to come. */
interface Open {
  readonly members: Reply[];
  readonly length: number;
}

/** As the servers' own limits. */
const mostBulkBytes = 512 * 2 ** 20;
const mostLineBytes = 65_536;
const mostMembers = 2 ** 24;
const mostDepth = 32;

/** Replies out of bytes; a list of which only a part has come is not read again from its beginning. */
export class ReplyReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** What came behind `#bytes`: put together when it is enough to go on, so that a large value is copied once. */
  #later: Buffer[] = [];
  #laterBytes = 0;
  #needed = 0;
  readonly #open: Open[] = [];

  push(chunk: Buffer): void {
    if (this.#at === this.#bytes.length && this.#later.length === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      return;
    }
    this.#later.push(chunk);
    this.#laterBytes += chunk.length;
    if (this.#bytes.length - this.#at + this.#laterBytes < this.#needed) return;
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#later]);
    this.#at = 0;
    this.#later = [];
    this.#laterBytes = 0;
    this.#needed = 0;
  }

  /** Whether bytes are left. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length || this.#later.length > 0;
  }

  /**
   * The next reply, undefined while it has not come as a whole. `asBytes`: bulks and words as bytes, not as text.
   * Throws {@link MalformedReplyError}.
   */
  next(asBytes: boolean): Reply | undefined {
    for (;;) {
      const value = this.#one(asBytes);
      if (value === undefined) return undefined;
      const whole = value === opened ? undefined : this.#place(value);
      if (whole !== undefined) return whole;
    }
  }

  /** Puts a value into the list that it belongs to; the reply that is whole with it. */
  #place(value: Reply): Reply | undefined {
    let whole = value;
    for (;;) {
      const list = this.#open[this.#open.length - 1];
      if (list === undefined) return whole;
      list.members.push(whole);
      if (list.members.length < list.length) return undefined;
      this.#open.pop();
      whole = list.members;
    }
  }

  /** One line, or a bulk with its line; `opened` for a list that has members. Nothing is consumed unless it is there. */
  #one(asBytes: boolean): Reply | typeof opened | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    let end = start;
    // Lines are short, so that a loop finds their end sooner than a call of indexOf.
    while (end < bytes.length && bytes[end] !== lineFeed) end++;
    if (end === bytes.length) return this.#unfinished(start);
    const type = bytes[start];
    if (type === dollar) return this.#bulk(start, end, asBytes);
    this.#at = end + 1;
    if (type === colon) return integer(bytes, start + 1, end - 1);
    if (type === plus) return asBytes ? copy(bytes, start + 1, end - 1) : bytes.toString('utf8', start + 1, end - 1);
    if (type === minus) return new ReplyError(bytes.toString('utf8', start + 1, end - 1));
    if (type === asterisk) return this.#list(integer(bytes, start + 1, end - 1));
    throw new MalformedReplyError(`no reply begins with byte ${type}`);
  }

  #bulk(start: number, end: number, asBytes: boolean): Reply | undefined {
    const bytes = this.#bytes;
    const length = integer(bytes, start + 1, end - 1);
    if (length < 0) {
      this.#at = end + 1;
      return null;
    }
    if (length > mostBulkBytes) throw new MalformedReplyError(`a value of ${length} bytes`);
    const next = end + 1 + length + 2;
    if (next > bytes.length) {
      this.#needed = next - start;
      return undefined;
    }
    this.#at = next;
    return asBytes ? copy(bytes, end + 1, next - 2) : bytes.toString('utf8', end + 1, next - 2);
  }

  #list(length: number): Reply | typeof opened {
    if (length < 0) return null;
    if (length === 0) return [];
    if (length > mostMembers || this.#open.length >= mostDepth) throw new MalformedReplyError('too large a list');
    this.#open.push({ members: [], length });
    return opened;
  }

  /** A line that has not come to its end. */
  #unfinished(start: number): undefined {
    if (this.#bytes.length - start > mostLineBytes) throw new MalformedReplyError('too long a line');
    return undefined;
  }
}

const opened = Symbol('opened');
const asterisk = 0x2a;
const plus = 0x2b;
const minus = 0x2d;
const colon = 0x3a;
const dollar = 0x24;
const zero = 0x30;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** The bytes that came must not be kept as long as the value is. */
function copy(bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.from(bytes.subarray(from, to));
}

function integer(bytes: Buffer, from: number, to: number): number {
  const negative = bytes[from] === minus;
  let number = 0;
  for (let at = negative ? from + 1 : from; at < to; at++) {
    const digit = (bytes[at] as number) - zero;
    if (!(digit >= 0 && digit <= 9)) throw new MalformedReplyError('no number');
    number = number * 10 + digit;
  }
  return negative ? -number : number;
}
