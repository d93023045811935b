/**
 * A service's life: one HTTP server with /livez, /readyz and /metrics beside the service's own paths; on SIGTERM or
 * SIGINT no longer ready, then what is in flight finishes, then the stores close, then exit 0. A second signal ends it
 * at once. Logs are JSON lines on stdout.
 */

import type { EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import * as z from 'zod';
import { type Clock, systemClock } from './clock.ts';
import { type Env, readConfig } from './config.ts';
import { createLog, type Logger } from './log.ts';
import { createMetrics, Histogram, type Registry } from './metrics.ts';

export type { Logger } from './log.ts';

/** A plain listener, or a Fastify instance that nobody has started to listen. */
export type App =
  | RequestListener
  | { ready(): PromiseLike<unknown>; routing(request: IncomingMessage, response: ServerResponse): void };

export interface Service {
  /** Answers every path but /livez, /readyz and /metrics. */
  readonly app: App;
  /** Asked for every GET /readyz; rejects with the reason when the service cannot answer now. */
  ready(): Promise<void>;
  /** Releases what the service holds; called when the last request has been answered. */
  close(): Promise<void>;
}

export interface ServiceDefinition {
  readonly name: string;
  build(log: Logger, metrics: Registry): Promise<Service> | Service;
}

/** The process as the lifecycle needs it; `process` itself, unless a test stands in for it. */
export interface ProcessHost extends Pick<EventEmitter, 'on'> {
  readonly env: Env;
  exit(code: number): void;
}

const schema = z.object({
  HOST: z.string().default('0.0.0.0'),
  PORT: z.coerce.number().int().min(0).max(65_535),
  /** How long a start waits to be ready before it listens all the same, and answers as it can. */
  START_WAIT_MS: z.coerce.number().int().min(0).default(3000),
  /** How long requests in flight may take after SIGTERM. */
  DRAIN_TIMEOUT_MS: z.coerce.number().int().min(0).default(10_000),
  /** How long new connections are still accepted after SIGTERM, for load balancers that have not seen /readyz yet. */
  DRAIN_DELAY_MS: z.coerce.number().int().min(0).default(0),
});

type Config = z.infer<typeof schema>;

const readyTimeoutMs = 1_000;
/** Longer than what clients and load balancers keep an idle connection, so that they close it first. */
const keepAliveTimeoutMs = 75_000;

/**
 * Builds the service, listens on HOST:PORT and stays until a signal. Resolves with the port once it listens. Nobody is
 * let in before the service is ready for the first time, unless that takes longer than START_WAIT_MS: what it depends on
 * may be away for good, and then its own answer for that case is better than none.
 */
export async function runService(
  definition: ServiceDefinition,
  host: ProcessHost = process,
  clock: Clock = systemClock,
): Promise<{ readonly port: number }> {
  const log = createLog(definition.name, host.env);
  endOnDefect(host, log);
  try {
    const config = readConfig(schema, host.env);
    const metrics = createMetrics(definition.name);
    const service = await definition.build(log, metrics);
    const front = await createFront(service, metrics, clock, log);
    await untilReady(service, config.START_WAIT_MS, clock);
    const port = await listen(front.server, config);
    drainOnSignal(host, log, () => drain(front, service, config, clock, log));
    log.info({ host: config.HOST, port }, 'listening');
    return { port };
  } catch (error) {
    log.fatal({ err: error }, 'start failed');
    host.exit(1);
    throw error;
  }
}

const readyPollMs = 20;

async function untilReady(service: Service, waitMs: number, clock: Clock): Promise<void> {
  const endMs = clock.monotonicMs() + waitMs;
  while (clock.monotonicMs() < endMs) {
    if (await within(service.ready(), endMs - clock.monotonicMs()).catch(() => false)) return;
    await clock.sleep(readyPollMs);
  }
}

/** The state of the process is unknown after an error that nobody caught: say so and end. */
function endOnDefect(host: ProcessHost, log: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    host.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      host.exit(1);
    });
  }
}

function drainOnSignal(host: ProcessHost, log: Logger, drainAll: () => Promise<void>): void {
  let draining = false;
  const onSignal = (signal: string) => {
    if (draining) {
      log.warn({ signal }, 'second signal: ending at once');
      host.exit(1);
      return;
    }
    draining = true;
    log.info({ signal }, 'draining');
    drainAll().then(
      () => host.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'drain failed');
        host.exit(1);
      },
    );
  };
  host.on('SIGTERM', onSignal);
  host.on('SIGINT', onSignal);
}

