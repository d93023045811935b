/** The hottest key: what it does to the shard that it is on, and which remedies the requirements leave, with their costs. */

import { exponentFor, harmonic, hottestKeyShare } from '../../src/key-skew.ts';
import type { Demand, Excuse, HotKey, Remedy, SizeInput } from '../../src/pattern.ts';
import * as capacity from './capacity.ts';
import { excuse } from './excuse.ts';
import { busiestLoadMetric } from './explain.ts';
import { cost, sizeAs } from './size.ts';
import type { StoreSizing } from './sizing.ts';

/** A key is hot when its shard has half more to do than one with an even share. */
const hotFrom = 1.5;
/** A remedy is for all keys that have more than this part of an even share: below, one more is one of many. */
const treatedFrom = 0.25;
const maxTreatedKeys = 1000;
/** What takes less than a tenth from the busiest shard is no remedy. */
const worthwhile = 0.9;
/** A cached value may be as old as this share of the staleness allowed: the rest is for its way. */
const cacheShare = 0.5;
const leastCacheMs = 10;
/** Where no bound was asked: prior, what page caches usually take. */
const unboundedCacheMs = 1000;

/** The keys that are treated, of the user's own demand. */
interface Hot {
  readonly input: SizeInput;
  readonly sizing: StoreSizing;
  readonly user: Demand;
  readonly exponent: number;
  readonly share: number;
  readonly treated: number;
  /** Share of all that is treated, and of the first key that is not. */
  readonly mass: number;
  readonly next: number;
}

interface Figures {
  readonly busiestLoad: number;
  /** Null: no number of shards carries it. */
  readonly usdPerMonth: number | null;
}

/** Null where no key is hot, or nobody asks for keys but other parts, whose pieces are their own matter. */
export function hotKey(input: SizeInput, sizing: StoreSizing, measured: number | null): HotKey | null {
  const user = input.demands.find(({ from }) => from === 'user');
  if (user === undefined) return null;
  const hot = hotOf(input, sizing, user, measured);
  const { shards } = sizing;
  if (shards < 2 || hot.share + (1 - hot.share) / shards < hotFrom / shards) return null;
  const untreated = figures(hot, untreatedShares(hot));
  const tried = [replicaReads(hot), split(hot), localCache(hot)].map((option) =>
    'shares' in option ? judged(hot, untreated, option) : option,
  );
  return {
    share: hot.share,
    exponent: hot.exponent,
    busiestLoad: untreated.busiestLoad,
    usdPerMonth: untreated.usdPerMonth,
    remedies: tried.filter((each) => 'how' in each).sort((a, b) => a.usdPerMonth - b.usdPerMonth),
    rejected: tried.filter((each) => 'option' in each),
  };
}

function hotOf(input: SizeInput, sizing: StoreSizing, user: Demand, measured: number | null): Hot {
  const keys = capacity.keysOf(user);
  const exponent = measured === null ? capacity.keySkewOf(input.requirements) : exponentFor(keys, measured);
  const share = hottestKeyShare(keys, exponent);
  const isOneOfMany = (rank: number) => share * rank ** -exponent <= treatedFrom / sizing.shards;
  let treated = 1;
  while (treated < Math.min(keys, maxTreatedKeys) && !isOneOfMany(treated + 1)) treated++;
  const mass = share * harmonic(treated, exponent);
  const next = treated < keys ? share * (treated + 1) ** -exponent : 0;
  return { input, sizing, user, exponent, share, treated, mass, next };
}

/** The planned number of shards as it then is, and the number that then carries everything. */
function figures({ input, sizing }: Hot, sharesOf: capacity.Shares): Figures {
  const times = { ...capacity.serviceTimePriors, ...input.measured };
  const { load } = capacity.busiestShard(input.demands, sizing.shards, sizing.replicasPerShard, times, sharesOf);
  const sized = sizeAs(sizing.mode, input, sharesOf);
  return { busiestLoad: load, usdPerMonth: sized.kind === 'sized' ? cost(sized, input) : null };
}

interface Option {
  readonly name: string;
  readonly how: string;
  readonly risk: string;
  readonly shares: capacity.Shares;
}

function judged(hot: Hot, untreated: Figures, { name, how, risk, shares }: Option): Remedy | Excuse {
  const { busiestLoad, usdPerMonth } = figures(hot, shares);
  const numbers = { busiestLoad, without: untreated.busiestLoad };
  if (busiestLoad > untreated.busiestLoad * worthwhile) {
    return excuse(name, 'it takes next to nothing from the busiest shard', 'load', numbers);
  }
  if (usdPerMonth === null) {
    return excuse(name, `with it too, no number of shards keeps the ${busiestLoadMetric} in bounds`, 'load', numbers);
  }
  const planned = untreated.usdPerMonth ?? plannedUsd(hot);
  return { name, how, risk, busiestLoad, usdPerMonth, addsUsdPerMonth: usdPerMonth - planned };
}

/** What the plan has, where nothing carries the key as it is. */
function plannedUsd({ input, sizing }: Hot): number {
  const sized = sizeAs(sizing.mode, input, capacity.sharesBySkew(capacity.keySkewOf(input.requirements)));
  return sized.kind === 'sized' ? cost(sized, input) : 0;
}

