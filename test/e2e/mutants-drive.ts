/** A pattern's own workload against a small server of the test, recorded as the bench records it. */

import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  Workload,
  WorkloadContext,
  WorkloadRequest,
  WorkloadResponse,
} from '../../src/bench/generator/workload.ts';
import type { HistoryEntry, Phase } from '../../src/checkers/history.ts';
import { sharedNowMs, systemClock } from '../../src/clock.ts';
import { seededRandom } from '../../src/random.ts';

export type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };
export type Handler = (request: { method: string; path: string; body: string }) => Promise<Answer>;

/** Answers 500 where the handler throws. */
export async function serve(handle: Handler): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server: Server = createServer(async (incoming, outgoing) => {
    const body = await textOf(incoming);
    const asked = { method: incoming.method ?? '', path: incoming.url ?? '', body };
    const answer = await handle(asked).catch((): Answer => ({ status: 500 }));
    outgoing.writeHead(answer.status, answer.headers ?? {}).end(answer.body ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export class Drive {
  readonly history: HistoryEntry[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #context: WorkloadContext;
  readonly #workload: Workload;
  readonly #run: ReturnType<Workload['create']>;
  readonly #port: number;
  readonly #random;
  #stopped = false;

  constructor(workload: Workload, context: WorkloadContext, port: number) {
    this.#workload = workload;
    this.#context = context;
    this.#run = workload.create(context);
    this.#port = port;
    this.#random = seededRandom(context.seed);
  }

  async prepare(): Promise<void> {
    for (const request of this.#workload.prepare?.(this.#context) ?? []) await this.#send(request, 'prepare');
  }

  /** Sends nothing more but what reads back. */
  stop(): void {
    this.#stopped = true;
  }

  /** Keeps so many requests under way until `count` have been sent. */
  async load(count: number, concurrency: number, pauseMs = 0): Promise<void> {
    const operations = Object.keys(this.#context.offeredLoad);
    let left = count;
    const lane = async () => {
      while (left > 0 && !this.#stopped) {
        left -= 1;
        const operation = operations[this.#random.integer(operations.length)]!;
        await this.#send(this.#run.next(operation, this.#random), 'steady');
        if (pauseMs > 0) await delay(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  async readBack(): Promise<void> {
    const keys = [...new Set(this.history.map(({ key }) => key))];
    for (const request of this.#workload.finalReads(this.#context, keys)) await this.#send(request, 'final');
  }

  /** The history as checkers take it. */
  finish(): readonly HistoryEntry[] {
    this.#agent.destroy();
    return [...this.history].sort((a, b) => a.sentMs - b.sentMs);
  }

  async #send(request: WorkloadRequest, phase: Phase): Promise<void> {
    const { part } = this.#context;
    const { operation, key, value } = request;
    const sentMs = sharedNowMs(systemClock);
    const response = await this.#exchange(request).catch(() => null);
    const answeredMs = response === null ? null : sharedNowMs(systemClock);
    const { outcome, result } = this.#run.judge(request, response);
    this.history.push({ part, operation, key, value, sentMs, answeredMs, outcome, result, phase });
  }

  #exchange({ method, path, headers, body }: WorkloadRequest): Promise<WorkloadResponse> {
    const options = { host: '127.0.0.1', port: this.#port, agent: this.#agent, timeout: 5000 };
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ ...options, method, path, headers: { ...headers } }, async (incoming) => {
        const received = incoming.headers as Record<string, string>;
        resolve({ status: incoming.statusCode ?? 0, headers: received, body: await textOf(incoming) });
      });
      outgoing.on('error', reject).on('timeout', () => outgoing.destroy(new Error('timed out')));
      outgoing.end(body);
    });
  }
}
