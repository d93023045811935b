/** For tests: a store in memory that answers the limiter's scripts by the pure model, with a clock and faults of its own. */

import type { KvClient, Script, WaitOptions } from '@dsp/kit/kv';
import { debtAt, type KeyState, type Rate, stateOf, take } from './gcra.ts';
import { checkScript, createScript, refundScript, sweepScript } from './script.ts';

export interface FakeStore extends KvClient {
  nowUs: number;
  /** Asked before each call; what it throws, or rejects with, is the call's failure. */
  before: (script: Script, key: string, options: WaitOptions | undefined) => void | Promise<void>;
  readonly calls: { readonly script: Script; readonly key: string; readonly args: readonly (string | number)[] }[];
  readonly buckets: Map<string, Map<string, KeyState>>;
}

export function fakeStore(): FakeStore {
  const store: FakeStore = {
    nowUs: 1_763_000_000_000_000,
    before: () => undefined,
    calls: [],
    buckets: new Map(),
    ready: async () => undefined,
    close: async () => undefined,
    get: () => Promise.reject(new Error('not used')),
    getBuffer: () => Promise.reject(new Error('not used')),
    set: () => Promise.reject(new Error('not used')),
    delete: () => Promise.reject(new Error('not used')),
    async run(script, key, args, options) {
      store.calls.push({ script, key, args });
      await store.before(script, key, options);
      return answer(store, script, key, args);
    },
  };
  return store;
}

function answer(store: FakeStore, script: Script, key: string, args: readonly (string | number)[]): unknown {
  if (script === createScript) {
    const present = store.buckets.has(key);
    if (!present) store.buckets.set(key, new Map());
    return present ? 1 : 0;
  }
  const bucket = store.buckets.get(key);
  if (bucket === undefined) throw new Error(`${key} was not made`);
  if (script === checkScript) return check(bucket, store.nowUs, args);
  if (script === refundScript) return refund(bucket, store.nowUs, args);
  if (script === sweepScript) return ['0', bucket.size, 0];
  throw new Error('an unknown script');
}

function check(bucket: Map<string, KeyState>, nowUs: number, args: readonly (string | number)[]): number[] {
  const rest = [...args];
  rest.shift();
  const atomic = rest.shift() === 1;
  const number = () => Number(rest.shift());
  const rates = Array.from({ length: number() }, (): Rate[] => {
    const [ticksPerUs, unitTicks, capacityTicks, keys] = [number(), number(), number(), number()];
    return new Array<Rate>(keys).fill({ ticksPerUs, unitTicks, capacityTicks, burst: capacityTicks / unitTicks });
  }).flat();
  const special = new Map(
    Array.from({ length: number() }, () => [number(), Array.from({ length: number() }, number)] as const),
  );
  const next = new Map(bucket);
  const reply = [nowUs, 0];
  let refused = false;
  for (const [index, field] of rest.entries()) {
    const rate = rates[index] as Rate;
    const debt = () => debtAt(rate, next.get(String(field)), nowUs);
    const charge = (cost: number) => {
      const taken = take(rate, debt(), cost);
      if (taken.allowed) next.set(String(field), stateOf(rate, taken.debtTicks, nowUs));
      return taken;
    };
    const asked = [...(special.get(index + 1) ?? [1])];
    while (asked.length > 0) {
      const cost = asked.shift() as number;
      if (cost < 0) {
        const [want, sharers] = asked.splice(0, 2) as [number, number];
        const fits = Math.floor((rate.capacityTicks - debt()) / rate.unitTicks);
        const units = Math.max(Math.min(-1 - cost, fits), Math.min(want, Math.floor(fits / sharers)));
        reply.push(units, units === 0 ? debt() : charge(units).debtTicks);
        continue;
      }
      const taken = charge(cost);
      refused ||= !taken.allowed;
      reply.push(taken.allowed ? taken.debtTicks : -1 - taken.debtTicks);
    }
  }
  if (!(atomic && refused)) for (const [field, state] of next) bucket.set(field, state);
  return reply;
}

function refund(bucket: Map<string, KeyState>, nowUs: number, args: readonly (string | number)[]): number {
  for (let at = 1; at < args.length; at += 5) {
    const field = String(args[at]);
    const [ticksPerUs, charge, atUs, debt] = args.slice(at + 1, at + 5).map(Number) as [number, number, number, number];
    const state = bucket.get(field);
    const ticks = Math.min(charge, debt - (nowUs - atUs) * ticksPerUs);
    if (state === undefined || ticks <= 0) continue;
    const owed = (state.tatUs - nowUs) * ticksPerUs + state.ticks - ticks;
    if (owed <= 0) bucket.delete(field);
    else bucket.set(field, { tatUs: nowUs + Math.floor(owed / ticksPerUs), ticks: owed % ticksPerUs });
  }
  return (args.length - 1) / 5;
}
