/** Files that dsp writes as JSON and reads back. */

import type * as z from 'zod';
import { withSortedKeys } from './digest.ts';
import { DspError } from './errors.ts';

/** Keys sorted, two spaces, a newline at the end: the same value gives the same bytes. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(withSortedKeys(value), null, 2)}\n`;
}

/** The document as it stands, once it has been seen to be of that shape. Throws `code`. */
export function parseJson(
  text: string,
  file: string,
  shape: z.ZodType,
  code: 'plan.unreadable' | 'measured.unreadable',
): unknown {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new DspError(code, { problem: (error as Error).message }, { where: file, cause: error });
  }
  const parsed = shape.safeParse(document);
  if (parsed.success) return document;
  const issue = parsed.error.issues[0];
  const problem = `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'wrong shape'}`;
  throw new DspError(code, { problem }, { where: file });
}
