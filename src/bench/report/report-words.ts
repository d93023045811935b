/** Words and numbers that the reports and the terminal share. */

import type { CheckResult, Report, Verdict } from '../report.ts';
import { scaleText } from '../verdict/checks.ts';

export const verdictWords: Readonly<Record<Verdict, string>> = {
  pass: 'Every requirement was judged and met.',
  fail: 'A requirement was missed, or an invariant violated.',
  inconclusive: 'Too little was seen to say that the requirements are met.',
  invalid: 'The run did not do what it should have, so its numbers say nothing.',
};

export function scaleLine(scale: number): string {
  return scale >= 1 ? 'scale 1' : `scale ${scaleText(scale)} (rates and latencies are not judged)`;
}

/** Four significant digits; whole numbers in full. */
export function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))} %`;
}

/** `12.3 ms`, `0.2 %`, or a dash when nothing was measured. */
export function measuredText({ measured, unit }: Pick<CheckResult, 'measured' | 'unit'>): string {
  return measured === null ? '–' : `${numberText(measured)} ${unit}`.trim();
}

/** What no document can show, lone surrogates among it, becomes U+FFFD. */
export function printable(text: string): string {
  return text.replace(/[^\t\n\r\u0020-\u007E\u00A0-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}

/** Of a fault that was brought about in part: the rest is assumed. */
export function hitWord({ hit, assumed }: Pick<Report['faults'][number], 'hit' | 'assumed'>): string {
  if (!hit) return 'not hit';
  return assumed ? 'assumed' : 'hit';
}

/** Checks, invariants and faults as rows of verdict, name, measured. */
export function resultRows(report: Report): readonly (readonly string[])[] {
  return [
    ...report.checks.map((check) => [check.verdict, check.name, measuredText(check)]),
    ...report.invariants.map((found) => [
      found.verdict,
      `invariant ${found.part}/${found.id}`,
      `${found.violationCount} of ${found.checked}`,
    ]),
    ...report.faults.map((fault) => [
      hitWord(fault),
      `${fault.kind} ${fault.instance === '' ? fault.part : fault.instance}`,
      fault.recoveredMs === null
        ? 'no recovery seen'
        : `recovered after ${numberText(Math.round(fault.recoveredMs))} ms`,
    ]),
  ];
}
