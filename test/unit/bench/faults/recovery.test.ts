import { describe, expect, it } from 'vitest';
import { recoveryMs } from '../../../../src/bench/faults/recovery.ts';
import type { FaultKind } from '../../../../src/requirements/faults.ts';

/** Hit at 1000, its heal begins at 20,000 and is complete at 21,000. */
const span = { startMs: 1000, healingMs: 20_000, healedMs: 21_000 };
const recovery = (kind: FaultKind, ...failuresMs: readonly number[]) => recoveryMs({ kind, ...span }, failuresMs);
/** One failure each 500 ms. */
const failing = (fromMs: number, toMs: number) =>
  Array.from({ length: (toMs - fromMs) / 500 + 1 }, (_, i) => fromMs + 500 * i);

describe('recovery', () => {
  it('is nothing where nothing failed, whatever failed before', () => {
    for (const kind of ['kill', 'clock', 'reset', 'scale'] as const) {
      expect(recovery(kind), kind).toBe(0);
      expect(recovery(kind, 200, 900), kind).toBe(0);
    }
  });

  it('counts from the fault to the last failure, in whatever order they are told', () => {
    expect(recovery('kill', ...failing(1000, 7500))).toBe(6500);
    expect(recovery('kill', 7200, 300, 7500, 1100)).toBe(6500);
  });

  it('counts a second disturbance from the heal that made it', () => {
    expect(recovery('clock', 1050, 1100, 20_050, 20_120)).toBe(120);
    expect(recovery('clock', 1050, 1700, 20_050, 20_120)).toBe(700);
    expect(recovery('pause', 20_300, 23_000)).toBe(3000);
  });

  it('counts an outage that lasts over the heal from the fault', () => {
    expect(recovery('kill', ...failing(1000, 20_500))).toBe(19_500);
    expect(recovery('kill', ...failing(1000, 19_500), 20_400)).toBe(19_400);
    expect(recovery('kill', ...failing(1000, 19_000), 20_500)).toBe(18_000);
  });

  it('counts a change from when it is made, and what comes again and again from the last time', () => {
    expect(recovery('scale', ...failing(1000, 21_000))).toBe(0);
    expect(recovery('rolling-restart', ...failing(1000, 23_000))).toBe(2000);
    expect(recovery('reset', ...failing(1000, 19_500))).toBe(0);
    expect(recovery('reset', ...failing(1000, 22_000))).toBe(2000);
  });
});
