/** plan.json: the same plan gives the same bytes. */

import { DspError } from '../errors.ts';
import type { Plan } from './plan.ts';
import { planShape } from './shape.ts';

/** Keys sorted, two spaces, a newline at the end. */
export function formatPlan(plan: Plan): string {
  return `${JSON.stringify(sortKeys(plan), null, 2)}\n`;
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]));
}

/** Throws `plan.unreadable`. */
export function parsePlan(text: string, file: string): Plan {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new DspError('plan.unreadable', { problem: (error as Error).message }, { where: file, cause: error });
  }
  const parsed = planShape.safeParse(document);
  if (parsed.success) return document as Plan;
  const issue = parsed.error.issues[0];
  const problem = `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'wrong shape'}`;
  throw new DspError('plan.unreadable', { problem }, { where: file });
}
