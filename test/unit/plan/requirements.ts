/** Requirements for the planner's tests. */

import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';

const base: Requirements = {
  schemaVersion: 1,
  name: 'shop',
  needs: ['limit-callers', 'keep-hot-data'],
  rate: { readPerSecond: exactly(150), writePerSecond: exactly(50), peakFactor: exactly(2) },
  data: { payloadBytes: exactly(512), totalMiB: exactly(64) },
  latency: { p99Ms: 50 },
  consistency: { level: 'bounded', stalenessMs: 1000 },
  availability: { target: 0.999, recoveryMs: 15_000 },
  loss: { rpoMs: 0 },
  cost: { usdPerMonth: 1e7 },
  operations: { effort: 'medium' },
  options: {
    'limit-callers': { limit: 100, periodMs: 60_000, hardCap: false, allowedErrorPercent: 0, onStoreFailure: 'closed' },
  },
  slo: {},
};

/** The base with some sections replaced. */
export function requirements(changes: Partial<Requirements> = {}): Requirements {
  return { ...base, ...changes };
}

export function rates(read: number, write: number): Pick<Requirements, 'rate'> {
  return { rate: { readPerSecond: exactly(read), writePerSecond: exactly(write), peakFactor: exactly(1) } };
}
