/** One keep-alive HTTP/1.1 connection with at most one request in flight. */

import { connect, type Socket } from 'node:net';
import { MalformedResponse, type ParsedResponse, ResponseParser } from './response-parser.ts';

/** How an exchange ended. Only `response` has one; `refused` never had a connection, so nothing was sent. */
export type Answer =
  | { readonly kind: 'response'; readonly response: ParsedResponse }
  | { readonly kind: 'refused' | 'lost' | 'malformed' | 'timeout'; readonly response: null };

export interface ConnectionEvents {
  /** The request's bytes were handed to the socket. */
  sent(connection: Connection): void;
  answered(connection: Connection, answer: Answer): void;
  /** The connection can't be used any more; comes after `answered` when a request was in flight. */
  gone(connection: Connection): void;
}

export class Connection {
  /** When the request in flight was given to this connection, or since when it is idle; set by the owner. */
  sinceMs = 0;
  readonly #events: ConnectionEvents;
  readonly #parser = new ResponseParser();
  readonly #socket: Socket;
  #connected = false;
  #inFlight = false;
  #gone = false;
  #pending: { readonly bytes: string | Buffer; readonly method: string } | null = null;

  /** `readBuffer` may be shared by all connections of a thread: it is read before the next one is filled. */
  constructor(target: { readonly host: string; readonly port: number }, readBuffer: Buffer, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (count) => this.#read(readBuffer.subarray(0, count)) },
    });
    this.#socket.on('connect', () => this.#onConnect());
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('error', () => this.#fail(this.#connected ? 'lost' : 'refused'));
    this.#socket.on('close', () => this.#fail(this.#connected ? 'lost' : 'refused'));
  }

  /** Sends now, or as soon as the connection is there. */
  send(bytes: string | Buffer, method: string): void {
    this.#inFlight = true;
    if (this.#connected) this.#write(bytes, method);
    else this.#pending = { bytes, method };
  }

  /** Gives up on the request in flight. */
  timeOut(): void {
    this.#fail('timeout');
  }

  destroy(): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  #write(bytes: string | Buffer, method: string): void {
    this.#parser.start(method);
    // Before the write: an operation must not seem to have begun after it took effect.
    this.#events.sent(this);
    if (typeof bytes === 'string') this.#socket.write(bytes, 'latin1');
    else this.#socket.write(bytes);
  }

  #onConnect(): void {
    this.#connected = true;
    if (this.#pending === null) return;
    const { bytes, method } = this.#pending;
    this.#pending = null;
    this.#write(bytes, method);
  }

  #read(bytes: Buffer): boolean {
    if (this.#gone) return true;
    const response = this.#parse(() => this.#parser.push(bytes));
    if (response === 'malformed') this.#fail('malformed');
    else if (response !== null) this.#answer(response);
    return true;
  }

  #onEnd(): void {
    const response = this.#inFlight ? this.#parse(() => this.#parser.end()) : null;
    if (response === 'malformed' || response === null) this.#fail('lost');
    else this.#answer(response);
  }

  /** Only what the parser throws is the server's fault. */
  #parse(step: () => ParsedResponse | null): ParsedResponse | 'malformed' | null {
    try {
      return step();
    } catch (error) {
      if (error instanceof MalformedResponse) return 'malformed';
      throw error;
    }
  }

  #answer(response: ParsedResponse): void {
    this.#inFlight = false;
    if (!response.keepAlive) this.#leave();
    this.#events.answered(this, { kind: 'response', response });
    if (!response.keepAlive) this.#events.gone(this);
  }

  #fail(kind: 'refused' | 'lost' | 'malformed' | 'timeout'): void {
    if (this.#gone) return;
    this.#leave();
    if (this.#inFlight) {
      this.#inFlight = false;
      this.#events.answered(this, { kind, response: null });
    }
    this.#events.gone(this);
  }

  #leave(): void {
    this.#gone = true;
    this.#socket.destroy();
  }
}
