/** Logs as JSON lines on stdout. Values of keys and secrets do not belong in them. */

import { type Logger, pino } from 'pino';
import type { Env } from './config.ts';

export type { Logger } from 'pino';

/** LOG_LEVEL is pino's, `info` unless it names one. */
export function createLog(name: string, env: Env): Logger {
  const level = env.LOG_LEVEL ?? '';
  return pino({ name, level: level === 'silent' || level in pino.levels.values ? level : 'info' });
}
