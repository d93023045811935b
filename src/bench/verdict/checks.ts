/**
 * From measurements to checks: what follows from the requirements, and the user's own objectives. Pure.
 *
 * A check passes or fails only on evidence. It is `inconclusive` over no sample, over fewer than 10/(1 − q) samples for
 * a quantile q, when the control broke the same bound or others crowded the machine, and for rates and latencies below scale 1; it is `invalid` when
 * the generator did not offer what it should have.
 */

import type { Phase } from '../../checkers/history.ts';
import { type FaultKind, isChange, recurs } from '../../requirements/faults.ts';
import type { Requirements } from '../../requirements/requirements.ts';
import type { Hdr } from '../generator/hdr.ts';
import type { CheckResult, FaultRecord } from '../report.ts';
import { type Cell, type PhaseSpan, phaseDurationMs, total } from '../results/figures.ts';
import { type Aggregation, holds, parseThresholds, samplesNeeded, type Threshold } from './thresholds.ts';

/** `scale`: not judged for no other reason than a scale below 1. */
export interface Judged {
  readonly check: CheckResult;
  readonly unjudged: 'scale' | null;
}

export interface ChecksInput {
  readonly cells: readonly Cell[];
  readonly spans: readonly PhaseSpan[];
  readonly faults: readonly FaultRecord[];
  /** Latency of the control in the steady phase; null when none ran. */
  readonly control: Hdr | null;
  /** Share of the machine's CPU that others used during the steady load; null when unknown. */
  readonly foreignCpuShare: number | null;
  /** Parts that took load, control excluded. */
  readonly parts: readonly string[];
  readonly requirements: Requirements;
  readonly thresholds: readonly Threshold[];
  readonly scale: number;
}

/** A generator that turned to at least this share of its arrivals in time, and a system that answered as many, kept up. */
export const keptUpShare = 0.98;

/** Above this share of the machine's CPU, what others used excuses a latency or rate that was missed. */
export const crowdedShare = 0.25;

export function judgeRun(input: ChecksInput): readonly Judged[] {
  const fellBehind = new Set(input.parts.filter((part) => (generatorShare(input, part) ?? 1) < keptUpShare));
  const required = input.parts.flatMap((part) => requiredThresholds(input, part));
  const judge = (threshold: Threshold, from: string, note = '') => {
    const judged = judgeThreshold(input, threshold, from, note);
    return excuseCrowd(invalidate(judged, threshold.tags.part, fellBehind), threshold, input.foreignCpuShare);
  };
  return [
    ...input.parts.map((part) => judgeGenerator(input, part)),
    ...required.map(({ threshold, from, note }) => judge(threshold, from, note)),
    ...input.faults.map((fault) => judgeRecovery(fault, input.requirements.availability.recoveryMs)),
    ...input.thresholds.map((threshold) => judge(threshold, 'slo')),
  ];
}

/** A failed bound says nothing of the system when the generator fell behind; a met one still stands. */
function invalidate(judged: Judged, part: string | undefined, fellBehind: ReadonlySet<string>): Judged {
  const affected = part === undefined ? fellBehind.size > 0 : fellBehind.has(part);
  if (!affected || judged.check.verdict !== 'fail') return judged;
  return { ...judged, check: { ...judged.check, verdict: 'invalid', note: 'the generator fell behind' } };
}

/** A crowded machine makes a system late that has less CPU left than it was planned for; a met bound still stands. */
function excuseCrowd(judged: Judged, threshold: Threshold, foreignShare: number | null): Judged {
  const steady = (threshold.tags.phase ?? 'steady') === 'steady';
  const crowded = foreignShare !== null && foreignShare > crowdedShare && steady && scales(threshold);
  if (!crowded || judged.check.verdict !== 'fail') return judged;
  const note = `other programs used ${round(100 * foreignShare, 0)} % of the machine's CPU during the steady load`;
  return { ...judged, check: { ...judged.check, verdict: 'inconclusive', note } };
}

function steadyOf(input: ChecksInput, part: string): ReturnType<typeof total> {
  return total(input.cells.filter((cell) => cell.part === part && cell.phase === 'steady'));
}

