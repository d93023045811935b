/** The plan on one screen, 80 × 24. */

import type { Excuse, Prediction } from '../pattern.ts';
import type { NoPlan, Part, Plan } from './plan.ts';

const width = 80;
const height = 24;

export function summarizePlan(plan: Plan): string {
  const { cost, local, tightest } = plan;
  const processes = local.topology.processSets.reduce((sum, set) => sum + set.replicas, 0);
  const title = `${plan.requirements.name}: ${plan.parts.length} ${plan.parts.length === 1 ? 'part' : 'parts'}, ${nodesOf(plan)}, ${money(cost.usdPerMonth)} a month of ${money(cost.budgetUsdPerMonth)}`;
  const last = [
    ...(tightest ? wrap(`tightest: ${predictionWords(tightest)}`) : []),
    ...wrap(`prices: ${cost.priceSource}, ${cost.priceDate}`),
    ...wrap(`local: scale ${scaleWords(local.scale)}, ${processes} processes; ${local.because}`),
  ];
  const parts = plan.parts.map((part) => wrap(partLine(part)));
  const edges = plan.edges.map((edge) => wrap(`${edge.from} → ${edge.to} (${edge.capability}): ${edge.because}`));
  const head = [...wrap(title), ''];
  // Parts come first; reasons take what room is left.
  const shownParts = fitting(parts, height - head.length - last.length - 1, 'parts (dsp plan --json)');
  const room = height - head.length - last.length - 1 - shownParts.length;
  return [...head, ...shownParts, '', ...fitting(edges, room, 'connections (dsp plan --json)'), ...last].join('\n');
}

function nodesOf({ cost }: Plan): string {
  const nodes = cost.machines.reduce((sum, { count }) => sum + count, 0);
  return `${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
}

/** As many of the blocks as `room` lines hold, and what is left out in one line. */
function fitting(blocks: readonly (readonly string[])[], room: number, of: string): readonly string[] {
  const all = blocks.flat();
  if (all.length <= room) return all;
  const shown: string[] = [];
  let count = 0;
  for (const block of blocks) {
    if (shown.length + block.length > room - 1) break;
    shown.push(...block);
    count++;
  }
  return room <= 0 ? [] : [...shown, `  … ${blocks.length - count} more ${of}`];
}

/** What came nearest, and what to relax. */
export function summarizeNoPlan({ rejected, relax, together }: NoPlan): string {
  const head = ['no plan meets the requirements', ''];
  const isOne = relax.length === 1;
  const ways = isOne
    ? 'there is a plan with'
    : together
      ? 'there is a plan with all of'
      : 'there is a plan with any one of';
  const changes = relax.map(({ key, to, because }) => wrap(`relax ${key} to ${JSON.stringify(to)} (${because})`));
  const way = relax.length === 0 ? ['nothing that was tried to relax gives a plan'] : [ways];
  const shownChanges = fitting(changes, height - head.length - way.length - 6, 'changes (dsp plan --json)');
  const excuses = rejected.map((excuse) => wrap(excuseWords(excuse)));
  const room = height - head.length - way.length - shownChanges.length - 1;
  return [...head, ...fitting(excuses, room, 'excuses (dsp plan --json)'), '', ...way, ...shownChanges].join('\n');
}

export function predictionWords({ metric, predicted, bound, unit, margin }: Prediction): string {
  const of = (value: number) => `${number(value)}${unit === '' ? '' : ` ${unit}`}`;
  return `${metric} ${of(predicted)} of ${of(bound)} (margin ${number(margin)}×)`;
}

export function excuseWords({ option, reason, bottleneck, numbers, worlds }: Excuse): string {
  const figures = Object.entries(numbers).map(([name, value]) => `${name} ${number(value)}`);
  const where = worlds === undefined ? '' : `; rejected in ${worlds.rejectedIn} of ${worlds.of} worlds`;
  return `${option}: ${reason} [${bottleneck}${figures.length > 0 ? `; ${figures.join(', ')}` : ''}${where}]`;
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
  return `  ${part.name.padEnd(14)} ${part.pattern.padEnd(14)} ${nodes}, ${money(part.usdPerMonth)}`;
}

/** Lines of at most 80 columns, each indented as the first, continued by two spaces more. */
export function wrap(text: string): readonly string[] {
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.slice(indent.length).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else {
      line = line === '' ? indent + word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