/** The HTTP server and what a drain must know of it. */
interface Front {
  readonly server: Server;
  readonly inFlight: Set<ServerResponse>;
  draining: boolean;
}

async function createFront(service: Service, metrics: Registry, clock: Clock, log: Logger): Promise<Front> {
  const listener = await listenerOf(service.app);
  const durations = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'From the request line to the end of the answer; /livez, /readyz and /metrics are not counted.',
    labelNames: ['method', 'status'],
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [metrics],
  });
  const observe = observerOf(durations);
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    front.inFlight.add(response);
    if (front.draining) response.shouldKeepAlive = false;
    const startMs = clock.monotonicMs();
    let own = false;
    response.once('close', () => {
      front.inFlight.delete(response);
      if (front.draining) server.closeIdleConnections();
      if (!own) observe(request.method ?? '', response.statusCode, clock.monotonicMs() - startMs);
    });
    own = answerOwnPath(front, service, metrics, log, request, response);
    if (!own) listener(request, response);
  });
  const front: Front = { server, inFlight: new Set(), draining: false };
  return front;
}

/** Labels are looked up once for each method and status, not for each request. */
function observerOf(
  durations: Histogram<'method' | 'status'>,
): (method: string, status: number, durationMs: number) => void {
  const known = new Map<number, Map<string, { observe(seconds: number): void }>>();
  const add = (method: string, status: number) => {
    const child = durations.labels({ method, status });
    known.set(status, (known.get(status) ?? new Map()).set(method, child));
    return child;
  };
  return (method, status, durationMs) => {
    const child = known.get(status)?.get(method) ?? add(method, status);
    child.observe(durationMs / 1000);
  };
}

async function listenerOf(app: App): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  if (typeof app === 'function') return app as (request: IncomingMessage, response: ServerResponse) => void;
  await app.ready();
  return (request, response) => app.routing(request, response);
}

/** Whether the path is one of the lifecycle's own, and so answered. */
function answerOwnPath(
  front: Front,
  service: Service,
  metrics: Registry,
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  switch (request.url) {
    case '/livez':
      answerText(response, 200, 'alive\n');
      return true;
    case '/readyz':
      answerReady(front, service, response).catch((error: unknown) => log.error({ err: error }, 'readyz'));
      return true;
    case '/metrics':
      metrics.metrics().then(
        (text) => answerText(response, 200, text, metrics.contentType),
        (error: unknown) => {
          log.error({ err: error }, 'metrics');
          answerText(response, 500, 'metrics could not be collected\n');
        },
      );
      return true;
    default:
      return false;
  }
}

async function answerReady(front: Front, service: Service, response: ServerResponse): Promise<void> {
  if (front.draining) return answerText(response, 503, 'draining\n');
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${readyTimeoutMs} ms`)), readyTimeoutMs);
  });
  try {
    await Promise.race([service.ready(), tooSlow]);
    if (front.draining) answerText(response, 503, 'draining\n');
    else answerText(response, 200, 'ready\n');
  } catch (error) {
    answerText(response, 503, `not ready: ${error instanceof Error ? error.message : String(error)}\n`);
  } finally {
    clearTimeout(timer);
  }
}

function answerText(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function listen(server: Server, config: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.PORT, config.HOST, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : config.PORT);
    });
  });
}

async function drain(front: Front, service: Service, config: Config, clock: Clock, log: Logger): Promise<void> {
  front.draining = true;
  for (const response of front.inFlight) if (!response.headersSent) response.shouldKeepAlive = false;
  if (config.DRAIN_DELAY_MS > 0) await clock.sleep(config.DRAIN_DELAY_MS);
  const closed = new Promise<void>((resolve) => front.server.close(() => resolve()));
  front.server.closeIdleConnections();
  if (!(await within(closed, config.DRAIN_TIMEOUT_MS))) {
    log.warn({ cut: front.inFlight.size }, 'requests still in flight at the drain time-out are cut off');
    front.server.closeAllConnections();
  }
  if (!(await within(service.close(), config.DRAIN_TIMEOUT_MS))) log.warn('stores did not close in time');
  log.info('drained');
}

/** Whether `work` was done within the time. */
async function within(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
