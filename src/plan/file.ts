/** plan.json: the same plan gives the same bytes. */

import { formatJson, parseJson } from '../json-document.ts';
import type { Plan } from './plan.ts';
import { planShape } from './shape.ts';

export function formatPlan(plan: Plan): string {
  return formatJson(plan);
}

/** Throws `plan.unreadable`. */
export function parsePlan(text: string, file: string): Plan {
  return parseJson(text, file, planShape, 'plan.unreadable') as Plan;
}
