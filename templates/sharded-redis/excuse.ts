import type { Excuse } from '../../src/pattern.ts';

/** What did not fit, under the pattern's name. */
export function excuse(
  option: string,
  reason: string,
  bottleneck: string,
  numbers: Excuse['numbers'],
  relax?: Excuse['relax'],
): Excuse {
  return { option: `sharded-redis: ${option}`, reason, bottleneck, numbers, ...(relax ? { relax } : {}) };
}
