/** How the load fell on shards, in words and rows. */

import { hotKeyLines } from '../../plan/hot-key.ts';
import type { Report, ShardReport } from '../report.ts';
import { percent } from './report-words.ts';

const share = (value: number | null) => (value === null ? '–' : percent(Number(value.toFixed(3))));

const verdictWords = { even: 'even', uneven: 'uneven', hot: 'hot shard' } as const;

export const shardHeadings = ['shard', 'requests', 'share', 'CPU time', 'verdict'] as const;

/** One row of {@link shardHeadings} a shard. */
export function shardRows({ shards }: ShardReport): readonly (readonly string[])[] {
  return shards.map(({ instance, requests, share: ofRequests, cpuShare, verdict }) => [
    instance,
    `${requests}`,
    share(ofRequests),
    share(cpuShare),
    verdictWords[verdict],
  ]);
}

export const keyHeadings = ['key', 'part', 'requests', 'share', 'shard'] as const;

/** One row of {@link keyHeadings} for each of the hottest keys. */
export function keyRows({ hottestKeys }: ShardReport): readonly (readonly string[])[] {
  return hottestKeys.map(({ key, part, requests, share: of, shard }) => [key, part, `${requests}`, share(of), shard]);
}

/** What was found, and what can be done about it. */
export function shardLines({ verdict, because, hotKey, hottestKeys }: ShardReport): readonly string[] {
  const lines = [`${verdictWords[verdict]}: ${because}`];
  if (hotKey === null) return verdict === 'hot' ? [...lines, spreadLine(hottestKeys)] : lines;
  const exponent = Number(hotKey.exponent.toPrecision(3));
  return [...lines, ...hotKeyLines(hotKey), `plan for it: dsp plan --set rate.keySkew=${exponent}`];
}

/** No key alone makes it hot. */
function spreadLine([hottest]: ShardReport['hottestKeys']): string {
  const most =
    hottest === undefined ? '' : `: the hottest, ${hottest.key}, has ${share(hottest.share)} of its part's requests`;
  return `no single key explains it${most}; the keys' names fall unevenly on the shards, or single requests cost more there`;
}

/** For the terminal and the summary: of what is hot all there is, of the rest a line. */
export function shardSummary({ shards = [] }: Report): readonly string[] {
  return shards.flatMap((found) => shardLines(found).map((line) => `shards of ${found.part}: ${line}`));
}
