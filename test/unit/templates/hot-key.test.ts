import keySlot from 'cluster-key-slot';
import { describe, expect, it } from 'vitest';
import { defaultHardware } from '../../../src/capacity/hardware.ts';
import { hottestKeyShare } from '../../../src/key-skew.ts';
import type { Demand, HotKey } from '../../../src/pattern.ts';
import { hotKeyLines } from '../../../src/plan/hot-key.ts';
import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';
import { storedKey } from '../../../templates/rate-limiter/policy.ts';
import { bucketName, hash32 } from '../../../templates/rate-limiter/service/src/bucket-names.ts';
import { itemCount } from '../../../templates/sharded-redis/items.ts';
import { plannedSkew } from '../../../templates/sharded-redis/items-run.ts';
import store from '../../../templates/sharded-redis/pattern.ts';
import { ofCluster, ofRing } from '../../../templates/sharded-redis/shards.ts';
import { parseClusterNodes } from '../../../templates/sharded-redis/slots.ts';
import { requirements } from '../plan/requirements.ts';

const rate = (read: number, write: number, keySkew: number) => ({
  readPerSecond: exactly(read),
  writePerSecond: exactly(write),
  peakFactor: exactly(1),
  keySkew: exactly(keySkew),
});

function hotKeyFor(changes: Partial<Requirements>, share: number | null = null, more: readonly Demand[] = []) {
  const asked = requirements({ needs: ['keep-hot-data'], ...changes });
  const own = store.userDemand?.(asked);
  if (own === undefined) throw new Error('the store serves its user');
  const demands = [{ ...own, from: 'user' }, ...more];
  const input = { requirements: asked, demands, options: {}, hardware: defaultHardware, measured: {} };
  // The plan is for the usual skew, so that a measured one may be more than it carries.
  const planned = { ...input, requirements: { ...asked, rate: { ...asked.rate, keySkew: exactly(0.8) } } };
  const sized = store.size(share === null ? input : planned);
  if (sized.kind === 'unsized') throw new Error(sized.rejected[0].reason);
  return { hot: store.hotKey?.(share === null ? input : planned, sized.sizing, share) ?? null, sized };
}

const eventual = { consistency: { level: 'eventual', stalenessMs: 1000 } } as const;
const bounded = { consistency: { level: 'bounded', stalenessMs: 1000 } } as const;
const names = (hot: HotKey | null) => hot?.remedies.map(({ name }) => name).sort();

describe('a hot key of the store', () => {
  it('is none where keys are asked for as usual', () => {
    expect(hotKeyFor({ rate: rate(300, 100, 0.8) }).hot).toBeNull();
    expect(hotKeyFor({ rate: rate(300, 100, 0) }).hot).toBeNull();
  });

  it('has every remedy where reads may be old, each with its cost and its risk', () => {
    const { hot, sized } = hotKeyFor({ rate: rate(40_000, 100, 1.3), ...eventual });
    expect(names(hot)).toEqual(['key split', 'local cache', 'replica reads']);
    for (const remedy of hot?.remedies ?? []) {
      expect(remedy.busiestLoad).toBeLessThan(0.9 * (hot?.busiestLoad ?? 0));
      expect(remedy.usdPerMonth).toBeGreaterThan(0);
      expect(remedy.addsUsdPerMonth).toBeCloseTo(remedy.usdPerMonth - (hot?.usdPerMonth ?? 0), 6);
      expect(remedy.risk).not.toBe('');
    }
    const price = (name: string) => defaultHardware.machines.find((one) => one.name === name)?.usdPerMonth ?? 0;
    expect(hot?.usdPerMonth).toBe(sized.machines.reduce((sum, { machine, count }) => sum + count * price(machine), 0));
    const costs = hot?.remedies.map(({ usdPerMonth }) => usdPerMonth) ?? [];
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
  });

  it('has no replica reads within a bounded age, and nothing at all where every read sees every write', () => {
    const { hot } = hotKeyFor({ rate: rate(40_000, 100, 1.3), ...bounded });
    expect(names(hot)).toEqual(['key split', 'local cache']);
    expect(hot?.rejected[0]).toMatchObject({ relax: { key: 'consistency.level', to: 'eventual' } });
    expect(hot?.rejected[0]?.reason).toMatch(/no bound/);
    const tight = hotKeyFor({ rate: rate(40_000, 100, 1.3), consistency: { level: 'bounded', stalenessMs: 5 } }).hot;
    expect(names(tight)).toEqual(['key split']);
    expect(tight?.rejected.find(({ option }) => option.includes('cache'))?.relax).toEqual({
      key: 'consistency.stalenessMs',
      to: 20,
    });
  });

  it('keeps a cached value for no longer than the age allowed', () => {
    const how = hotKeyFor({ rate: rate(40_000, 100, 1.3), ...bounded }).hot?.remedies.find(
      ({ name }) => name === 'local cache',
    )?.how;
    expect(Number(/for (\d+) ms/.exec(how ?? '')?.[1])).toBeLessThanOrEqual(1000);
  });

  it('has no remedy by copies where it is written, not read: each copy takes every write', () => {
    const { hot } = hotKeyFor({ rate: rate(10, 20_000, 1.4), ...eventual });
    expect(hot?.remedies).toEqual([]);
    expect(hot?.rejected).toHaveLength(3);
  });

  it('has replicas to read from only in a cluster', () => {
    const { hot, sized } = hotKeyFor({
      rate: rate(20_000, 100, 2),
      loss: { rpoMs: 1e9 },
      availability: { target: 0.99, recoveryMs: 60_000 },
      ...eventual,
    });
    expect(sized.sizing.mode).toBe('cache');
    expect(names(hot)).toEqual(['key split', 'local cache']);
    expect(hot?.rejected[0]?.bottleneck).toBe('replicas');
  });

  it('that was measured may be more than any number of shards carries, and a remedy still carries it', () => {
    const { hot } = hotKeyFor({ rate: rate(150_000, 100, 0.8), ...bounded }, 0.5);
    expect(hot?.share).toBeCloseTo(0.5, 4);
    expect(hot?.busiestLoad).toBeGreaterThan(0.6);
    expect(hot?.usdPerMonth).toBeNull();
    expect(names(hot)).toContain('local cache');
    const lines = hot === null ? [] : hotKeyLines(hot);
    expect(lines[0]).toMatch(/^hot key: 50 % of the requests .*no number of shards carries it/);
    expect(lines.some((line) => /^remedy: local cache, adds -?\d+ USD|^remedy: local cache, saves/.test(line))).toBe(
      true,
    );
    expect(lines.some((line) => line.startsWith('no remedy: sharded-redis: replica reads'))).toBe(true);
  });

  it('leaves the load of other parts as it is', () => {
    const scripts: Demand = {
      capability: 'kv',
      from: 'limiter',
      readPerSecond: 0,
      writePerSecond: 5000,
      payloadBytes: 100,
      totalMiB: 1,
      pieces: 16,
      p99Ms: 40,
      guarantees: {},
    };
    const loads = [[], [scripts]].map(
      (more) => hotKeyFor({ rate: rate(40_000, 100, 1.3), ...bounded }, null, more).hot?.remedies[0]?.busiestLoad ?? 0,
    );
    expect(loads[1]).toBeGreaterThan((loads[0] as number) + 0.01);
  });

  it('is none of a store that only other parts use', () => {
    const input = { requirements: requirements(), demands: [], options: {}, hardware: defaultHardware, measured: {} };
    const { sized } = hotKeyFor({ rate: rate(300, 100, 0.8) });
    expect(store.hotKey?.(input, sized.sizing, 0.9)).toBeNull();
  });
});

