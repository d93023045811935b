/** A bare Redis client that costs next to nothing: requests made beforehand, answers counted by their lines. */

import { connect } from 'node:net';

export type Word = string | number;

export function frame(words: readonly Word[]): Buffer {
  const parts = words.map(String).map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`);
}

/** One command and its whole answer as text. */
export function ask(port: number, ...words: readonly Word[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
      const bulk = /^\$(\d+)\r\n/.exec(text);
      if (bulk !== null && text.length < bulk[0].length + Number(bulk[1]) + 2) return;
      if (!text.endsWith('\r\n')) return;
      socket.destroy();
      resolve(text);
    });
    socket.on('error', reject).write(frame(words));
  });
}

export interface Requests {
  readonly frames: readonly Buffer[];
  /** Of each answer. */
  readonly lines: number;
  /** Operations that one request does. */
  readonly operations: number;
  /** Requests under way on each connection. */
  readonly depth: number;
  readonly connections: number;
}

/** Keeps the pipelines full for so long; how many operations were done. */
export async function drive(port: number, requests: Requests, ms: number): Promise<number> {
  const untilMs = performance.now() + ms;
  const done = await Promise.all(
    Array.from({ length: requests.connections }, (_, index) => driveOne(port, requests, untilMs, index * 37)),
  );
  return done.reduce((sum, count) => sum + count, 0) * requests.operations;
}

function driveOne(port: number, { frames, lines, depth }: Requests, untilMs: number, from: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let [next, seen, answered, inFlight] = [from, 0, 0, 0];
    const send = (count: number) => {
      inFlight += count;
      socket.write(Buffer.concat(Array.from({ length: count }, () => frames[next++ % frames.length] as Buffer)));
    };
    socket.on('connect', () => send(depth)).on('error', reject);
    socket.on('data', (bytes) => {
      // An error's line begins with a dash, and no number of ours does after a line's end.
      if (bytes[0] === 45) reject(new Error(bytes.toString('utf8', 0, 200)));
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) seen++;
      const complete = Math.floor(seen / lines);
      seen -= complete * lines;
      answered += complete;
      inFlight -= complete;
      if (performance.now() < untilMs) {
        if (complete > 0) send(complete);
      } else if (inFlight === 0) {
        socket.destroy();
        resolve(answered);
      }
    });
  });
}
