/**
 * The answer's headers as draft-ietf-httpapi-ratelimit-headers-10 defines them: lists of structured fields (RFC 9651),
 * the policy's name as a string, everything else integers.
 */

import type { Decision } from './decision.ts';
import { type Quota, refillMs } from './gcra.ts';

/**
 * `"name";q=<burst>;w=<seconds>`: the burst, and the whole seconds in which it refills. So q ÷ w is the sustained rate, at
 * most (w is rounded up), also where the burst is not the limit: 100 a minute with a burst of 10 is `q=10;w=6`.
 * Policy names hold nothing that a structured string would have to escape.
 */
export function rateLimitPolicyItem(policy: Quota & { readonly name: string }): string {
  let item = policyItems.get(policy);
  if (item === undefined) {
    item = `"${policy.name}";q=${policy.burst};w=${Math.max(1, seconds(refillMs(policy)))}`;
    policyItems.set(policy, item);
  }
  return item;
}

/** A policy's item is the same in every answer. */
const policyItems = new WeakMap<Quota, string>();

/** `"name";r=<whole units left>;t=<seconds until one more>`. */
export function rateLimitItem(name: string, remaining: number, nextUnitMs: number): string {
  return `"${name}";r=${remaining};t=${seconds(nextUnitMs)}`;
}

/** `Retry-After`: whole seconds until the cost fits, at least 1, and so never earlier than the `t` beside it. */
export function retryAfter(retryAfterMs: number): string {
  return String(Math.max(1, seconds(retryAfterMs)));
}

/** The headers of an answer to these decisions. What nobody knows (the store could not be asked) is left out. */
export function headersOf(decisions: readonly Decision[]): Record<string, string> {
  const [only] = decisions;
  if (only !== undefined && decisions.length === 1) return headersOfOne(only);
  const headers: Record<string, string> = {
    'ratelimit-policy': decisions.map(({ policy }) => rateLimitPolicyItem(policy)).join(', '),
  };
  const known = decisions.flatMap(({ policy, remaining, nextUnitMs }) =>
    nextUnitMs === null ? [] : [rateLimitItem(policy.name, remaining, nextUnitMs)],
  );
  if (known.length > 0) headers.ratelimit = known.join(', ');
  const refused = decisions.filter(({ allowed }) => !allowed);
  if (refused.length > 0)
    headers['retry-after'] = retryAfter(Math.max(...refused.map((decision) => decision.retryAfterMs)));
  return headers;
}

/** As nearly every answer: without lists. */
function headersOfOne({ policy, allowed, remaining, nextUnitMs, retryAfterMs }: Decision): Record<string, string> {
  const headers: Record<string, string> = { 'ratelimit-policy': rateLimitPolicyItem(policy) };
  if (nextUnitMs !== null) headers.ratelimit = rateLimitItem(policy.name, remaining, nextUnitMs);
  if (!allowed) headers['retry-after'] = retryAfter(retryAfterMs);
  return headers;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
