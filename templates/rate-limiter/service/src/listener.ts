/**
 * The service's requests: `POST /v1/check` without a framework, for it is one small body and one small answer, a thousand
 * times as often as anything else; whatever is not plainly right about it, and every other path, is Fastify's (app.ts), so
 * that both answer the same. Measured, half of the time that a check takes was the framework's way to the handler and back.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { type AppOptions, createApp } from './app.ts';
import { headersOf } from './headers.ts';
import type { Check, Decision, Limiter } from './limiter.ts';

export interface Listener {
  ready(): PromiseLike<unknown>;
  routing(request: IncomingMessage, response: ServerResponse): void;
}

/** A body beyond this is no single check, and Fastify's to refuse. */
const maxBodyBytes = 4096;

export function createListener(options: AppOptions): Listener {
  const app = createApp(options);
  return {
    ready: () => app.ready(),
    routing(request, response) {
      if (isPlainCheck(request)) readCheck(request, (body) => answer(app, options.limiter, body, request, response));
      else app.routing(request, response);
    },
  };
}

function isPlainCheck({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'POST' &&
    url === '/v1/check' &&
    headers['content-type'] === 'application/json' &&
    Number(headers['content-length']) <= maxBodyBytes
  );
}

function readCheck(request: IncomingMessage, done: (body: string) => void): void {
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  request.on('data', (bytes: Buffer) => {
    if (first === undefined) first = bytes;
    else more = [...(more ?? [first]), bytes];
  });
  // A caller that goes away before the end asks nothing.
  request.on('end', () => done(more === undefined ? (first?.toString() ?? '') : Buffer.concat(more).toString()));
}

function answer(
  app: FastifyInstance,
  limiter: AppOptions['limiter'],
  body: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const decision = decide(limiter, body);
  if (decision === undefined) answerByApp(app, body, request, response).catch(() => response.destroy());
  else if (decision instanceof Promise) decision.then((later) => send(response, later));
  else send(response, decision);
}

/** Undefined when anything is wrong with the check: nothing has been charged then. */
function decide(limiter: Pick<Limiter, 'decide'>, body: string): Decision | Promise<Decision> | undefined {
  try {
    const check: unknown = JSON.parse(body);
    return isCheck(check) ? limiter.decide(check.policy, check.key, check.cost) : undefined;
  } catch {
    return undefined;
  }
}

function isCheck(value: unknown): value is Check {
  if (typeof value !== 'object' || value === null) return false;
  let fields = 0;
  for (const name in value) {
    if (name !== 'policy' && name !== 'key' && name !== 'cost') return false;
    fields++;
  }
  const { policy, key, cost } = value as Partial<Record<keyof Check, unknown>>;
  if (typeof policy !== 'string' || typeof key !== 'string') return false;
  return fields === 2 || Number.isSafeInteger(cost);
}

function send(response: ServerResponse, decision: Decision): void {
  const { allowed, limit, remaining, resetMs, retryAfterMs, reason } = decision;
  // Every part is a number, a boolean or one of a few fixed words.
  const why = reason === undefined ? '' : `,"reason":"${reason}"`;
  const body =
    `{"allowed":${allowed},"limit":${limit},"remaining":${remaining},` +
    `"resetMs":${resetMs},"retryAfterMs":${retryAfterMs}${why}}`;
  const headers = headersOf([decision]);
  headers['content-type'] = 'application/json; charset=utf-8';
  headers['content-length'] = String(body.length);
  response.writeHead(allowed ? 200 : 429, headers);
  response.end(body);
}

/** The same request once more, by the way of everything else. */
async function answerByApp(
  app: FastifyInstance,
  payload: string,
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const found = await app.inject({
    method: 'POST',
    url: '/v1/check',
    payload,
    headers: { 'content-type': headers['content-type'] ?? '' },
  });
  const { connection: _, 'transfer-encoding': __, date: ___, ...answered } = found.headers;
  response.writeHead(found.statusCode, answered);
  response.end(found.rawPayload);
}
