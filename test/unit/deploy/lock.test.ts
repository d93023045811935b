import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { acquireLock, type Lock } from '../../../src/deploy/local/lock.ts';

const name = (text: string) => `test:${process.pid}:${text}`;
const acquire = (text: string, waitMs = 0, signal?: AbortSignal) =>
  acquireLock({ name: name(text), command: 'a test', clock: systemClock, waitMs, ...(signal ? { signal } : {}) });

async function held(text: string): Promise<Lock> {
  const lock = await acquire(text);
  if ('heldBy' in lock) throw new Error('held');
  return lock;
}

describe('a lock', () => {
  it('is held once, tells its holder, and is let go', async () => {
    const lock = await held('one');
    expect(await acquire('one')).toEqual({ heldBy: { pid: process.pid, command: 'a test' } });
    const other = await held('another');
    await lock.release();
    await (await held('one')).release();
    await other.release();
  });

  it('is waited for, up to a bound, or until aborted', async () => {
    const lock = await held('wait');
    const waiting = acquire('wait', 30_000);
    const stop = new AbortController();
    const aborted = acquire('wait', 30_000, stop.signal);
    stop.abort(new Error('stop'));
    await expect(aborted).rejects.toThrow();
    await lock.release();
    const got = await waiting;
    expect('heldBy' in got).toBe(false);
    await (got as Lock).release();
  });

  it('goes with its holder, however that ends', async () => {
    // Node 20 does not read types, so the holder speaks the protocol itself.
    const path = `\\0dsp-' + require('node:crypto').createHash('sha256').update('${name('dead')}').digest('hex').slice(0, 40)`;
    const source = `require('node:net').createServer((s) => s.end(JSON.stringify({ pid: process.pid, command: 'x' })))
      .listen('${path}, () => console.log('held'))`;
    const holder = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    expect(await acquire('dead')).toEqual({ heldBy: { pid: holder.pid, command: 'x' } });
    holder.kill('SIGSTOP');
    expect(await acquire('dead')).toEqual({ heldBy: { pid: 0, command: 'another dsp' } });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await held('dead')).release();
  });
});
