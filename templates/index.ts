/** The catalogue: one line a pattern. */

import type { Catalogue } from '../src/pattern.ts';
import rateLimiter from './rate-limiter/pattern.ts';
import shardedRedis from './sharded-redis/pattern.ts';

export const catalogue: Catalogue = [rateLimiter, shardedRedis];
