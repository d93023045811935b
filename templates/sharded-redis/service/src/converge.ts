/**
 * The job that forms the cluster, grows and shrinks it, moves slots live, and repairs what an interrupted run left.
 * Runs to its end: exit 0 when the cluster is as wanted, 1 when not. Quick when there is nothing to do.
 */

import { systemClock } from '@dsp/kit/clock';
import { readConfig } from '@dsp/kit/config';
import { createLog } from '@dsp/kit/log';
import { redisAccessFromEnv } from '@dsp/kit/redis-access';
import { z } from 'zod';
import { reconcile } from './reconcile.ts';

const addresses = z
  .string()
  .transform((text) => text.split(',').map((address) => address.trim()))
  .refine((list) => list.every((address) => /^[^\s,]+:\d{1,5}$/.test(address)), 'is not host:port,…');

const schema = z.object({
  NODES: addresses,
  REPLICAS: z.coerce.number().int().min(0).max(5),
  LEAVING: addresses.default([]),
  NODE_TIMEOUT_MS: z.coerce.number().int().min(1),
  TIMEOUT_MS: z.coerce.number().int().min(1),
});

const log = createLog('converge', process.env);
const startedMs = systemClock.monotonicMs();
try {
  const config = readConfig(schema, process.env);
  await reconcile({
    nodes: config.NODES,
    replicasPerPrimary: config.REPLICAS,
    leaving: config.LEAVING,
    nodeTimeoutMs: config.NODE_TIMEOUT_MS,
    timeoutMs: config.TIMEOUT_MS,
    access: redisAccessFromEnv(process.env),
    clock: systemClock,
    log,
  });
  log.info({ tookMs: Math.round(systemClock.monotonicMs() - startedMs) }, 'the cluster is as wanted');
} catch (error) {
  log.fatal({ err: error }, 'the cluster is not as wanted');
  process.exitCode = 1;
}
