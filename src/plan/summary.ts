/** The plan on one screen, 80 × 24. */

import type { Excuse, Prediction } from '../pattern.ts';
import type { NoPlan, Part, Plan } from './plan.ts';

const width = 80;

export function summarizePlan(plan: Plan): string {
  const { cost, local, tightest } = plan;
  const processes = local.topology.processSets.reduce((sum, set) => sum + set.replicas, 0);
  const lines = [
    `${plan.requirements.name}: ${plan.parts.length} ${plan.parts.length === 1 ? 'part' : 'parts'}, ${money(cost.usdPerMonth)} a month of ${money(cost.budgetUsdPerMonth)}`,
    '',
    ...plan.parts.slice(0, 12).map(partLine),
    ...(plan.parts.length > 12 ? [`  … ${plan.parts.length - 12} more (dsp plan --json)`] : []),
    '',
    ...plan.edges
      .slice(0, 3)
      .flatMap((edge) => wrap(`${edge.from} → ${edge.to} (${edge.capability}): ${edge.because}`)),
    ...(tightest ? wrap(`tightest: ${predictionWords(tightest)}`) : []),
    ...wrap(`prices: ${cost.priceSource}, ${cost.priceDate}`),
    ...wrap(`local: scale ${scaleWords(local.scale)}, ${processes} processes; ${local.because}`),
  ];
  return lines.join('\n');
}

/** What came nearest, and what to relax. */
export function summarizeNoPlan(noPlan: NoPlan): string {
  return [
    'no plan meets the requirements',
    '',
    ...noPlan.rejected.slice(0, 6).flatMap((excuse) => wrap(excuseWords(excuse))),
    '',
    ...noPlan.relax
      .slice(0, 4)
      .flatMap(({ key, to, because }) => wrap(`relax ${key} to ${JSON.stringify(to)} (${because})`)),
  ].join('\n');
}

export function predictionWords({ metric, predicted, bound, unit, margin }: Prediction): string {
  const of = (value: number) => `${number(value)}${unit === '' ? '' : ` ${unit}`}`;
  return `${metric} ${of(predicted)} of ${of(bound)} (margin ${number(margin)}×)`;
}

export function excuseWords({ option, reason, bottleneck, numbers }: Excuse): string {
  const figures = Object.entries(numbers).map(([name, value]) => `${name} ${number(value)}`);
  return `${option}: ${reason} [${bottleneck}${figures.length > 0 ? `; ${figures.join(', ')}` : ''}]`;
}

export const scaleWords = (scale: number) => (scale === 1 ? '1' : `1/${number(1 / scale)}`);

/** Three significant digits, no exponent below a million. */
export function number(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`;
  const rounded = Number(value.toPrecision(3));
  return Math.abs(rounded) >= 1e9 ? rounded.toExponential(0) : `${rounded}`;
}

const money = (usd: number) => `${Math.round(usd)} USD`;

function partLine(part: Part): string {
  const nodes = part.machines.map(({ machine, count, for: use }) => `${count} × ${machine} (${use})`).join(', ');
  return `  ${part.name.padEnd(16)}${part.pattern.padEnd(16)}${nodes}, ${money(part.usdPerMonth)}`;
}

/** Lines of at most 80 columns, continued by two spaces. */
export function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
