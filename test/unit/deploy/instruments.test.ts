import { expect, it } from 'vitest';
import { instrumentations } from '../../../src/deploy/deployment.ts';
import { instrumented } from '../../../src/deploy/local/instruments.ts';

const execution = { command: '/usr/bin/redis-server', args: ['--port', '1'], env: { A: 'b' }, cwd: '/data/store-0' };
const proxyMain = '/proxy.js';

it('a process starts with what the faults need that are to reach it, and becomes the same program', () => {
  const bare = instrumented(execution, { proxyMain, faketime: null, synced: null });
  expect(bare.env).toEqual({ A: 'b' });
  expect(bare.command).toBe('/bin/sh');
  expect(bare.args.slice(2)).toEqual(['/usr/bin/redis-server', '--port', '1']);

  const power = instrumented(execution, { proxyMain, faketime: null, synced: '/run/synced.so' });
  expect(power.env).toEqual({ A: 'b', LD_PRELOAD: '/run/synced.so', DSP_SYNCED: '/data/store-0/synced' });

  const all = instrumented(execution, { proxyMain, faketime: '/faketime.so', synced: '/run/synced.so' });
  expect(all.env).toMatchObject({
    LD_PRELOAD: '/run/synced.so:/faketime.so:libc.so.6',
    FAKETIME_TIMESTAMP_FILE: '/data/store-0/clock',
    DSP_SYNCED: '/data/store-0/synced',
  });
});

it('reaches more, one after the other', () => {
  expect(instrumentations).toEqual(['none', 'network', 'power', 'clock']);
});
