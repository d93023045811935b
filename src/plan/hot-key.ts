/** What a plan says of a hot key: foreseen in the requirements, or measured by a bench. */

import { defaultHardware } from '../capacity/hardware.ts';
import type { HotKey, Pattern } from '../pattern.ts';
import { downtimesOf, type World } from './compose.ts';
import type { Part, Plan } from './plan.ts';
import { staffed } from './staffed.ts';
import { excuseWords, number, wrap } from './summary.ts';

/** `share`: of the part's requests, as measured; null: as the requirements have it. Null where no key is hot. */
export function hotKeyOf(
  { name, demands, options, sizing }: Part,
  pattern: Pattern,
  world: Omit<World, 'catalogue'>,
  share: number | null,
): HotKey | null {
  const { requirements, hardware, measured } = world;
  const downtimes = downtimesOf(world, name);
  return pattern.hotKey?.({ requirements, demands, options, hardware, measured, downtimes }, sizing, share) ?? null;
}

/** For a share that was measured on what was planned. */
export function measuredHotKey(plan: Plan, part: Part, pattern: Pattern, share: number): HotKey | null {
  const { requirements, measured = {}, downtimes = {} } = plan;
  const hardware = staffed(defaultHardware, requirements);
  return hotKeyOf(part, pattern, { requirements, measured, downtimes, hardware }, share);
}

const usd = (amount: number) => `${Math.round(amount)} USD a month`;
const signed = (amount: number) => (amount >= 0 ? `adds ${usd(amount)}` : `saves ${usd(-amount)}`);

/** Lines for people: what the key does, the remedies, cheapest first, and those that do not fit. */
export function hotKeyLines({
  share,
  exponent,
  busiestLoad,
  usdPerMonth,
  remedies,
  rejected,
}: HotKey): readonly string[] {
  const alone =
    usdPerMonth === null
      ? 'no number of shards carries it'
      : `shards and machines that carry it cost ${usd(usdPerMonth)}`;
  const of = `${number(share * 100)} % of the requests (as rate.keySkew ${number(exponent)} has it)`;
  return [
    `hot key: ${of}, which loads its shard to ${number(busiestLoad)}; ${alone}`,
    ...remedies.map(
      (remedy) =>
        `remedy: ${remedy.name}, ${signed(remedy.addsUsdPerMonth)}: ${remedy.how}; the busiest shard is then loaded to ${number(remedy.busiestLoad)}; risk: ${remedy.risk}`,
    ),
    ...rejected.map((excuse) => {
      const then =
        excuse.relax === undefined ? '' : `; allowed with ${excuse.relax.key} ${JSON.stringify(excuse.relax.to)}`;
      return `no remedy: ${excuseWords(excuse)}${then}`;
    }),
  ];
}

/** The same, as `dsp plan` shows it. */
export const shownHotKey = (hotKey: HotKey) => hotKeyLines(hotKey).flatMap((line) => wrap(`  ${line}`));
