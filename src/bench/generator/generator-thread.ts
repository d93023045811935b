/** A generator thread as the bench sees it: a worker whose messages can be awaited, and whose end is noticed. */

import { Worker } from 'node:worker_threads';
import { benchModuleUrl } from '../modules.ts';
import type { FromGenerator, GeneratorConfig, ToGenerator } from './generator-protocol.ts';

export interface GeneratorThread {
  send(message: ToGenerator): void;
  /** Resolves with the next message of this kind; rejects when the thread fails or ends first. */
  next<K extends FromGenerator['kind']>(kind: K): Promise<Extract<FromGenerator, { kind: K }>>;
  /** Never resolves; rejects when the thread fails, or ends before its last message. */
  readonly failed: Promise<never>;
  /** Ends the thread at once. */
  terminate(): Promise<void>;
}

export function startGeneratorThread(
  config: GeneratorConfig,
  onProgress: (message: Extract<FromGenerator, { kind: 'progress' }>) => void,
): GeneratorThread {
  const worker = new Worker(benchModuleUrl('generator/generator-worker'), { workerData: config });
  const inbox: FromGenerator[] = [];
  const waiting = new Map<string, (message: FromGenerator) => void>();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  // The thread ends by itself after its last message, maybe before anybody waits for that.
  let finished = false;
  worker.on('message', (message: FromGenerator) => {
    if (message.kind === 'progress') return onProgress(message);
    if (message.kind === 'finished') finished = true;
    const resolve = waiting.get(message.kind);
    if (resolve === undefined) inbox.push(message);
    waiting.delete(message.kind);
    resolve?.(message);
  });
  worker.on('error', fail);
  worker.on('exit', () => {
    if (!finished) fail(new Error(`generator thread ${config.workerIndex} ended before its work`));
  });
  return {
    failed,
    send: (message) => worker.postMessage(message),
    next: <K extends FromGenerator['kind']>(kind: K) => {
      type Found = Extract<FromGenerator, { kind: K }>;
      const at = inbox.findIndex((message) => message.kind === kind);
      if (at >= 0) return Promise.resolve(inbox.splice(at, 1)[0] as Found);
      const arrived = new Promise<Found>((resolve) => waiting.set(kind, (message) => resolve(message as Found)));
      return Promise.race([arrived, failed]);
    },
    async terminate() {
      await worker.terminate();
    },
  };
}
