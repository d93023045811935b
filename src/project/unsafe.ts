import { DspError } from '../errors.ts';

/** The refusal of a value that cannot be written safely; `what` names it in the user's words. */
export function unsafe(what: string, value: unknown, allowed: string): DspError {
  return new DspError('project.unsafe-value', { what, value: String(value).slice(0, 80), allowed });
}
