/** One connection to a Redis server, with many commands in flight: replies come in the order of the commands. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Failure, MalformedResponse } from './answer.ts';
import { encodeCommand, RespError, RespReader } from './resp.ts';
import type { Target, TransportAccess } from './target.ts';
import type { RespReply } from './workload.ts';

/** Commands that are sent together, and what becomes of them. */
export interface Errand {
  readonly text: string;
  /** Replies to come. */
  readonly count: number;
  /** Its time counts from here; ms of the shared clock. */
  readonly sinceMs: number;
  /** Just before its bytes are handed over. */
  sending(nowMs: number): void;
  /** Once; `refused`: nothing of it was sent. */
  ended(result: readonly RespReply[] | Failure): void;
}

interface Entry {
  readonly errand: Errand;
  readonly replies: RespReply[];
  sentMs: number;
  over: boolean;
}

export interface LinkOptions {
  readonly target: Target;
  readonly access: TransportAccess;
  readonly now: () => number;
  /** Nothing more comes of it; what it had has ended. */
  readonly gone: (link: RedisLink) => void;
}

export class RedisLink {
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  readonly #reader = new RespReader();
  #unsent: Entry[] = [];
  #inFlight: Entry[] = [];
  /** In-flight entries before this one have ended. */
  #first = 0;
  #ready = false;
  #gone = false;
  #text = '';
  #lastReplyMs = Number.NEGATIVE_INFINITY;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = openSocket(options);
    this.#socket.on('data', (chunk) => this.#read(chunk));
    for (const event of ['end', 'error', 'close']) this.#socket.on(event, () => this.#fail('lost'));
  }

  /** Whether it was ever let in. */
  get ready(): boolean {
    return this.#ready;
  }

  get idle(): boolean {
    return this.#unsent.length === 0 && this.#first === this.#inFlight.length;
  }

  send(errand: Errand, nowMs: number): void {
    const entry = { errand, replies: [], sentMs: 0, over: false };
    if (this.#ready) this.#write(entry, nowMs);
    else this.#unsent.push(entry);
  }

  /** Ends what is over its time; true when the server has said nothing since one of these was sent. */
  sweep(nowMs: number, timeoutMs: number): boolean {
    const due = ({ errand, over }: Entry) => !over && nowMs - errand.sinceMs >= timeoutMs;
    let silent = false;
    for (let i = this.#first; i < this.#inFlight.length; i++) {
      const entry = this.#inFlight[i] as Entry;
      if (!due(entry)) continue;
      silent ||= this.#lastReplyMs <= entry.sentMs;
      // Its replies may still come, and are nobody's then.
      this.#end(entry, 'timeout');
    }
    const late = this.#unsent.filter(due);
    this.#unsent = this.#unsent.filter((entry) => !late.includes(entry));
    for (const entry of late) this.#end(entry, 'refused');
    return silent || late.length > 0;
  }

  destroy(): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  /** What is sent in one turn of the loop leaves together. */
  #write(entry: Entry, nowMs: number): void {
    entry.errand.sending(nowMs);
    entry.sentMs = nowMs;
    this.#inFlight.push(entry);
    if (this.#text === '') queueMicrotask(() => this.#flush());
    this.#text += entry.errand.text;
  }

  #flush(): void {
    const text = this.#text;
    this.#text = '';
    if (!this.#gone) this.#socket.write(text);
  }

  /** The server lets nobody in who has not named himself. */
  #open(): void {
    this.#ready = true;
    const nowMs = this.#options.now();
    const waiting = this.#unsent;
    this.#unsent = [];
    for (const entry of waiting) this.#write(entry, nowMs);
  }

  #read(chunk: Buffer): void {
    if (this.#gone) return;
    let replies: readonly RespReply[];
    try {
      replies = this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof MalformedResponse)) throw error;
      this.#fail('malformed');
      return;
    }
    this.#lastReplyMs = this.#options.now();
    for (const reply of replies) {
      if (this.#ready) this.#take(reply);
      else if (reply instanceof RespError) this.#fail('refused');
      else this.#open();
      if (this.#gone) return;
    }
    if (this.#first > 1024) {
      this.#inFlight = this.#inFlight.slice(this.#first);
      this.#first = 0;
    }
  }

  #take(reply: RespReply): void {
    const entry = this.#inFlight[this.#first];
    if (entry === undefined) {
      this.#fail('malformed');
      return;
    }
    entry.replies.push(reply);
    if (entry.replies.length < entry.errand.count) return;
    this.#first += 1;
    this.#end(entry, entry.replies);
  }

  #end(entry: Entry, result: readonly RespReply[] | Failure): void {
    if (entry.over) return;
    entry.over = true;
    entry.errand.ended(result);
  }

  #fail(kind: Failure): void {
    if (this.#gone) return;
    this.destroy();
    const sent = this.#inFlight.slice(this.#first);
    const unsent = this.#unsent;
    this.#inFlight = [];
    this.#unsent = [];
    this.#first = 0;
    this.#options.gone(this);
    for (const entry of sent) this.#end(entry, kind);
    for (const entry of unsent) this.#end(entry, 'refused');
  }
}

function openSocket({ target, access }: LinkOptions): Socket {
  const { user, password, ca, serverName } = access;
  const hello = user === undefined ? ['PING'] : ['AUTH', user, password ?? ''];
  const socket =
    ca === undefined
      ? connect({ ...target, noDelay: true })
      : connectTls({ ...target, ca, servername: serverName ?? target.host });
  socket.setNoDelay(true);
  socket.write(encodeCommand(hello));
  return socket;
}
