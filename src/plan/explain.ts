/** Why the plan is as it is: per decision the number that decided it, and each rejected option with its excuse. */

import type { Decision } from '../pattern.ts';
import { shownHotKey } from './hot-key.ts';
import type { Part, Plan } from './plan.ts';
import { excuseWords, number, predictionWords, wrap } from './summary.ts';

/** All parts, or one by its name; null when there is no such part. */
export function explainPlan(plan: Plan, part?: string): string | null {
  const parts = plan.parts.filter((candidate) => part === undefined || candidate.name === part);
  if (parts.length === 0) return null;
  const composition = part === undefined ? plan.decisions.flatMap(decisionLines) : [];
  return [...composition, ...(composition.length > 0 ? [''] : []), ...parts.flatMap(partLines)].join('\n').trimEnd();
}

function partLines(part: Part): readonly string[] {
  return [
    `${part.name} (${part.pattern})`,
    ...part.decisions.flatMap(decisionLines),
    ...part.predictions.flatMap((prediction) => wrap(`  predicted: ${predictionWords(prediction)}`)),
    ...part.rejected.flatMap((excuse) => wrap(`  rejected: ${excuseWords(excuse)}`)),
    ...(part.hotKey === undefined ? [] : shownHotKey(part.hotKey)),
    '',
  ];
}

function decisionLines({ about, chosen, because, numbers, from, source }: Decision): readonly string[] {
  const figures = Object.entries(numbers).map(([name, value]) => `${name} ${number(value)}`);
  const where = `from ${from.join(', ')}${source ? `; ${source}` : ''}`;
  return wrap(`  ${about}: ${chosen}, because ${because} [${[...figures, where].join(', ')}]`);
}
