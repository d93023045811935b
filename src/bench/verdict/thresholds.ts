/**
 * Service-level objectives in k6's threshold form: a metric selector, `http_req_duration{part:store,phase:steady}`, and
 * expressions over it, `p(99)<50`. A selector without `phase` means the steady load. Everything is checked before any
 * load is sent, so that a typing error can't pass.
 *
 * | metric | aggregations |
 * |---|---|
 * | `http_req_duration` | `avg` `min` `med` `max` `p(N)`, ms from the intended send time; of correct and timed-out requests |
 * | `http_req_failed` | `rate`: wrong, refused, reset and timed-out ones ÷ sent |
 * | `http_reqs` | `count`, `rate` per second: correct answers |
 * | `checks` | `rate`: correct answers ÷ arrivals, dropped ones included |
 * | `dropped_iterations` | `count`, `rate` per second: arrivals that were never sent |
 * | `late` | `count`, `rate`: sent over 1 ms after the intended time ÷ sent |
 *
 * Comparisons: `<` `<=` `>` `>=` `==` `===` `!=`.
 */

import { DspError } from '../../errors.ts';

export type Comparison = '<' | '<=' | '>' | '>=' | '==' | '!=';
export type Aggregation =
  | { readonly kind: 'avg' | 'min' | 'med' | 'max' | 'rate' | 'count' }
  /** 0 ≤ q < 1. */
  | { readonly kind: 'quantile'; readonly q: number };

export interface Tags {
  readonly part?: string;
  readonly operation?: string;
  readonly phase?: string;
}

export interface Threshold {
  /** As written, e.g. `http_req_duration{part:store}: p(99)<50`. */
  readonly name: string;
  readonly metric: MetricName;
  readonly tags: Tags;
  readonly aggregation: Aggregation;
  readonly comparison: Comparison;
  readonly bound: number;
}

/** What a run measures: the values that the tags can have. */
export interface Measured {
  /** Part → operations. */
  readonly operations: Readonly<Record<string, readonly string[]>>;
  readonly phases: readonly string[];
}

const aggregations = {
  http_req_duration: ['avg', 'min', 'med', 'max', 'quantile'],
  http_req_failed: ['rate'],
  http_reqs: ['count', 'rate'],
  checks: ['rate'],
  dropped_iterations: ['count', 'rate'],
  late: ['count', 'rate'],
} as const;

export type MetricName = keyof typeof aggregations;

/** Throws `bench.threshold` with the key of dsp.yaml as `where`. */
export function parseThresholds(
  slo: Readonly<Record<string, readonly string[]>>,
  measured: Measured,
): readonly Threshold[] {
  return Object.entries(slo).flatMap(([selector, expressions]) => {
    const { metric, tags } = parseSelector(selector, measured);
    return expressions.map((expression) => ({
      name: `${selector}: ${expression}`,
      metric,
      tags,
      ...parseExpression(selector, expression, metric),
    }));
  });
}

function refuse(selector: string, text: string, problem: string): never {
  throw new DspError('bench.threshold', { text, problem }, { where: `dsp.yaml: slo[${JSON.stringify(selector)}]` });
}

function parseSelector(selector: string, measured: Measured): { metric: MetricName; tags: Tags } {
  const found = /^\s*([a-z_]+)\s*(?:\{([^{}]*)\})?\s*$/.exec(selector);
  if (found === null) refuse(selector, selector, 'it is not of the form metric{tag:value,…}');
  const metric = found[1] ?? '';
  if (!isMetric(metric)) {
    refuse(selector, selector, `there is no metric ${metric}; there are ${Object.keys(aggregations).join(', ')}`);
  }
  return { metric, tags: parseTags(selector, found[2], measured) };
}

function isMetric(name: string): name is MetricName {
  return Object.hasOwn(aggregations, name);
}

