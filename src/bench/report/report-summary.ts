/** The report as Markdown, short enough for a pull request's comment. */

import type { Report } from '../report.ts';
import { capacityLines } from './report-capacity.ts';
import { shardSummary } from './report-shards.ts';
import { numberText, printable, resultRows, scaleLine, verdictWords } from './report-words.ts';

export function renderSummary(report: Report): string {
  const steady = report.figures.filter(({ phase }) => phase === 'steady');
  const shards = shardSummary(report);
  return [
    `## ${cell(report.name)}: ${report.verdict}`,
    '',
    `${verdictWords[report.verdict]} ${report.startedAt}, ${numberText(report.durationMs / 1000)} s, ${scaleLine(report.scale)}.`,
    '',
    ...report.reasons.map((reason) => `- ${cell(reason)}`),
    ...(report.reasons.length > 0 ? [''] : []),
    ...(report.capacity === undefined ? [] : [...capacityLines(report.capacity).map((line) => `- ${cell(line)}`), '']),
    '| result | check | measured |',
    '|---|---|---|',
    ...resultRows(report).map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
    '| part | offered/s | achieved/s | failed | dropped | late | p50 ms | p99 ms | p99.9 ms |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...steady.map((f) => {
      const rates = [f.offeredPerSecond, f.achievedPerSecond, f.failed, f.dropped, f.late];
      const numbers = [...rates, f.latency.p50Ms, f.latency.p99Ms, f.latency.p999Ms].map(numberText);
      return `| ${[cell(f.part), ...numbers].join(' | ')} |`;
    }),
    '',
    ...shards.map((line) => `- ${cell(line)}`),
    ...(shards.length > 0 ? [''] : []),
    `Replay: \`${printable(report.replay).replace(/[\s`]+/g, ' ')}\``,
    '',
  ].join('\n');
}

/** Text that can neither end its cell nor become HTML or a link. */
function cell(text: string): string {
  return printable(text)
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]|#~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}
