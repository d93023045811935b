/**
 * The HTTP API.
 * - `POST /v1/check {"policy","key","cost"=1}` → 200 admitted or 429 refused, with the decision and its headers.
 * - `POST /v1/checks {"checks":[…],"atomic"=false}` → 200 with the decisions in order; `allowed` when all of them are.
 * What is wrong with a request is `{"error","message"}`: 400 malformed, or a cost above the burst; 404 unknown policy.
 */

import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import { headersOf } from './headers.ts';
import { type Check, CheckError, type Decision, type Limiter, maxChecks, maxKeyBytes } from './limiter.ts';

export interface AppOptions {
  readonly limiter: Pick<Limiter, 'check' | 'checkMany' | 'decide'>;
  readonly log?: FastifyBaseLogger;
}

const checkSchema = {
  type: 'object',
  required: ['policy', 'key'],
  additionalProperties: false,
  properties: {
    policy: { type: 'string', maxLength: 64 },
    key: { type: 'string', minLength: 1, maxLength: maxKeyBytes },
    cost: { type: 'integer', minimum: 1 },
  },
} as const;

const checksSchema = {
  type: 'object',
  required: ['checks'],
  additionalProperties: false,
  properties: {
    checks: { type: 'array', minItems: 1, maxItems: maxChecks, items: checkSchema },
    atomic: { type: 'boolean' },
  },
} as const;

const decisionSchema = {
  type: 'object',
  properties: {
    allowed: { type: 'boolean' },
    limit: { type: 'integer' },
    remaining: { type: 'integer' },
    resetMs: { type: 'integer' },
    retryAfterMs: { type: 'integer' },
    reason: { type: 'string' },
  },
} as const;

const decisionsSchema = {
  type: 'object',
  properties: { allowed: { type: 'boolean' }, results: { type: 'array', items: decisionSchema } },
} as const;

export function createApp({ limiter, log }: AppOptions): FastifyInstance {
  const app = fastify({
    ...(log !== undefined && { loggerInstance: log }),
    logController: new LogController({ disableRequestLogging: true }),
    // A cost of "1" is a mistake to be told of, not a 1.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((_request, reply) => answerProblem(reply, 404, 'not-found', 'no such path'));

  app.post<{ Body: Check }>(
    '/v1/check',
    { schema: { body: checkSchema, response: { 200: decisionSchema, 429: decisionSchema } } },
    async (request, reply) => {
      const { policy, key, cost } = request.body;
      const decision = await limiter.check(policy, key, cost);
      return reply
        .code(decision.allowed ? 200 : 429)
        .headers(headersOf([decision]))
        .send(decision);
    },
  );

  app.post<{ Body: { checks: Check[]; atomic?: boolean } }>(
    '/v1/checks',
    { schema: { body: checksSchema, response: { 200: decisionsSchema } } },
    async (request, reply) => {
      const { checks, atomic = false } = request.body;
      const results = await limiter.checkMany(checks, { atomic });
      return reply.send({ allowed: results.every((decision: Decision) => decision.allowed), results });
    },
  );
  return app;
}

function answerError(error: FastifyError | CheckError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof CheckError) return answerProblem(reply, error.statusCode, error.code, error.message);
  const status = error.statusCode ?? 500;
  if (status < 500) return answerProblem(reply, status, 'malformed', error.message);
  request.log.error({ err: error }, 'request failed');
  return answerProblem(reply, 500, 'internal', 'the limiter failed');
}

function answerProblem(reply: FastifyReply, status: number, error: string, message: string): FastifyReply {
  return reply.code(status).send({ error, message });
}
