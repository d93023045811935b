/**
 * The ambassador: one address on loopback for applications that know nothing of the ring behind it. Health and metrics are
 * on HOST:PORT, as every service's.
 */

import { randomBytes } from 'node:crypto';
import { readConfig } from '@dsp/kit/config';
import { kvFromEnv } from '@dsp/kit/kv';
import { runService } from '@dsp/kit/lifecycle';
import * as z from 'zod';
import { createAmbassador, listen } from './ambassador-server.ts';

const schema = z.object({
  /** On 127.0.0.1: whoever reaches it is taken for the application itself. */
  REDIS_PORT: z.coerce.number().int().min(0).max(65_535),
  MAX_VALUE_BYTES: z.coerce
    .number()
    .int()
    .min(1)
    .default(64 * 1_048_576),
  MAX_ARGUMENTS: z.coerce.number().int().min(1).default(100_000),
});

await runService({
  name: 'sharded-redis-ambassador',
  async build(log, metrics) {
    const config = readConfig(schema, process.env);
    const kv = kvFromEnv(process.env, { metrics });
    const limits = { maxBytes: config.MAX_VALUE_BYTES, maxArguments: config.MAX_ARGUMENTS };
    const server = createAmbassador({ kv, limits, runId: randomBytes(20).toString('hex') });
    const port = await listen(server, '127.0.0.1', config.REDIS_PORT);
    log.info({ port }, 'ambassador listening');
    return {
      app: (_request, response) => response.writeHead(404).end(),
      ready: () => kv.ready(),
      async close() {
        server.close();
        await kv.close();
      },
    };
  },
});