function parseTags(selector: string, text: string | undefined, measured: Measured): Tags {
  const tags: { part?: string; operation?: string; phase?: string } = {};
  for (const pair of text === undefined ? [] : text.split(',')) {
    const found = /^\s*([a-z_]+)\s*:\s*(\S+)\s*$/.exec(pair);
    if (found === null) refuse(selector, selector, `${JSON.stringify(pair)} is not of the form tag:value`);
    const [, tag = '', value = ''] = found;
    if (tag !== 'part' && tag !== 'operation' && tag !== 'phase') {
      refuse(selector, selector, `there is no tag ${tag}; there are part, operation, phase`);
    }
    if (tags[tag] !== undefined) refuse(selector, selector, `the tag ${tag} is given twice`);
    tags[tag] = value;
  }
  checkTags(selector, tags, measured);
  return tags;
}

function checkTags(selector: string, { part, operation, phase }: Tags, measured: Measured): void {
  const parts = Object.keys(measured.operations);
  if (part !== undefined && !parts.includes(part)) {
    refuse(selector, selector, `no part ${part} takes load; there are ${parts.join(', ')}`);
  }
  const operations = part === undefined ? Object.values(measured.operations).flat() : measured.operations[part];
  if (operation !== undefined && !operations?.includes(operation)) {
    const known = [...new Set(operations)].join(', ');
    refuse(selector, selector, `no operation ${operation} is sent${part ? ` to ${part}` : ''}; there are ${known}`);
  }
  if (phase !== undefined && !measured.phases.includes(phase)) {
    refuse(selector, selector, `there is no phase ${phase}; there are ${measured.phases.join(', ')}`);
  }
}

function parseExpression(
  selector: string,
  text: string,
  metric: MetricName,
): Pick<Threshold, 'aggregation' | 'comparison' | 'bound'> {
  const found = /^\s*([a-z]+(?:\(\s*[\d.]+\s*\))?)\s*(<=|>=|===|==|!=|<|>)\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*$/i.exec(
    text,
  );
  if (found === null) refuse(selector, text, 'it is not of the form aggregation, comparison, number: p(99)<50');
  const [, left = '', comparison = '', right = ''] = found;
  const aggregation = parseAggregation(left);
  const known: readonly string[] = aggregations[metric];
  if (aggregation === null || !known.includes(aggregation.kind)) {
    const names = known.map((name) => (name === 'quantile' ? 'p(N)' : name)).join(', ');
    refuse(selector, text, `${metric} has no ${left}; it has ${names}`);
  }
  const bound = Number(right);
  if (!Number.isFinite(bound)) refuse(selector, text, `${right} is not a number`);
  return { aggregation, comparison: (comparison === '===' ? '==' : comparison) as Comparison, bound };
}

function parseAggregation(text: string): Aggregation | null {
  const percentile = /^p\(\s*([\d.]+)\s*\)$/.exec(text);
  if (percentile !== null) {
    const n = Number(percentile[1]);
    // p(100) would be the maximum, which no number of samples shows.
    return n >= 0 && n < 100 ? { kind: 'quantile', q: n / 100 } : null;
  }
  if (text === 'avg' || text === 'min' || text === 'med' || text === 'max' || text === 'rate' || text === 'count') {
    return { kind: text };
  }
  return null;
}

export function holds(measured: number, comparison: Comparison, bound: number): boolean {
  switch (comparison) {
    case '<':
      return measured < bound;
    case '<=':
      return measured <= bound;
    case '>':
      return measured > bound;
    case '>=':
      return measured >= bound;
    case '==':
      return measured === bound;
    default:
      return measured !== bound;
  }
}

/** Samples that an aggregation needs before it is worth a verdict: 10/(1 − q) for a quantile, else one. */
export function samplesNeeded(aggregation: Aggregation): number {
  if (aggregation.kind === 'med') return 20;
  return aggregation.kind === 'quantile' ? Math.ceil(10 / (1 - aggregation.q) - 1e-6) : 1;
}
