import { exactly, type Requirements } from '../../../src/requirements/requirements.ts';

/** Requirements with every section, for what only reads some of them. */
export function requirementsOf(over: Partial<Requirements> = {}): Requirements {
  return {
    schemaVersion: 1,
    name: 'example',
    needs: [],
    rate: { readPerSecond: exactly(800), writePerSecond: exactly(200), peakFactor: exactly(2) },
    data: { payloadBytes: exactly(512), totalMiB: exactly(64) },
    latency: { p99Ms: 20 },
    consistency: { level: 'bounded', stalenessMs: 100 },
    availability: { target: 0.999, recoveryMs: 2000 },
    loss: { rpoMs: 0 },
    cost: { usdPerMonth: 1000 },
    operations: { effort: 'medium' },
    options: {},
    slo: {},
    ...over,
  };
}
