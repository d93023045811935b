/**
 * The limiter inside one's own Fastify application:
 *
 *     app.register(rateLimit, { limiter, checks: (request) => ({ policy: 'per-address', key: request.ip }) });
 *
 * It holds for every route of the instance that it is registered on, and of those registered below it. Several checks
 * (address, path, login) are taken together or not at all. A refused request is answered with 429 and the problem type
 * `quota-exceeded` of draft-ietf-httpapi-ratelimit-headers-10, and does not reach its handler.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { headersOf } from './headers.ts';
import type { Check, Decision, Limiter } from './limiter.ts';

export interface RateLimitOptions {
  readonly limiter: Pick<Limiter, 'check' | 'checkMany'>;
  /** What a request is checked for; none lets it pass. */
  readonly checks: (request: FastifyRequest) => Check | readonly Check[];
  /** Runs after this hook's other handlers: `onRequest`, the default, knows no body and no user that a later hook finds. */
  readonly hook?: 'onRequest' | 'preHandler';
}

export const quotaExceeded = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

export async function rateLimit(app: FastifyInstance, options: RateLimitOptions): Promise<void> {
  const { limiter, checks, hook = 'onRequest' } = options;
  const enforce = async (request: FastifyRequest, reply: FastifyReply) => {
    const asked = checks(request);
    const list = Array.isArray(asked) ? (asked as readonly Check[]) : [asked as Check];
    if (list.length === 0) return;
    const [only] = list;
    const decisions =
      list.length === 1 && only !== undefined
        ? [await limiter.check(only.policy, only.key, only.cost)]
        : await limiter.checkMany(list, { atomic: true });
    reply.headers(headersOf(decisions));
    if (decisions.some(({ allowed }) => !allowed)) return refuse(reply, decisions);
  };
  if (hook === 'onRequest') app.addHook('onRequest', enforce);
  else app.addHook('preHandler', enforce);
}

/** Fastify keeps a plugin's hooks to the plugin itself unless it carries this mark. */
Object.assign(rateLimit, { [Symbol.for('skip-override')]: true });

function refuse(reply: FastifyReply, decisions: readonly Decision[]): FastifyReply {
  const violated = decisions.filter(({ allowed, reason }) => !allowed && reason !== 'set');
  return reply
    .code(429)
    .type('application/problem+json')
    .send({
      type: quotaExceeded,
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      'violated-policies': [...new Set(violated.map(({ policy }) => policy.name))],
    });
}
