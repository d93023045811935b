import { describe, expect, it } from 'vitest';
import { RespError } from '../../../src/bench/generator/resp.ts';
import type { RespReply, RespRequest, WorkloadContext } from '../../../src/bench/generator/workload.ts';
import { seededRandom } from '../../../src/random.ts';
import { exactly } from '../../../src/requirements/requirements.ts';
import http from '../../../templates/sharded-redis/workload.ts';
import workload from '../../../templates/sharded-redis/workload-redis.ts';
import { requirementsOf } from './requirements.ts';

function contextOf(sizing: Record<string, string | number> = {}): WorkloadContext {
  return {
    part: 'store',
    sizing: { mode: 'store', totalMiB: 64, shards: 3, waitReplicas: 0, waitTimeoutMs: 500, ...sizing },
    options: {},
    requirements: requirementsOf({ data: { payloadBytes: exactly(200), totalMiB: exactly(64) } }),
    offeredLoad: { read: 800, write: 200 },
    seed: 7,
    workerIndex: 0,
    workerCount: 1,
  };
}

const waiting = contextOf({ waitReplicas: 1 });
const replies = (...all: RespReply[]) => ({ replies: all });
const error = (message: string) => replies(new RespError(message));
const textOf = ({ commands }: RespRequest) => commands[0]?.[2] ?? '';

describe('items over RESP', () => {
  it('are those over HTTP: the same keys, texts and order for the same seed', () => {
    const [plain, resp] = [http.create(contextOf()), workload.create(contextOf())];
    const [one, two] = [seededRandom(1), seededRandom(1)];
    for (let i = 0; i < 400; i++) {
      const operation = i % 4 === 0 ? 'write' : 'read';
      const [a, b] = [plain.next(operation, one), resp.next(operation, two)];
      expect([b.operation, b.key, b.value]).toEqual([a.operation, a.key, a.value]);
      expect(b.routedBy).toBe(`item:${a.key}`);
      expect(b.commands).toEqual(
        operation === 'read' ? [['GET', `item:${a.key}`]] : [['SET', `item:${a.key}`, a.body]],
      );
    }
    expect(workload.prepare?.(contextOf()).map(textOf)).toEqual(http.prepare?.(contextOf()).map(({ body }) => body));
  });

  it('wait for replicas where the part does', () => {
    const { commands } = workload.create(waiting).next('write', seededRandom(1));
    expect(commands[1]).toEqual(['WAIT', '1', '500']);
  });

  it.each<[string, WorkloadContext, ReturnType<typeof replies> | null, string, boolean]>([
    ['stored', contextOf(), replies('OK'), 'ok', true],
    ['stored, and on a replica', waiting, replies('OK', 1), 'ok', true],
    ['stored, on no replica', waiting, replies('OK', 0), 'unknown', false],
    ['stored, and the waiting refused', waiting, replies('OK', new RespError('NOPERM no')), 'unknown', false],
    ['moved too often', contextOf(), error('MOVED 1 a:1'), 'fail', false],
    ['no cluster', waiting, replies(new RespError('CLUSTERDOWN no'), 1), 'fail', false],
    ['no answer', contextOf(), null, 'unknown', false],
  ])('a write: %s', (_, context, answer, outcome, correct) => {
    const run = workload.create(context);
    expect(run.judge(run.next('write', seededRandom(1)), answer)).toMatchObject({ outcome, correct });
  });

  it.each<[string, (text: string) => ReturnType<typeof replies> | null, string, boolean, number]>([
    ['the item', (text) => replies(text), 'ok', true, 1],
    ['nothing, of a key never seen', () => replies(null), 'ok', true, 0],
    ['a text that is no item', (text) => replies(text.slice(1)), 'ok', false, -1],
    ['an error', () => error('LOADING no'), 'fail', false, 0],
    ['a number', () => replies(3), 'fail', false, 0],
    ['no answer', () => null, 'fail', false, 0],
  ])('a read: %s', (_, answer, outcome, correct, result) => {
    const run = workload.create(contextOf());
    const request = run.next('read', seededRandom(1));
    const filled = workload.prepare?.(contextOf()).find(({ key }) => key === request.key);
    expect(run.judge(request, answer(filled === undefined ? '' : textOf(filled)))).toEqual({
      outcome,
      correct,
      result,
    });
  });

  it('of a ring are where the ring’s other clients have them, of a cluster where the servers say', () => {
    expect(workload.place(contextOf())).toBeUndefined();
    const place = workload.place(contextOf({ mode: 'cache', shards: 4 }));
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) counts[place?.(`item:${i}-of-many`) ?? 0]! += 1;
    for (const count of counts) expect(count).toBeGreaterThan(400);
  });
});
