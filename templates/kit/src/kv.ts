/** The kv capability as a service uses it: `kvFromEnv(process.env)`. */

import * as z from 'zod';
import { type Env, readConfig } from './config.ts';
import { clusterKv } from './kv-cluster.ts';
import { ringKv } from './kv-ring.ts';
import type { Registry } from './metrics.ts';
import { redisAccessFromEnv } from './redis-access.ts';
import type { RoutedKv } from './routed-kv.ts';

export * from './kv-client.ts';
export type { RoutedKv } from './routed-kv.ts';

const commaList = z.string().transform((text) => text.split(',').map((item) => item.trim()));

const schema = z
  .object({
    /** `cluster`: Redis Cluster's slots. `ring`: a consistent-hash ring of independent servers. */
    KV_MODE: z.enum(['cluster', 'ring']),
    KV_NODES: commaList.refine((nodes) => nodes.every((node) => /^[^\s,]+:\d{1,5}$/.test(node)), 'is not host:port,…'),
    /** What the ring hashes, in the order of KV_NODES: addresses may change, names must not. */
    KV_NAMES: commaList.optional(),
    KV_TIMEOUT_MS: z.coerce.number().int().min(1).max(600_000),
  })
  .refine((env) => env.KV_MODE !== 'ring' || env.KV_NAMES?.length === env.KV_NODES.length, {
    path: ['KV_NAMES'],
    message: 'needs one name for each of KV_NODES',
  });

/**
 * A client for the store that the environment names: KV_MODE, KV_NODES, KV_NAMES, KV_TIMEOUT_MS, and how to get in
 * (redis-access.ts). Throws ConfigError.
 */
export function kvFromEnv(env: Env, options: { readonly metrics?: Registry } = {}): RoutedKv {
  const config = readConfig(schema, env);
  const access = redisAccessFromEnv(env);
  const common = { timeoutMs: config.KV_TIMEOUT_MS, access, ...(options.metrics && { metrics: options.metrics }) };
  if (config.KV_MODE === 'cluster') return clusterKv({ ...common, seeds: config.KV_NODES });
  const names = config.KV_NAMES ?? [];
  return ringKv({
    ...common,
    nodes: config.KV_NODES.map((address, index) => ({ name: names[index] ?? address, address, weight: 1 })),
  });
}
