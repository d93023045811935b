/**
 * Locks that the kernel lets go when their owner ends, however it ends: a socket in Linux' abstract namespace can be
 * bound once, and leaves no file behind. Whoever connects to it is told who holds it.
 */

import { connect, createServer, type Server } from 'node:net';
import type { Clock } from '../../clock.ts';
import { sha256 } from '../../digest.ts';

export interface Holder {
  readonly pid: number;
  /** What it does, as the user wrote it: `dsp deploy`. */
  readonly command: string;
}

export interface Lock {
  release(): Promise<void>;
}

export interface LockRequest {
  /** Who may not be at work at once, e.g. `project:/home/me/shop`. */
  readonly name: string;
  readonly command: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /** How long to wait for the holder. */
  readonly waitMs: number;
  /** Called once, when there is something to wait for. */
  readonly onWait?: (holder: Holder) => void;
}

const retryMs = 50;

/** The lock, or its holder when it was not let go in time. A holder that answers nothing has pid 0. */
export async function acquireLock(request: LockRequest): Promise<Lock | { readonly heldBy: Holder }> {
  const { clock, signal } = request;
  const path = `\0dsp-${sha256(request.name).slice(0, 40)}`;
  const giveUpMs = clock.monotonicMs() + request.waitMs;
  for (let said = false; ; ) {
    signal?.throwIfAborted();
    const server = await bind(path, request.command);
    if (server !== null) return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    const heldBy = await askHolder(path);
    if (heldBy === null) continue;
    if (clock.monotonicMs() >= giveUpMs) return { heldBy };
    if (!said) request.onWait?.(heldBy);
    said = true;
    await clock.sleep(retryMs, signal);
  }
}

function bind(path: string, command: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(JSON.stringify({ pid: process.pid, command }));
    });
    // Work that hangs must not be kept alive by its lock.
    server.unref();
    server.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(null) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

/** Null when the lock was let go meanwhile. */
function askHolder(path: string): Promise<Holder | null> {
  return new Promise((resolve) => {
    let text = '';
    const unknown = { pid: 0, command: 'another dsp' };
    const socket = connect(path);
    socket.setTimeout(500, () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? null : unknown));
    socket.on('close', () => {
      try {
        const { pid, command } = JSON.parse(text);
        resolve({ pid: Number(pid), command: String(command) });
      } catch {
        resolve(unknown);
      }
    });
  });
}
