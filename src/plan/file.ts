/** plan.json: the same plan gives the same bytes. */

import { z } from 'zod';
import { DspError } from '../errors.ts';
import type { Plan } from './plan.ts';

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

const part = z.looseObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  pattern: z.string().regex(/^[a-z][a-z0-9-]*$/),
  need: z.string().nullable(),
  machines: z.array(z.looseObject({ machine: z.string(), count: z.number().int() })),
  offeredLoad: z.record(z.string(), z.number().nonnegative()),
});

const topology = z.looseObject({
  processSets: z.array(z.looseObject({ id: z.string(), part: z.string(), replicas: z.number().int().positive() })),
  jobs: z.array(z.looseObject({ id: z.string(), part: z.string() })),
});

/** The shape that other stages rely on; what patterns keep for themselves (sizing) they check themselves. */
const shape = z.looseObject({
  schemaVersion: z.literal(1),
  dspVersion: z.string(),
  requirements: z.looseObject({ name: z.string().regex(/^[a-z][a-z0-9-]*$/) }),
  requirementsDigest: z.string().regex(/^[0-9a-f]{64}$/),
  parts: z.array(part).min(1),
  topology,
  local: z.looseObject({ scale: z.number().positive().max(1), topology }),
});

/** Throws `plan.unreadable`. */
export function parsePlan(text: string, file: string): Plan {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new DspError('plan.unreadable', { problem: (error as Error).message }, { where: file, cause: error });
  }
  const parsed = shape.safeParse(document);
  if (parsed.success) return document as Plan;
  const issue = parsed.error.issues[0];
  const problem = `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'wrong shape'}`;
  throw new DspError('plan.unreadable', { problem }, { where: file });
}
