import { describe, expect, it } from 'vitest';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { Requirements } from '../../../src/requirements/requirements.ts';
import { catalogue } from '../../../templates/index.ts';
import type { StoreSizing } from '../../../templates/sharded-redis/sizing.ts';
import { requirements } from '../plan/requirements.ts';

type Changes = Partial<Pick<Requirements, 'loss' | 'consistency' | 'availability' | 'latency'>>;

function planOf(fsync: string, changes: Changes = {}) {
  const options = { 'keep-hot-data': { minShards: 1, tls: false, ambassador: false, fsync } };
  return assemblePlan(requirements({ needs: ['keep-hot-data'], options, ...changes }), catalogue);
}

function storeOf(fsync: string, changes: Changes = {}) {
  const plan = planOf(fsync, changes);
  if (isNoPlan(plan)) throw new Error('no plan');
  const store = plan.parts.find(({ name }) => name === 'store')!;
  const predicted = store.predictions.find(({ metric }) => metric === 'p99 of a request')!.predicted;
  const durability = store.decisions.find(({ about }) => about === 'durability');
  const syncs = store.rejected.find(({ option }) => option.endsWith(': appendfsync always'));
  return { sizing: store.sizing as unknown as StoreSizing, predicted, durability, syncs };
}

describe('when a server’s file is synced', () => {
  it('is once a second, and the plan says what would take longer otherwise', () => {
    const { sizing, durability, syncs } = storeOf('everysec', { loss: { rpoMs: 0 } });
    expect(sizing.appendFsync).toBe('everysec');
    expect(durability?.chosen).toBe('append-only file every second, WAIT 1');
    expect(syncs?.numbers.addsMs).toBeGreaterThan(0);
  });

  it('is before every answer where that was asked for, which two syncs of the p99 pay for', () => {
    const usual = storeOf('everysec', { loss: { rpoMs: 0 } });
    const synced = storeOf('always', { loss: { rpoMs: 0 } });
    expect(synced.sizing.appendFsync).toBe('always');
    expect(synced.durability?.chosen).toBe('append-only file before every answer, WAIT 1');
    expect(synced.predicted - usual.predicted).toBeCloseTo(usual.syncs?.numbers.addsMs ?? Number.NaN, 6);
    expect(synced.syncs).toBeUndefined();
  });

  it('is refused where the p99 leaves no time for it', () => {
    const latency = { p99Ms: 8 };
    expect(storeOf('everysec', { latency }).predicted).toBeLessThan(8);
    expect(isNoPlan(planOf('always', { latency }))).toBe(true);
  });

  it('is nothing that a ring of caches could do', () => {
    const cache: Changes = {
      loss: { rpoMs: 3_600_000 },
      consistency: { level: 'eventual', stalenessMs: 0 },
      availability: { target: 0.99, recoveryMs: 60_000 },
    };
    expect(storeOf('everysec', cache).sizing).toMatchObject({ mode: 'cache', appendFsync: 'no' });
    expect(storeOf('always', cache).sizing).toMatchObject({ mode: 'store', appendFsync: 'always' });
  });
});
