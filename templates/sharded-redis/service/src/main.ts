/** The demo service of the sharded store. */

import { systemClock } from '@dsp/kit/clock';
import { readConfig } from '@dsp/kit/config';
import { HotKeys } from '@dsp/kit/hot-keys';
import { kvFromEnv } from '@dsp/kit/kv';
import { runService } from '@dsp/kit/lifecycle';
import * as z from 'zod';
import { createApp } from './app.ts';

const schema = z.object({
  /** Replicas that must have a write before it is acknowledged. */
  WAIT_REPLICAS: z.coerce.number().int().min(0).default(0),
  WAIT_TIMEOUT_MS: z.coerce.number().int().min(1).default(1_000),
  MAX_VALUE_BYTES: z.coerce.number().int().min(1).default(1_048_576),
});

await runService({
  name: 'sharded-redis',
  build(log, metrics) {
    const config = readConfig(schema, process.env);
    const kv = kvFromEnv(process.env, { metrics });
    const app = createApp({
      kv,
      hotKeys: new HotKeys({ clock: systemClock, metrics }),
      wait: { waitReplicas: config.WAIT_REPLICAS, waitTimeoutMs: config.WAIT_TIMEOUT_MS },
      maxValueBytes: config.MAX_VALUE_BYTES,
      onDefect: (error) => log.error({ err: error }, 'request failed'),
    });
    return { app, ready: () => kv.ready(), close: () => kv.close() };
  },
});