describe('the bench’s keys', () => {
  it('give the hottest the share that the plan’s hottest has, though they are fewer', () => {
    const asked = requirements({
      rate: rate(300, 100, 0.9),
      data: { payloadBytes: exactly(100), totalMiB: exactly(50) },
    });
    const context = {
      part: 'store',
      sizing: { mode: 'store', totalMiB: 50 },
      options: {},
      requirements: asked,
      offeredLoad: { read: 300 },
      seed: 1,
      workerIndex: 0,
      workerCount: 1,
    };
    const skew = plannedSkew(context);
    if (skew.kind !== 'zipf') throw new Error('the plan’s law is Zipf’s');
    const planned = hottestKeyShare((50 * 2 ** 20) / 100, 0.9);
    expect(hottestKeyShare(itemCount(context), skew.exponent) / planned).toBeCloseTo(1, 3);
    expect(skew.exponent).toBeLessThan(0.9);
  });
});

describe('whose a key is', () => {
  const nodes = (myself: string) =>
    [
      `aaa 127.0.0.1:1@2 ${myself === 'aaa' ? 'myself,' : ''}master - 0 0 1 connected 0-8191`,
      `bbb 127.0.0.1:3@4 ${myself === 'bbb' ? 'myself,' : ''}master - 0 0 2 connected 8192-16383`,
      `ccc 127.0.0.1:5@6 ${myself === 'ccc' ? 'myself,' : ''}slave aaa 0 0 1 connected`,
    ].join('\n');
  const view = (id: string, myself: string) => ({ id, cluster: parseClusterNodes(nodes(myself)) });

  it('follows the slots of a cluster, replicas left out', () => {
    const shards = ofCluster([view('r-2', 'ccc'), view('r-0', 'aaa'), view('r-1', 'bbb')]);
    expect(shards.instances).toEqual(['r-0', 'r-1']);
    for (const key of ['item:a', 'item:b', 'item:c', 'rl:{b1}']) {
      expect(shards.ownerOf(key)).toBe(keySlot(key) < 8192 ? 'r-0' : 'r-1');
    }
  });

  it('is nobody’s in a slot that nobody has', () => {
    const cluster = parseClusterNodes('aaa 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-10');
    const shards = ofCluster([{ id: 'r-0', cluster }]);
    const owners = new Set(Array.from({ length: 100 }, (_, i) => shards.ownerOf(`item:${i}`)));
    expect(owners).toContain(null);
  });

  it('follows the ring, which spreads keys over all servers', () => {
    const shards = ofRing(['r-0', 'r-1', 'r-2']);
    const owners = Array.from({ length: 3000 }, (_, i) => shards.ownerOf(`item:${i}`));
    for (const name of shards.instances) {
      expect(owners.filter((owner) => owner === name).length).toBeGreaterThan(500);
    }
  });

  it('is a bucket’s for a caller, unless instances decide on their own', () => {
    const policy = { name: 'default', limit: 10, periodMs: 1000, burst: 10 };
    expect(storedKey('me', { policy, buckets: 16 })).toBe(bucketName(hash32('default:me') % 16));
    expect(storedKey('me', { policy, buckets: 16, leaseChunk: 4 })).toBeNull();
  });
});