/** What was measured is the skew of the user's own keys; of other parts' keys there is only what the requirements say. */
function untreatedShares({ input, user, exponent }: Hot): capacity.Shares {
  const own = capacity.sharesBySkew(exponent);
  const others = capacity.sharesBySkew(capacity.keySkewOf(input.requirements));
  return (demand, shards) => (demand === user ? own : others)(demand, shards);
}

/** `of`: shares of all requests that the treated keys' reads and writes have on the hottest key's shard. */
function treatedShares(hot: Hot, of: (shards: number) => { read: number; write: number }): capacity.Shares {
  const { user, mass, next } = hot;
  const untreated = untreatedShares(hot);
  return (demand, shards) => {
    if (demand !== user) return untreated(demand, shards);
    const { read, write } = of(shards);
    const rest = (1 - mass) / shards;
    return { read: Math.max(read, next) + rest, write: Math.max(write, next) + rest };
  };
}

function replicaReads(hot: Hot): Option | Excuse {
  const { sizing, input } = hot;
  const name = 'replica reads';
  const { level, stalenessMs } = input.requirements.consistency;
  const copies = 1 + sizing.replicasPerShard;
  if (copies === 1) return excuse(name, 'a ring of caches has no replicas', 'replicas', { replicas: 0 });
  if (level !== 'eventual') {
    const reason =
      level === 'bounded'
        ? 'how far a replica lags has no bound of its own, so that no delay can be promised'
        : 'a replica’s answer may miss an acknowledged write';
    return excuse(name, reason, 'consistency.level', { stalenessMs }, { key: 'consistency.level', to: 'eventual' });
  }
  const untreated = untreatedShares(hot);
  return {
    name,
    how: `reads go to any of the ${copies} copies of a shard (READONLY connections)`,
    risk: 'a replica that was cut off answers with old values until it is told so; writes stay with the primary',
    shares: (demand, shards) => {
      const { read, write } = untreated(demand, shards);
      return demand === hot.user ? { read: read / copies, write } : { read, write };
    },
  };
}

/** Each copy takes a part of the reads and every write. */
function split(hot: Hot): Option | Excuse {
  const { input, sizing, treated, mass, share } = hot;
  const name = 'key split';
  const { level, stalenessMs } = input.requirements.consistency;
  if (level === 'linearizable') {
    const reason =
      'copies are written one after the other, and a read between two of them sees the old value after the new';
    return excuse(name, reason, 'consistency.level', { stalenessMs });
  }
  const copiesOf = (shards: number, copies: number) => ({
    read: share / copies + (mass - share) / shards,
    write: share + ((mass - share) * copies) / shards,
  });
  const optionWith = (copies: number): Option => ({
    name,
    how: `the ${treated === 1 ? 'hottest key is' : `${treated} hottest keys are`} kept ${copies} times, with a suffix each: a read takes one of them at random, a write goes to all before it is acknowledged`,
    risk: 'a write that fails half way leaves copies that differ until the next one; whoever writes must know the hot keys',
    shares: treatedShares(hot, (shards) => copiesOf(shards, Math.min(copies, shards))),
  });
  const tried = copyCounts(sizing.shards).map((copies) => {
    const option = optionWith(copies);
    return { option, load: figures(hot, option.shares).busiestLoad };
  });
  return tried.reduce((a, b) => (b.load < a.load * 0.999 ? b : a)).option;
}

/** Powers of two, and every shard. */
function copyCounts(shards: number): readonly number[] {
  const counts: number[] = [];
  for (let copies = 2; copies < shards; copies *= 2) counts.push(copies);
  return [...counts, shards];
}

/** An instance asks for a key once in the time that it keeps it. */
function localCache(hot: Hot): Option | Excuse {
  const { input, sizing, user, treated, mass, share } = hot;
  const name = 'local cache';
  const { level, stalenessMs } = input.requirements.consistency;
  const keepsMs = level === 'eventual' ? unboundedCacheMs : Math.floor(stalenessMs * cacheShare);
  if (level === 'linearizable' || keepsMs < leastCacheMs) {
    const reason = 'a value that is kept in a service is older than the delay allowed';
    const relax = { key: 'consistency.stalenessMs', to: leastCacheMs / cacheShare };
    return excuse(name, reason, 'consistency', { stalenessMs }, level === 'bounded' ? relax : undefined);
  }
  const asked = (sizing.apiInstances * 1000) / keepsMs / Math.max(user.readPerSecond, 1e-9);
  const kept = Math.min(share, asked);
  return {
    name,
    how: `each of the ${sizing.apiInstances} instances of the service keeps the ${treated === 1 ? 'hottest key' : `${treated} hottest keys`} for ${keepsMs} ms (${Math.ceil((treated * user.payloadBytes) / 1024)} KiB)`,
    risk: `a read may be up to ${keepsMs} ms older, and two instances may differ for as long; a writer may not see its own write`,
    shares: treatedShares(hot, (shards) => ({
      read: kept + Math.min(mass - share, kept * (treated - 1)) / shards,
      write: share + (mass - share) / shards,
    })),
  };
}
