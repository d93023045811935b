/**
 * The verdict of a run. `fail`: a requirement was missed or an invariant violated, on evidence. `invalid`: the run did
 * not do what it should have, so its numbers say nothing. `inconclusive`: too little was seen. `pass`: everything was
 * seen, and held. The worst wins in that order, because a violation stays one however poor the rest of the run was.
 */

import type { ClockStep } from '../../checkers/invariant.ts';
import type { FaultRecord, Report, Verdict } from '../report.ts';
import type { Judged } from './checks.ts';
import { scaleText } from './checks.ts';

export interface VerdictInput {
  readonly checks: readonly Judged[];
  readonly invariants: Report['invariants'];
  readonly faults: readonly FaultRecord[];
  readonly scale: number;
  /** Below scale 1, a run without violation exits 0. */
  readonly smoke: boolean;
  /** Operations that found no room in the history. */
  readonly historyCut: number;
  /** Parts that were to take load. */
  readonly loadedParts: readonly string[];
  /** Of the machine's wall clock. */
  readonly clockSteps: readonly ClockStep[];
  /** When the load began, on the same clock. */
  readonly startMs: number;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** Worst first. */
  readonly reasons: readonly string[];
  readonly exitCode: 0 | 98 | 99;
}

type Reason = { readonly verdict: Exclude<Verdict, 'pass'>; readonly text: string; readonly byScale: boolean };

const order = ['fail', 'invalid', 'inconclusive'] as const;

export function judgeVerdict(input: VerdictInput): Judgement {
  const found = [
    ...input.invariants.flatMap(invariantReason),
    ...input.checks.flatMap(checkReason),
    ...input.faults.flatMap(faultReason),
  ];
  const correct = found.every(({ verdict }) => verdict !== 'fail');
  const reasons = [...found, ...wholeRunReasons(input, correct)].sort(
    (a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict),
  );
  const verdict = reasons[0]?.verdict ?? 'pass';
  return {
    verdict,
    reasons: [...new Set(reasons.map(({ text }) => text)), ...remarks(input)],
    exitCode: exitCodeOf(verdict, input.smoke && reasons.every(({ byScale }) => byScale)),
  };
}

function exitCodeOf(verdict: Verdict, forgiven: boolean): 0 | 98 | 99 {
  if (verdict === 'pass' || forgiven) return 0;
  return verdict === 'fail' ? 99 : 98;
}

function invariantReason(found: Report['invariants'][number]): readonly Reason[] {
  const name = `invariant ${found.part}/${found.id}`;
  if (found.verdict === 'violated') {
    const worst = found.violations[0] ?? found.note;
    return [reason('fail', `${name} was violated ${found.violationCount} times of ${found.checked}: ${worst}`)];
  }
  if (found.verdict === 'unexercised' || found.checked === 0) {
    return [reason('inconclusive', `${name} was never exercised${found.note === '' ? '' : `: ${found.note}`}`)];
  }
  return [];
}

function checkReason({ check, unjudged }: Judged): readonly Reason[] {
  // One sentence for all that the scale leaves open is enough; see wholeRunReasons.
  if (check.verdict === 'pass' || unjudged === 'scale') return [];
  const measured =
    check.measured === null ? 'nothing' : `${Number(check.measured.toPrecision(4))} ${check.unit}`.trim();
  const note = check.note === '' ? '' : ` (${check.note})`;
  return [reason(check.verdict, `${check.name}: measured ${measured}${note}`)];
}

function faultReason(fault: FaultRecord): readonly Reason[] {
  if (fault.hit && fault.assumed) return [reason('inconclusive', `${fault.fault} was assumed: ${fault.witness}`)];
  if (fault.hit) return [];
  return [reason('invalid', `${fault.fault} did not hit: ${fault.witness}`)];
}

function wholeRunReasons(input: VerdictInput, correct: boolean): readonly Reason[] {
  const reasons: Reason[] = [];
  if (input.loadedParts.length === 0) reasons.push(reason('inconclusive', 'no part took load'));
  if (input.historyCut > 0) {
    reasons.push(
      reason('inconclusive', `the invariants saw all but ${input.historyCut} operations: the history was full`),
    );
  }
  if (input.scale < 1) {
    const at = scaleText(input.scale);
    const text = correct ? `correct at ${at}; capacity extrapolated` : `capacity is not judged at ${at}`;
    reasons.push({ verdict: 'inconclusive', text, byScale: true });
  }
  return reasons;
}

/** What a pass does not say. */
function remarks(input: VerdictInput): readonly string[] {
  const steps = input.clockSteps.map(({ fromMs, byMs }) => {
    const way = byMs > 0 ? 'forward' : 'back';
    const [atS, stepMs] = [(fromMs - input.startMs) / 1000, Math.ceil(Math.abs(byMs))];
    return `this machine’s wall clock went ${way} by up to ${stepMs} ms, ${atS.toFixed(1)} s into the run: allowed for`;
  });
  return [...steps, ...(input.faults.length === 0 ? ['no fault was injected: recovery was not judged'] : [])];
}

function reason(verdict: Reason['verdict'], text: string): Reason {
  return { verdict, text, byScale: false };
}
