/** Requirements and demands → sizing of sharded Redis: both modes are tried, the loser is excused. */

import type { Excuse, Sized, SizeInput, Unsized } from '../../src/pattern.ts';
import * as availability from './availability.ts';
import * as capacity from './capacity.ts';
import { excuse } from './excuse.ts';
import { fitShards } from './fit.ts';
import type { StoreSizing } from './sizing.ts';

type Outcome = Sized<StoreSizing> | Unsized;

/** The cheaper mode that meets every demand is taken; of equal cost, the one that keeps data. */
export function size(input: SizeInput): Outcome {
  const store = sizeStore(input);
  const cache = sizeCache(input);
  if (cache.kind === 'sized' && (store.kind === 'unsized' || cost(cache, input) < cost(store, input))) {
    return withRejected(
      cache,
      store.kind === 'unsized' ? store.rejected : [dearer('Redis Cluster', store, cache, input)],
    );
  }
  if (store.kind === 'sized') {
    return withRejected(store, cache.kind === 'unsized' ? cache.rejected : [dearer('cache ring', cache, store, input)]);
  }
  return { kind: 'unsized', rejected: [...store.rejected, ...cache.rejected] };
}

function withRejected(sized: Sized<StoreSizing>, rejected: readonly Excuse[]): Sized<StoreSizing> {
  return { ...sized, rejected: [...rejected, ...sized.rejected] };
}

function dearer(option: string, loser: Sized<StoreSizing>, winner: Sized<StoreSizing>, input: SizeInput): Excuse {
  const numbers = { usdPerMonth: cost(loser, input), chosenUsdPerMonth: cost(winner, input) };
  return excuse(option, 'it meets the requirements too, and is not cheaper', 'cost', numbers);
}

export function cost(sized: Sized<StoreSizing>, { hardware }: SizeInput): number {
  const price = (name: string) => hardware.machines.find((machine) => machine.name === name)?.usdPerMonth ?? 0;
  return sized.machines.reduce((sum, { machine, count }) => sum + price(machine) * count, 0);
}

const isUsers = ({ demands }: SizeInput) => demands.some((demand) => demand.from === 'user');

/** The mode that was planned, and its shards anew, with other shares of what is asked on the busiest one. */
export function sizeAs(mode: StoreSizing['mode'], input: SizeInput, sharesOf: capacity.Shares): Outcome {
  return mode === 'store' ? sizeStore(input, sharesOf) : sizeCache(input, sharesOf);
}

const usualShares = ({ requirements }: SizeInput) => capacity.sharesBySkew(capacity.keySkewOf(requirements));

function sizeStore(input: SizeInput, sharesOf = usualShares(input)): Outcome {
  const { requirements: r, demands, hardware } = input;
  const option = 'Redis Cluster';
  if (input.options.ambassador === true) {
    const reason = 'an ambassador is for the ring: the clients of a Redis Cluster find its servers themselves';
    const relax = { key: 'options.keep-hot-data.ambassador', to: false };
    return unsized(excuse(option, reason, 'ambassador', { ambassador: 1 }, relax));
  }
  if (isUsers(input) && r.consistency.level === 'linearizable') {
    const reason =
      'Redis replicates asynchronously: a failover can undo a write that was read, so it is not linearizable';
    const numbers = { rpoMs: r.loss.rpoMs, stalenessMs: r.consistency.stalenessMs };
    return unsized(excuse(option, reason, 'consistency.level', numbers, { key: 'consistency.level', to: 'bounded' }));
  }
  const asked = Math.max(0, ...demands.map((demand) => demand.guarantees.replicas ?? 0));
  const tolerated = availability.clusterFor(r.availability, hardware, {
    leastReplicas: asked,
    rpoMs: r.loss.rpoMs,
    isUsers: isUsers(input),
    waits: (timeoutMs) => waits(input, timeoutMs),
    measured: input.downtimes?.['kill:primary'] ?? null,
  });
  if ('excuse' in tolerated) return unsized(tolerated.excuse);
  return fitShards(input, { mode: 'store', option, minShards: capacity.minPrimaries, sharesOf, ...tolerated });
}

/** Whether a write waits for a replica before it is acknowledged: the user's, or another part's. */
function waits({ requirements, demands }: SizeInput, timeoutMs: number): boolean {
  const asked = demands.some((demand) => demand.guarantees.waitsForReplica === true);
  return asked || capacity.mustWait(requirements.loss.rpoMs, timeoutMs);
}

function sizeCache(input: SizeInput, sharesOf = usualShares(input)): Outcome {
  const { requirements: r, demands, hardware } = input;
  const option = 'cache ring';
  const keeps = demands.find((demand) => demand.guarantees.evicts === false || demand.guarantees.durability === 'disk');
  const numbers = { rpoMs: r.loss.rpoMs, cacheFromRpoMs: capacity.cacheFromRpoMs };
  if (keeps) {
    const reason = `${keeps.from} needs data to stay; a ring of caches evicts, and a lost node takes its keys with it`;
    return unsized(excuse(option, reason, 'eviction', numbers));
  }
  if (capacity.fsyncOf(input.options) === 'always') {
    const relax = { key: 'options.keep-hot-data.fsync', to: 'everysec' };
    return unsized(excuse(option, 'a ring of caches keeps no file that could be synced', 'fsync', numbers, relax));
  }
  if (r.loss.rpoMs < capacity.cacheFromRpoMs) {
    const reason =
      'acknowledged writes must not be lost; a ring of caches evicts, and a lost node takes its keys with it';
    return unsized(excuse(option, reason, 'loss.rpoMs', numbers, { key: 'loss.rpoMs', to: capacity.cacheFromRpoMs }));
  }
  if (isUsers(input) && r.consistency.level === 'linearizable') {
    const reason = 'eviction and restarts forget acknowledged writes, so it is not linearizable';
    return unsized(excuse(option, reason, 'consistency.level', numbers, { key: 'consistency.level', to: 'bounded' }));
  }
  const tolerated = availability.ringFor(r.availability, hardware, isUsers(input));
  if ('excuse' in tolerated) return unsized(tolerated.excuse);
  return fitShards(input, { mode: 'cache', option, minShards: 2, sharesOf, ...tolerated });
}

function unsized(...rejected: [Excuse, ...Excuse[]]): Unsized {
  return { kind: 'unsized', rejected };
}
