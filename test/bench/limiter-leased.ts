/**
 * Decisions a second of the leased limiter in process, on one core with a real store on the other: one hot key, a thousand
 * keys alike, and ten thousand with Zipf's skew. Beside them, a bare loop that counts down in a Map: what a decision would
 * cost if it were only that, on this machine at this moment.
 *
 * `npm run bench -- limiter-leased [rounds]`
 */

import { median } from './side-by-side.ts';
import { Bench, figures, onCore1, rounds, type Turn, turn } from './turns.ts';

interface Limiter {
  decide(policy: string, key: string): { readonly allowed: boolean } | Promise<{ readonly allowed: boolean }>;
  ready(): Promise<void>;
  close(): Promise<void>;
}

interface Emitted {
  createLimiter(options: object): Limiter;
  parsePolicies(text: string): ReadonlyMap<string, object>;
  fixedPolicies(policies: ReadonlyMap<string, object>): object;
  limiterMetrics(): Record<string, unknown>;
  ringKv(options: object): { close(): Promise<void> };
}

const exported = `
export { createLimiter } from './templates/rate-limiter/service/src/limiter.ts';
export { parsePolicies, fixedPolicies } from './templates/rate-limiter/service/src/policies.ts';
export { limiterMetrics } from './templates/rate-limiter/service/src/metrics.ts';
export { ringKv } from './templates/kit/src/kv-ring.ts';`;

const seconds = 2;
/** High enough for a core's decisions to be admitted; a window may pass it by 2 %. */
const policy = 'policies: [{ name: p, limit: 100000000, periodMs: 1000, burst: 10000000, allowedError: 2000000 }]';
/** Decisions between two turns of the event loop. */
const inARow = 1000;

/** Positions of keys in the order in which they are asked for. */
function order(keys: number, skew: number): Uint16Array {
  const weights = Array.from({ length: keys }, (_, rank) => 1 / (rank + 1) ** skew);
  const sums: number[] = [];
  for (const weight of weights) sums.push((sums.at(-1) ?? 0) + weight);
  let state = 1;
  return Uint16Array.from({ length: 65_536 }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const drawn = (state / 2_147_483_648) * (sums.at(-1) ?? 0);
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

interface Counts {
  decided: number;
  calls: number;
  waited: number;
}

async function decideFor(ms: number, limiter: Limiter, asked: Uint16Array, counts: Counts): Promise<number> {
  const names = Array.from({ length: Math.max(...asked) + 1 }, (_, index) => `user-${index}`);
  const untilMs = performance.now() + ms;
  let decided = 0;
  while (performance.now() < untilMs) {
    for (let i = 0; i < inARow; i++) {
      const decision = limiter.decide('p', names[asked[decided++ & 65_535] ?? 0] ?? '');
      if (decision instanceof Promise) counts.waited++;
      else if (!decision.allowed) throw new Error('the limit was reached: what is measured is something else');
    }
    await new Promise(setImmediate);
  }
  counts.decided += decided;
  return decided;
}

/** The same loop around a Map alone. */
async function countDown(ms: number, asked: Uint16Array): Promise<number> {
  const left = new Map(Array.from({ length: Math.max(...asked) + 1 }, (_, index) => [`user-${index}`, 2 ** 50]));
  const names = [...left.keys()];
  const untilMs = performance.now() + ms;
  let decided = 0;
  while (performance.now() < untilMs) {
    for (let i = 0; i < inARow; i++) {
      const name = names[asked[decided++ & 65_535] ?? 0] ?? '';
      left.set(name, (left.get(name) ?? 0) - 1);
    }
    await new Promise(setImmediate);
  }
  return decided;
}

async function compare(count: number): Promise<void> {
  const bench = new Bench();
  try {
    const emitted = await bench.bundle<Emitted>(exported);
    const { port, pid } = await bench.redis();
    const kv = emitted.ringKv({ timeoutMs: 5000, nodes: [{ name: 'a', address: `127.0.0.1:${port}`, weight: 1 }] });
    const counts: Record<string, Counts> = {};
    let now: Counts | undefined;
    const metrics = { ...emitted.limiterMetrics(), stored: () => now && now.calls++ };
    const policies = emitted.fixedPolicies(emitted.parsePolicies(policy));
    const limiter = emitted.createLimiter({ kv, policies, buckets: 16, metrics });
    await limiter.ready();
    const mixes = {
      'one hot key': order(1, 0),
      'a thousand keys alike': order(1000, 0),
      'ten thousand keys, Zipf 0.99': order(10_000, 0.99),
    };
    const leased = (name: keyof typeof mixes) => (): Promise<Turn> => {
      now = counts[name] ??= { decided: 0, calls: 0, waited: 0 };
      const counting = now;
      return turn([pid], seconds * 1000, (ms) => decideFor(ms, limiter, mixes[name], counting));
    };
    const turns = await rounds(count, {
      'one hot key': leased('one hot key'),
      'a thousand keys alike': leased('a thousand keys alike'),
      'ten thousand keys, Zipf 0.99': leased('ten thousand keys, Zipf 0.99'),
      control: () => turn([pid], seconds * 1000, (ms) => countDown(ms, mixes['ten thousand keys, Zipf 0.99'])),
    });
    for (const [name, found] of Object.entries(turns)) {
      const cpu = found.map(({ clientUs }) => clientUs);
      const perCore = cpu.map((us) => 1 / us);
      const spread = `${Math.min(...perCore).toFixed(2)}–${Math.max(...perCore).toFixed(2)}`;
      const { decided = 1, calls = 0, waited = 0 } = counts[name] ?? {};
      console.log(`leased limiter, ${name}: ${median(perCore).toFixed(2)} M decisions per CPU second (${spread})`);
      console.log(
        `  ${figures(name, found)}; calls of the store each: ${(calls / decided).toFixed(5)}, `.concat(
          `answered later: ${((100 * waited) / decided).toFixed(3)} %`,
        ),
      );
    }
    await limiter.close();
    await kv.close();
  } finally {
    await bench.end();
  }
}

if (await onCore1()) await compare(Number(process.argv[2] ?? 5));
