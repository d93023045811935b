/** The service: `POST /v1/check` and `/v1/checks` over a store, with policies from a file. README.md lists its environment. */

import { readConfig } from '@dsp/kit/config';
import { kvFromEnv } from '@dsp/kit/kv';
import { type Logger, runService } from '@dsp/kit/lifecycle';
import * as z from 'zod';
import { createLimiter } from './limiter.ts';
import { createListener } from './listener.ts';
import { type LimiterMetrics, limiterMetrics } from './metrics.ts';
import { watchPolicies } from './policies.ts';

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const schema = z.object({
  POLICIES_FILE: z.string(),
  /** How often the file is looked at. */
  POLICIES_POLL_MS: whole(50, 3_600_000).default(1000),
  BUCKETS: whole(1, 16_384),
  WAIT_REPLICAS: whole(0, 16).default(0),
  WAIT_TIMEOUT_MS: whole(1, 600_000).default(1000),
  /** Instances that share a limit while the store is away (onStoreFailure: local), and a policy's allowed error. */
  INSTANCES: whole(1, 10_000).default(1),
  /** Leased units that are not spent after this time are given back. */
  LEASE_MS: whole(10, 600_000).default(1000),
});

await runService({
  name: 'rate-limiter',
  async build(log, registry) {
    const env = readConfig(schema, process.env);
    const metrics = limiterMetrics(registry);
    const policies = await policiesFrom(env.POLICIES_FILE, env.POLICIES_POLL_MS, log, metrics);
    const kv = kvFromEnv(process.env, { metrics: registry });
    const limiter = createLimiter({
      kv,
      policies,
      buckets: env.BUCKETS,
      waitReplicas: env.WAIT_REPLICAS,
      waitTimeoutMs: env.WAIT_TIMEOUT_MS,
      instances: env.INSTANCES,
      leaseMs: env.LEASE_MS,
      metrics,
      onStoreError: atMostEverySecond((error, more) => log.warn({ err: error, more }, 'store')),
    });
    return {
      app: createListener({ limiter, log }),
      async ready() {
        if (!limiter.isReady()) throw new Error('the buckets are not in the store yet');
      },
      async close() {
        policies.close();
        await limiter.close();
        await kv.close();
      },
    };
  },
});

async function policiesFrom(path: string, pollMs: number, log: Logger, metrics: LimiterMetrics) {
  const file = await watchPolicies(path, {
    pollMs,
    onChange(outcome) {
      if ('error' in outcome) {
        metrics.reloaded('failed');
        log.error(
          { err: outcome.error },
          'the policy file has changed and cannot be used: the policies before it stay',
        );
        return;
      }
      metrics.reloaded(outcome.policies.size);
      log.info({ policies: [...outcome.policies.keys()] }, 'policies reloaded');
    },
  });
  metrics.reloaded(file.current().size);
  return file;
}

/** A store that is away fails thousands of calls a second; one line a second says it, with the number left out. */
function atMostEverySecond(log: (error: unknown, more: number) => void): (error: unknown) => void {
  let quiet = false;
  let more = 0;
  return (error) => {
    if (quiet) {
      more++;
      return;
    }
    log(error, more);
    quiet = true;
    more = 0;
    setTimeout(() => {
      quiet = false;
    }, 1000).unref();
  };
}
