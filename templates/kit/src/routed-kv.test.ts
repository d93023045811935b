import { describe, expect, it } from 'vitest';
import type { Clock } from './clock.ts';
import { defineScript, KvUnavailableError, UnreplicatedError } from './kv-client.ts';
import type { Attempt, AttemptAnswer } from './redis-node.ts';
import { type Redirect, RoutedKv, type Router, saysNotRunYet, type Target } from './routed-kv.ts';

class FakeClock implements Clock {
  now = 0;
  nowMs = () => this.now;
  monotonicMs = () => this.now;
  async sleep(durationMs: number) {
    this.now += durationMs;
  }
}

const reply = (value: unknown, acknowledged?: number): AttemptAnswer => ({
  kind: 'reply',
  value,
  ...(acknowledged === undefined ? {} : { acknowledged }),
});
const failure = (message: string): AttemptAnswer => ({ kind: 'error', error: new Error(message) });
const unsent: AttemptAnswer = { kind: 'unsent', reason: 'refused' };
const lost: AttemptAnswer = { kind: 'lost', reason: 'reset' };

/** One node that answers by a script, the last answer for ever; redirects lead back to it. */
function setUp(...answers: AttemptAnswer[]) {
  const clock = new FakeClock();
  const sent: { words: readonly unknown[]; asking: boolean; atMs: number }[] = [];
  const node: Target['node'] = {
    address: 'n:1',
    async attempt(attempt: Attempt) {
      clock.now += 1;
      const { command } = attempt;
      const { name, args } = typeof command === 'function' ? command('run-id') : command;
      sent.push({ words: [name, ...args], asking: attempt.asking, atMs: clock.now });
      return answers[Math.min(sent.length, answers.length) - 1] as AttemptAnswer;
    },
    submit(command, _nowMs, deadlineMs, reply, otherwise) {
      const attempt = { command, asking: false, waitReplicas: 0, waitTimeoutMs: 0, deadlineMs };
      void this.attempt(attempt).then((answer) => (answer.kind === 'reply' ? reply(answer.value) : otherwise(answer)));
    },
  };
  let silences = 0;
  const router: Router = {
    ready: async () => {},
    owner: () => ({ node, asking: false }),
    onError(_key, error): Redirect {
      if (error.message.startsWith('ASK')) return { kind: 'target', target: { node, asking: true } };
      if (error.message.startsWith('MOVED')) return { kind: 'target', target: { node, asking: false } };
      return saysNotRunYet(error) ? { kind: 'again', reason: error.message } : { kind: 'final' };
    },
    onSilence: async () => {
      silences++;
    },
    close: () => {},
  };
  return { kv: new RoutedKv(router, { timeoutMs: 100, clock }), sent, clock, silences: () => silences };
}

describe('a command', () => {
  it('follows redirects at once, ASK for one command only', async () => {
    const { kv, sent, clock } = setUp(failure('MOVED 1 n:1'), failure('ASK 1 n:1'), failure('MOVED 1 n:1'), reply('v'));
    expect(await kv.get('k')).toBe('v');
    expect(sent.map(({ asking }) => asking)).toEqual([false, false, true, false]);
    expect(clock.now).toBe(4);
  });

  it('stops following redirects that go in circles when its time is up', async () => {
    const { kv, sent, clock } = setUp(failure('MOVED 1 n:1'));
    const error = await kv.set('k', 'v').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KvUnavailableError);
    expect((error as KvUnavailableError).mayHaveRun).toBe(false);
    expect(clock.now).toBeLessThan(120);
    expect(sent.length).toBeLessThan(40);
  });

  it.each(['TRYAGAIN x', 'CLUSTERDOWN x', 'LOADING x', 'READONLY x'])('is sent again after %s', async (message) => {
    const { kv, sent } = setUp(failure(message), failure(message), reply('OK'));
    await kv.set('k', 'v', { ttlMs: 5 });
    expect(sent.map(({ words }) => words)).toEqual(Array(3).fill(['SET', 'k', 'v', 'PX', 5]));
  });

  it('is sent again, after a pause, when it was not sent', async () => {
    const { kv, sent, silences } = setUp(unsent, unsent, unsent, reply(1));
    expect(await kv.delete('k')).toBe(true);
    const gaps = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
    expect(gaps).toEqual([6, 11, 21]);
    expect(silences()).toBe(3);
  });

  it('that may have run is never sent again, unless it only reads', async () => {
    const write = setUp(lost, reply('OK'));
    const error = await write.kv.set('k', 'v').catch((caught: unknown) => caught);
    expect((error as KvUnavailableError).mayHaveRun).toBe(true);
    expect(write.sent).toHaveLength(1);
    expect(write.silences()).toBe(1);
    const read = setUp(lost, reply('v'));
    expect(await read.kv.get('k')).toBe('v');
  });

  it('that the server refused is the caller’s to handle', async () => {
    const { kv, sent } = setUp(failure('WRONGTYPE x'));
    await expect(kv.get('k')).rejects.toThrow('WRONGTYPE');
    expect(sent).toHaveLength(1);
  });
});

describe('a script', () => {
  const script = defineScript('return 1');

  it('goes by its digest, by its text where the server does not have it, with the run_id first', async () => {
    const { kv, sent } = setUp(failure('NOSCRIPT x'), failure('MOVED 1 n:1'), reply(1));
    expect(await kv.run(script, 'k', ['a', 2])).toBe(1);
    expect(sent.map(({ words }) => words)).toEqual([
      ['EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 1, 'k', 'run-id', 'a', 2],
      ['EVAL', 'return 1', 1, 'k', 'run-id', 'a', 2],
      ['EVAL', 'return 1', 1, 'k', 'run-id', 'a', 2],
    ]);
  });

  it('resolves when enough replicas acknowledged, and says how many did when not', async () => {
    const wait = { waitReplicas: 2, waitTimeoutMs: 10 };
    expect(await setUp(reply(1, 2)).kv.run(script, 'k', [], wait)).toBe(1);
    await expect(setUp(reply(1, 1)).kv.run(script, 'k', [], wait)).rejects.toEqual(new UnreplicatedError(2, 1));
    await expect(setUp(reply(1)).kv.run(script, 'k', [], wait)).rejects.toEqual(new UnreplicatedError(2, 0));
    await expect(setUp(reply(1)).kv.run(script, 'k', [], { waitReplicas: 1 })).rejects.toThrow(TypeError);
  });
});
