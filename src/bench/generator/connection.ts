/** One keep-alive connection with at most one request in flight. */

import { connect, type Socket } from 'node:net';
import { type Answer, type AnswerParser, type Failure, MalformedResponse } from './answer.ts';
import type { Exchange } from './exchange.ts';

export interface ConnectionEvents {
  /** `exchange` is no longer the connection's; after a failure {@link gone} follows. */
  answered(connection: Connection, exchange: Exchange, answer: Answer | Failure): void;
  /** The connection can't be used any more. */
  gone(connection: Connection): void;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly parser: AnswerParser;
  /** May be shared by all connections of a thread: it is read before the next one is filled. */
  readonly readBuffer: Buffer;
  readonly now: () => number;
  readonly events: ConnectionEvents;
}

export class Connection {
  /** When the request in flight was given to this connection, or since when it is idle; set by the owner. */
  sinceMs = 0;
  /** Instances that were tried before for the request in flight; set by the owner. */
  tries = 0;
  readonly #options: ConnectionOptions;
  readonly #parser: AnswerParser;
  readonly #socket: Socket;
  #connected = false;
  #gone = false;
  #exchange: Exchange | null = null;
  /** The bytes of the request in flight while the connection is being made. */
  #unsent: string | Buffer | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#parser = options.parser;
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer: options.readBuffer, callback: (count) => this.#read(count) },
    });
    this.#socket.on('connect', () => this.#onConnect());
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('error', () => this.#fail(this.#connected ? 'lost' : 'refused'));
    this.#socket.on('close', () => this.#fail(this.#connected ? 'lost' : 'refused'));
  }

  get inFlight(): boolean {
    return this.#exchange !== null;
  }

  /** Sends now, which is `nowMs`, or as soon as the connection is there. */
  send(exchange: Exchange, bytes: string | Buffer, nowMs: number): void {
    this.#exchange = exchange;
    if (this.#connected) this.#write(exchange, bytes, nowMs);
    else this.#unsent = bytes;
  }

  /** Gives up on the request in flight. */
  timeOut(): void {
    this.#fail('timeout');
  }

  destroy(): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  #write(exchange: Exchange, bytes: string | Buffer, nowMs: number): void {
    this.#parser.start(exchange.request.method);
    // Before the write: an operation must not seem to have begun after it took effect.
    exchange.sentMs = nowMs;
    if (typeof bytes === 'string') this.#socket.write(bytes, 'latin1');
    else this.#socket.write(bytes);
  }

  #onConnect(): void {
    this.#connected = true;
    if (this.#unsent === null || this.#exchange === null) return;
    const bytes = this.#unsent;
    this.#unsent = null;
    this.#write(this.#exchange, bytes, this.#options.now());
  }

  #read(count: number): boolean {
    if (this.#gone) return true;
    let response: Answer | null;
    try {
      response = this.#parser.push(this.#options.readBuffer, count);
    } catch (error) {
      // Only what the parser throws is the server's fault.
      if (!(error instanceof MalformedResponse)) throw error;
      this.#fail('malformed');
      return true;
    }
    if (response !== null) this.#answer(response);
    return true;
  }

  #onEnd(): void {
    let response: Answer | null = null;
    try {
      if (this.#exchange !== null) response = this.#parser.end();
    } catch (error) {
      // What was cut off is lost, whatever it would have become.
      if (!(error instanceof MalformedResponse)) throw error;
    }
    if (response === null) this.#fail('lost');
    else this.#answer(response);
  }

  #answer(response: Answer): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (!response.keepAlive) this.#leave();
    if (exchange !== null) this.#options.events.answered(this, exchange, response);
    if (!response.keepAlive) this.#options.events.gone(this);
  }

  #fail(kind: Failure): void {
    if (this.#gone) return;
    this.#leave();
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#options.events.answered(this, exchange, kind);
    this.#options.events.gone(this);
  }

  #leave(): void {
    this.#gone = true;
    this.#socket.destroy();
  }
}
