/**
 * Items in the sharded store over HTTP: `GET | PUT | DELETE /v1/items/:key`, and `GET /v1/hot-keys`.
 *
 * A write is acknowledged once as many replicas have it as configured. An answer never guesses: 503 says that nothing
 * was done, 504 that nobody knows (field `outcome`).
 */

import type { HotKeys } from '@dsp/kit/hot-keys';
import { type KvClient, KvUnavailableError, UnreplicatedError, type WaitOptions } from '@dsp/kit/kv';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';

export interface AppOptions {
  readonly kv: KvClient;
  readonly hotKeys: HotKeys;
  /** What a PUT or DELETE waits for before it is acknowledged. */
  readonly wait: WaitOptions;
  /** A longer body is refused with 413. */
  readonly maxValueBytes: number;
  /** Errors that are nobody's answer. */
  readonly onDefect: (error: Error) => void;
}

/** In UTF-8. */
const maxKeyBytes = 512;
/** Keeps the items apart from what other services have in the same store. */
const keyPrefix = 'item:';
const retryAfterS = 1;

interface ItemRoute {
  Params: { key: string };
  Body: Buffer | undefined;
}

export function createApp(options: AppOptions): FastifyInstance {
  const { kv, hotKeys, wait } = options;
  // A percent-encoded byte takes three characters; what is too long is for us to refuse, not for the router to miss.
  const app = fastify({ bodyLimit: options.maxValueBytes, routerOptions: { maxParamLength: 16 * maxKeyBytes } });
  // The body is the value, whatever its type is said to be.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.get<ItemRoute>('/v1/items/:key', async (request, reply) => {
    const key = storeKey(request.params.key);
    hotKeys.record(request.params.key);
    const value = await kv.getBuffer(key);
    if (value === null) return reply.code(404).send({ error: 'no such item' });
    return reply.type('application/octet-stream').send(value);
  });

  app.put<ItemRoute>('/v1/items/:key', async (request, reply) => {
    const key = storeKey(request.params.key);
    hotKeys.record(request.params.key);
    await kv.set(key, request.body ?? Buffer.alloc(0), wait);
    return reply.code(204).send();
  });

  app.delete<ItemRoute>('/v1/items/:key', async (request, reply) => {
    const key = storeKey(request.params.key);
    hotKeys.record(request.params.key);
    const found = await kv.delete(key, wait);
    return found ? reply.code(204).send() : reply.code(404).send({ error: 'no such item' });
  });

  app.get('/v1/hot-keys', async () => hotKeys.snapshot(20));

  app.setErrorHandler((error, _request, reply) => answerError(error as Error, reply, options.onDefect));
  return app;
}

class BadKeyError extends Error {}

function storeKey(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes < 1 || bytes > maxKeyBytes) throw new BadKeyError(`a key has 1 to ${maxKeyBytes} bytes, this has ${bytes}`);
  return keyPrefix + key;
}

function answerError(error: Error, reply: FastifyReply, onDefect: (error: Error) => void): FastifyReply {
  if (error instanceof BadKeyError) return reply.code(400).send({ error: error.message });
  if (error instanceof UnreplicatedError) {
    return reply.code(504).send({ error: error.message, outcome: 'unknown' });
  }
  if (error instanceof KvUnavailableError) {
    if (error.mayHaveRun) return reply.code(504).send({ error: 'the store did not answer', outcome: 'unknown' });
    reply.header('retry-after', retryAfterS);
    return reply.code(503).send({ error: 'the store is not available', outcome: 'not done' });
  }
  const status = (error as FastifyError).statusCode ?? 500;
  if (status < 500) return reply.code(status).send({ error: error.message });
  onDefect(error);
  return reply.code(500).send({ error: 'internal error', outcome: 'unknown' });
}
