/** What a plan expects to be measured, beside its bound. */

import type { Prediction } from '../pattern.ts';

/** Beyond it, a margin is only a number. */
const mostMargin = 1e6;

export function predictionOf(metric: string, predicted: number, bound: number, unit: string): Prediction {
  return { metric, predicted, bound, unit, margin: Math.min(mostMargin, bound / Math.max(predicted, 1e-300)) };
}
