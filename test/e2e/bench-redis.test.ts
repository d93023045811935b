/** A bench past the service, at the servers themselves: the same items, judged by the same invariants. */

import { describe, expect, it } from 'vitest';
import type { BenchSettings } from '../../src/bench/input.ts';
import { systemClock } from '../../src/clock.ts';
import { faultAccess } from '../../src/deploy/local/faults.ts';
import { withAccess } from '../../src/deploy/local/secrets.ts';
import type { Pattern } from '../../src/pattern.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { catalogue } from '../../templates/index.ts';
import { compiled, deps } from '../fixtures/bench-servers.ts';
import { onPath } from './kv-redis.ts';
import { deployPlan, discardProject, makeStoreProject, storePlan } from './store-fixture.ts';

const { bench } = await compiled<typeof import('../../src/bench/bench.ts')>('src/bench/bench');

const patternOf = (id: string): Pattern => catalogue.find((pattern) => pattern.id === id) as Pattern;
const mostPerSecond = 400;

function settingsFor(plan: Plan, faults: readonly string[]): BenchSettings {
  const planned = plan.parts.flatMap(({ offeredLoad }) => Object.values(offeredLoad)).reduce((a, b) => a + b, 0);
  return {
    warmupMs: 500,
    steadyMs: 3000,
    seed: 3,
    arrivals: 'poisson',
    faults,
    smoke: false,
    workers: 2,
    rateFactor: Math.min(1, mostPerSecond / planned),
    replay: '',
    via: 'redis',
  };
}

const ring = { loss: { rpoMs: 3_600_000 }, availability: { target: 0.99, recoveryMs: 15_000 } };
const cases: readonly (readonly [string, Plan, readonly string[]])[] = [
  [
    'a cluster that loses a primary',
    storePlan({}, { loss: { rpoMs: 1000 }, availability: { target: 0.99, recoveryMs: 10_000 } }),
    ['kill:store.primary'],
  ],
  ['a ring with TLS, past its ambassador', storePlan({ ambassador: true, tls: true }, ring), []],
];

describe.skipIf(!onPath('redis-server'))('load over Redis’ own protocol (needs redis-server on PATH)', () => {
  it.each(cases)('%s', async (_, plan, faults) => {
    const root = await makeStoreProject(plan);
    try {
      const deployment = withAccess(await deployPlan(root, plan));
      const access = faultAccess(root, systemClock);
      const settings = settingsFor(plan, faults);
      const { report } = await bench({ plan, deployment, access, patternOf, settings, dspVersion: '0.1.0' }, deps());
      expect(report.invariants.filter(({ verdict }) => verdict === 'violated')).toEqual([]);
      expect(report.invariants.filter(({ verdict }) => verdict === 'held').map(({ id }) => id)).toContain(
        'no-invented-values',
      );
      expect(report.faults.map(({ hit, recoveredMs }) => hit && recoveredMs !== null)).toEqual(faults.map(() => true));
      const steady = report.figures.find(({ part, phase }) => part === 'store' && phase === 'steady');
      expect(steady?.correct).toBeGreaterThan(100);
      expect(Object.keys(steady?.byStatus ?? {})).toContain('ok');
      const final = report.figures.find(({ part, phase }) => part === 'store' && phase === 'final');
      expect(final).toMatchObject({ failed: 0, dropped: 0 });
      // The service has not seen one of them.
      const hot = await fetch(`${deployment.endpoints.store}/v1/hot-keys`);
      expect(JSON.stringify(await hot.json())).not.toContain('bench-');
    } finally {
      await discardProject(root);
    }
  });
});
