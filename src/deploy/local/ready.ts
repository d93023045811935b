/** Probes, and waiting for a process that has just started. */

import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import type { Clock } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { findProcess } from './procfs.ts';
import type { ProcessRecord } from './registry.ts';
import { type InstanceSpec, localHost, type ResolvedProbe } from './resolve.ts';

const probeTimeoutMs = 2_000;
const pollMs = 25;
const readyTimeoutMs = 120_000;
const shownLines = 20;

/** Null when ready, else why not. Never throws. */
export async function probe(readiness: ResolvedProbe): Promise<string | null> {
  const { port } = readiness;
  if (readiness.kind === 'http') return probeHttp(port, readiness.path);
  if (readiness.kind === 'tcp') return probeSocket(port, () => connect({ host: localHost, port }), null);
  const ask = { send: 'PING\r\n', expect: '+PONG\r\n' };
  if (readiness.tls === undefined) return probeSocket(port, () => connect({ host: localHost, port }), ask);
  const { caPath, serverName: servername } = readiness.tls;
  return probeSocket(port, () => connectTls({ host: localHost, port, servername, ca: readFileSync(caPath) }), ask);
}

function probeHttp(port: number, path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const asked = request({ host: localHost, port, path, agent: false, timeout: probeTimeoutMs }, (response) => {
      const { statusCode = 0 } = response;
      response.resume();
      resolve(statusCode >= 200 && statusCode < 300 ? null : `GET ${path} answers ${statusCode}`);
    });
    asked.on('timeout', () => asked.destroy(new Error(`GET ${path} is not answered`)));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}

function probeSocket(
  port: number,
  open: () => Socket,
  ask: { send: string; expect: string } | null,
): Promise<string | null> {
  return new Promise<string | null>((resolve) => {
    let answer = '';
    const end = (result: string | null) => {
      resolve(result);
      socket.destroy();
    };
    const socket = open();
    socket.setTimeout(probeTimeoutMs, () => end(`port ${port} does not answer`));
    socket.on('error', (error) => end(error.message));
    socket.on('close', () => end(`port ${port} closed the connection`));
    socket.on(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () =>
      ask === null ? end(null) : socket.write(ask.send),
    );
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\n')) end(answer === ask?.expect ? null : `answers ${JSON.stringify(answer.trim())}`);
    });
  }).catch((error: Error) => error.message);
}

/**
 * Resolves when the instance answers its probe. Throws `deploy.died` with the last lines of its log when the process
 * ends first, `deploy.not-ready` when it takes too long, and the signal's reason when aborted.
 */
export async function waitReady(
  spec: InstanceSpec,
  started: ProcessRecord,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const giveUpMs = clock.monotonicMs() + readyTimeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const reason = await probe(spec.readiness);
    const lines = () => lastLines(spec.logPath, shownLines, started.logOffset);
    const where = { where: spec.logPath };
    // Looked at after the probe: a stranger on the port must not answer for a process that has ended.
    if (findProcess(started) === null) {
      throw new DspError('deploy.died', { instance: spec.id, how: 'ended while it started', lines: lines() }, where);
    }
    if (reason === null) return;
    if (clock.monotonicMs() >= giveUpMs) {
      const seconds = readyTimeoutMs / 1000;
      throw new DspError('deploy.not-ready', { instance: spec.id, seconds, reason, lines: lines() }, where);
    }
    await clock.sleep(pollMs, signal);
  }
}

const tailBytes = 65_536;

/** The last lines of a file, from `fromOffset` on; none when it cannot be read. */
export function lastLines(path: string, count: number, fromOffset = 0): readonly string[] {
  try {
    const file = openSync(path, 'r');
    try {
      const size = statSync(path).size;
      const from = Math.max(Math.min(fromOffset, size), size - tailBytes);
      const bytes = Buffer.alloc(size - from);
      const read = readSync(file, bytes, 0, bytes.length, from);
      const lines = bytes.toString('utf8', 0, read).split('\n');
      if (lines.at(-1) === '') lines.pop();
      return count === 0 ? [] : lines.slice(-count);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
