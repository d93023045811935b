import { expect, it } from 'vitest';
import { roundTripUs } from '../../../../src/bench/machine/speed.ts';
import { systemClock } from '../../../../src/clock.ts';

it('takes the CPU time of a round trip, which no machine does for nothing or in a millisecond', async () => {
  const us = await roundTripUs(systemClock, new AbortController().signal);
  expect(us).toBeGreaterThan(1);
  expect(us).toBeLessThan(1000);
});

it('ends when it is interrupted', async () => {
  const interrupted = new AbortController();
  const probe = roundTripUs(systemClock, interrupted.signal);
  interrupted.abort(new Error('Ctrl-C'));
  await expect(probe).rejects.toThrow('Ctrl-C');
});
