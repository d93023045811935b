/** plan.json: the same plan gives the same bytes. */

import { withSortedKeys } from '../digest.ts';
import { DspError } from '../errors.ts';
import type { Plan } from './plan.ts';
import { planShape } from './shape.ts';

/** Keys sorted, two spaces, a newline at the end. */
export function formatPlan(plan: Plan): string {
  return `${JSON.stringify(withSortedKeys(plan), null, 2)}\n`;
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