/** Of the arrivals of the steady load, those that the generator turned to in time; null when there was none. */
function generatorShare(input: ChecksInput, part: string): number | null {
  const { offered, behind } = steadyOf(input, part);
  return offered === 0 ? null : 1 - behind / offered;
}

function judgeGenerator(input: ChecksInput, part: string): Judged {
  const { offered, late, behind } = steadyOf(input, part);
  const share = generatorShare(input, part);
  const verdict = share === null ? 'inconclusive' : share < keptUpShare ? 'invalid' : 'pass';
  const check: CheckResult = {
    name: `generator{part:${part}}: in time>=${keptUpShare}`,
    from: 'bench',
    verdict,
    measured: share,
    bound: keptUpShare,
    unit: '',
    note:
      share === null
        ? 'nothing was offered'
        : `of ${offered} arrivals ${behind} were taken up over 10 ms late, ${late} left over 1 ms late`,
  };
  return { check, unjudged: null };
}

interface Required {
  readonly threshold: Threshold;
  readonly from: string;
  readonly note: string;
}

/** The rate counts what arrived, not what was planned: chance makes Poisson arrivals fewer or more. */
function requiredThresholds(input: ChecksInput, part: string): readonly Required[] {
  const { latency, availability } = input.requirements;
  const phase = `{part:${part},phase:steady}`;
  const { offered } = steadyOf(input, part);
  const offeredPerSecond = round((offered * 1000) / Math.max(1, phaseDurationMs(input.spans, 'steady')), 4);
  const leastRate = round(keptUpShare * offeredPerSecond, 4);
  const failedShare = round(1 - availability.target, 9);
  const slo = {
    [`http_req_duration${phase}`]: [`p(99)<${latency.p99Ms}`],
    [`http_reqs${phase}`]: [`rate>=${leastRate}`],
    [`http_req_failed${phase}`]: [`rate<=${failedShare}`],
  };
  const known = { operations: { [part]: [] }, phases: ['steady'] };
  const [duration, rate, failed] = parseThresholds(slo, known);
  if (!duration || !rate || !failed) throw new Error('three thresholds follow from the requirements');
  return [
    { threshold: duration, from: 'latency.p99Ms', note: '' },
    {
      threshold: rate,
      from: 'rate',
      note: `${keptUpShare * 100} % of the ${round(offeredPerSecond, 1)}/s that arrived`,
    },
    { threshold: failed, from: 'availability.target', note: 'of the steady load only, not of a month with its losses' },
  ];
}

/** What a threshold selects, and what its aggregation makes of it. */
function judgeThreshold(input: ChecksInput, threshold: Threshold, from: string, note: string): Judged {
  const phase = (threshold.tags.phase ?? 'steady') as Phase;
  const { part, operation } = threshold.tags;
  const cells = input.cells.filter(
    (cell) =>
      input.parts.includes(cell.part) &&
      cell.phase === phase &&
      (part === undefined || cell.part === part) &&
      (operation === undefined || cell.operation === operation),
  );
  const { measured, samples, unit } = measure(threshold, cells, phaseDurationMs(input.spans, phase));
  const base = { name: threshold.name, from, bound: threshold.bound, unit };
  const done = (verdict: CheckResult['verdict'], why: string, unjudged: 'scale' | null = null): Judged => ({
    check: { ...base, verdict, measured, note: [why, note].filter((text) => text !== '').join('; ') },
    unjudged,
  });
  if (measured === null || samples === 0) return done('inconclusive', 'no sample');
  if (input.scale < 1 && scales(threshold)) {
    return done('inconclusive', `not judged at scale ${scaleText(input.scale)}`, 'scale');
  }
  const needed = samplesNeeded(threshold.aggregation);
  if (samples < needed) return done('inconclusive', `${samples} samples; it takes ${needed}`);
  const controlMs = controlValue(input.control, threshold);
  if (controlMs !== null && !holds(controlMs, threshold.comparison, threshold.bound)) {
    return done('inconclusive', `the control, a bare server in the same run, had ${round(controlMs, 3)} ms`);
  }
  return judgeBound(threshold, measured, samples, done);
}

