/**
 * The job that forms the cluster, grows and shrinks it, moves slots live, and repairs what an interrupted run left.
 * Runs to its end: exit 0 when the cluster is as wanted, 1 when not. Quick when there is nothing to do.
 */

import { systemClock } from '@dsp/kit/clock';
import { readConfig } from '@dsp/kit/config';
import { createLog } from '@dsp/kit/log';
import { redisAccessFromEnv } from '@dsp/kit/redis-access';
import * as z from 'zod';
import { findLeaving } from './leaving.ts';
import { reconcile } from './reconcile.ts';

const addresses = z
  .string()
  .transform((text) => text.split(',').map((address) => address.trim()))
  .refine((list) => list.every((address) => /^[^\s,]+:\d{1,5}$/.test(address)), 'is not host:port,…');

const schema = z.object({
  NODES: addresses,
  REPLICAS: z.coerce.number().int().min(0).max(5),
  /** `*`: whoever is a member and not in NODES; then there may be no cluster yet. */
  LEAVING: z.union([z.literal('*'), z.literal('').transform(() => []), addresses]).default([]),
  NODE_TIMEOUT_MS: z.coerce.number().int().min(1),
  TIMEOUT_MS: z.coerce.number().int().min(1),
});

const log = createLog('converge', process.env);
const startedMs = systemClock.monotonicMs();
try {
  const { NODES, REPLICAS, LEAVING, NODE_TIMEOUT_MS, TIMEOUT_MS } = readConfig(schema, process.env);
  const timing = {
    nodeTimeoutMs: NODE_TIMEOUT_MS,
    timeoutMs: TIMEOUT_MS,
    clock: systemClock,
    access: redisAccessFromEnv(process.env),
  };
  const leaving = LEAVING === '*' ? await findLeaving({ nodes: NODES, ...timing }) : LEAVING;
  // Asked only who has to go: where nobody has, what is missing yet is no business of this run.
  if (LEAVING !== '*' || leaving.length > 0) {
    await reconcile({ nodes: NODES, replicasPerPrimary: REPLICAS, leaving, ...timing, log });
  }
  log.info({ tookMs: Math.round(systemClock.monotonicMs() - startedMs) }, 'the cluster is as wanted');
} catch (error) {
  log.fatal({ err: error }, 'the cluster is not as wanted');
  process.exitCode = 1;
}