function judgeBound(
  { metric, comparison, bound }: Threshold,
  measured: number,
  samples: number,
  done: (verdict: CheckResult['verdict'], why: string) => Judged,
): Judged {
  const held = holds(measured, comparison, bound);
  const fewest = metric === 'http_req_failed' && bound > 0 ? Math.ceil(1 / bound - 1e-6) : 1;
  if (!held && samples < fewest) {
    return done('inconclusive', `${samples} samples; one failure breaks the bound below ${fewest}`);
  }
  return done(held ? 'pass' : 'fail', `${samples} samples`);
}

/** Latencies and rates per second depend on the scale; shares of wrong answers do not. */
function scales({ metric }: Threshold): boolean {
  return metric !== 'http_req_failed' && metric !== 'checks';
}

/** Only what the control measures too: latency in the steady phase. */
function controlValue(control: Hdr | null, { metric, tags, aggregation }: Threshold): number | null {
  if (control === null || metric !== 'http_req_duration' || (tags.phase ?? 'steady') !== 'steady') return null;
  return control.count < samplesNeeded(aggregation) ? null : aggregate(control, aggregation);
}

function measure(
  { metric, aggregation }: Threshold,
  cells: readonly Cell[],
  durationMs: number,
): { readonly measured: number | null; readonly samples: number; readonly unit: string } {
  const { offered, sent, correct, failed, late, dropped, latency } = total(cells);
  const share = (count: number, of: number) => ({ measured: of === 0 ? null : count / of, samples: of, unit: '' });
  const counter = (count: number, samples: number) => {
    if (aggregation.kind === 'count') return { measured: count, samples, unit: '' };
    return { measured: durationMs > 0 ? (count * 1000) / durationMs : null, samples, unit: '/s' };
  };
  switch (metric) {
    case 'http_req_duration':
      return { measured: aggregate(latency, aggregation), samples: latency.count, unit: 'ms' };
    case 'http_req_failed':
      return share(failed, sent);
    case 'checks':
      return share(correct, offered);
    case 'http_reqs':
      return counter(correct, offered);
    case 'dropped_iterations':
      return counter(dropped, offered);
    default:
      return aggregation.kind === 'count' ? counter(late, sent) : share(late, sent);
  }
}

function aggregate(latency: Hdr, aggregation: Aggregation): number | null {
  switch (aggregation.kind) {
    case 'quantile':
      return latency.quantileMs(aggregation.q);
    case 'med':
      return latency.quantileMs(0.5);
    case 'avg':
      return latency.meanMs;
    case 'min':
      return latency.minMs;
    default:
      return latency.maxMs;
  }
}

function recoveryNote(kind: FaultKind): string {
  if (isChange(kind)) return 'from the end of the change to the last request that failed';
  if (recurs(kind)) return 'from the last time that it hit to the last request that failed';
  return 'from the fault, or from its heal where that disturbed anew, to the last request that failed';
}

function judgeRecovery(fault: FaultRecord, boundMs: number): Judged {
  const { recoveredMs } = fault;
  const base = {
    name: `recovery{fault:${fault.kind},instance:${fault.instance}}: ms<=${boundMs}`,
    from: 'availability.recoveryMs',
    measured: recoveredMs,
    bound: boundMs,
    unit: 'ms',
  };
  if (!fault.hit) {
    const note = `the fault did not hit: ${fault.witness}`;
    return { check: { ...base, verdict: 'invalid', note }, unjudged: null };
  }
  if (recoveredMs === null) {
    return {
      check: { ...base, verdict: 'fail', note: 'requests still failed when the time to recover was over' },
      unjudged: null,
    };
  }
  const healedAfterMs = Math.round(fault.healedMs - fault.startMs);
  const verdict = recoveredMs <= boundMs ? 'pass' : 'fail';
  const note = `${recoveryNote(fault.kind)}; the heal was complete after ${healedAfterMs} ms`;
  return { check: { ...base, verdict, note }, unjudged: null };
}

/** `1/50`, as the plan says it. */
export function scaleText(scale: number): string {
  if (scale >= 1) return '1';
  const parts = 1 / scale;
  return Math.abs(parts - Math.round(parts)) < 1e-6 * parts ? `1/${Math.round(parts)}` : `${round(scale, 4)}`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
