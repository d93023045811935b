import { describe, expect, it } from 'vitest';
import type { Json } from '../../../stacks/topology.ts';
import invariants from '../../../templates/sharded-redis/invariants.ts';
import {
  type ClusterServer,
  judgeProbe,
  type ProbedServer,
  parseClusterNodes,
} from '../../../templates/sharded-redis/slots.ts';
import { requirementsOf } from './requirements.ts';

/** Three primaries with a replica each, as they must be. */
const ranges = [
  { from: 0, to: 5460, owner: 'n0' },
  { from: 5461, to: 10_922, owner: 'n1' },
  { from: 10_923, to: 16_383, owner: 'n2' },
];
const healthy: readonly ClusterServer[] = Array.from({ length: 6 }, (_, i) => ({
  instance: `store-redis-${i}`,
  mode: 'cluster',
  nodeId: `n${i}`,
  role: i < 3 ? 'primary' : 'replica',
  state: 'ok',
  ranges,
  openSlots: [],
  orphanKeys: 0,
}));

const judge = (servers: readonly ProbedServer[]) => judgeProbe({ servers } as unknown as Json);
/** The healthy cluster with one server changed. */
const withServer = (at: number, over: Partial<ClusterServer>) =>
  judge(healthy.map((server, i) => (i === at ? { ...server, ...over } : server)));

describe('judgeProbe', () => {
  it('accepts a cluster in which all is as it must be', () => {
    expect(judge(healthy).map(({ id, verdict, checked }) => [id, verdict, checked])).toEqual([
      ['slots-covered', 'held', 16_384],
      ['one-owner', 'held', 3],
    ]);
  });

  it('says nothing when nobody looked', () => {
    expect(judgeProbe(null).map(({ verdict }) => verdict)).toEqual(['unexercised', 'unexercised']);
  });

  it.each<[string, number, Partial<ClusterServer>, string, RegExp]>([
    [
      'a slot is unassigned on one server',
      1,
      { ranges: [{ ...ranges[0]!, to: 5459 }, ...ranges.slice(1)] },
      'slots-covered',
      /slots 5460 have different/,
    ],
    [
      'one server sees another owner',
      4,
      { ranges: [{ ...ranges[0]!, owner: 'n9' }, ...ranges.slice(1)] },
      'slots-covered',
      /slots 0–5460 have different/,
    ],
    [
      'a server sees two owners',
      2,
      { ranges: [...ranges, { from: 7, to: 7, owner: 'n2' }] },
      'slots-covered',
      /slots 7 have two owners/,
    ],
    [
      'a server says that the cluster failed',
      3,
      { state: 'fail' },
      'slots-covered',
      /store-redis-3 says cluster_state:fail/,
    ],
    [
      'a migration was left open',
      0,
      { openSlots: ['[93->-n1]'] },
      'one-owner',
      /store-redis-0 has slots that are still being moved: \[93->-n1\]/,
    ],
    [
      'keys were left behind',
      1,
      { orphanKeys: 12 },
      'one-owner',
      /store-redis-1 holds 12 keys of slots that it does not own/,
    ],
  ])('sees that %s', (_, at, over, id, sentence) => {
    const found = withServer(at, over).find((result) => result.id === id);
    expect(found?.verdict).toBe('violated');
    expect(found?.violations.join('\n')).toMatch(sentence);
  });

  it('sees a slot that nobody owns, and a server that does not answer', () => {
    const uncovered = healthy.map((server) => ({ ...server, ranges: ranges.slice(0, 2) }));
    expect(judge(uncovered)[0]?.violations).toEqual(['slots 10923–16383 have no owner']);
    const silent: ProbedServer = { instance: 'store-redis-5', mode: 'silent', reason: 'connect ECONNREFUSED' };
    expect(judge([...healthy.slice(0, 5), silent])[0]?.violations).toEqual([
      'store-redis-5 does not answer: connect ECONNREFUSED',
    ]);
  });

  it('asks of a ring only that every server answers', () => {
    const ring: readonly ProbedServer[] = [0, 1].map((i) => ({
      instance: `r${i}`,
      mode: 'standalone',
      role: 'primary',
    }));
    expect(judge(ring)).toMatchObject([{ id: 'servers-answer', verdict: 'held', checked: 2 }]);
    const [first] = ring;
    expect(judge([first!, { instance: 'r1', mode: 'silent', reason: 'timed out' }])[0]?.verdict).toBe('violated');
  });
});

describe('parseClusterNodes', () => {
  it('reads ids, roles, ranges and open slots of what Redis prints', () => {
    const text = [
      '07c37df 127.0.0.1:30004@31004,hostname4 slave e7d1eec 0 1426238317239 4 connected',
      '67ed2db 127.0.0.1:30002@31002,hostname2 master - 0 1426238316232 2 connected 5461-10922',
      'e7d1eec 127.0.0.1:30001@31001,hostname1 myself,master - 0 0 1 connected 0-5459 5460 [77->-67ed2db] [93-<-67ed2db]',
      '292f8b3 127.0.0.1:30003@31003 master,fail - 1426238316232 1426238315232 3 disconnected',
      '',
    ].join('\n');
    expect(parseClusterNodes(text)).toEqual({
      nodeId: 'e7d1eec',
      role: 'primary',
      ranges: [
        { from: 5461, to: 10_922, owner: '67ed2db' },
        { from: 0, to: 5459, owner: 'e7d1eec' },
        { from: 5460, to: 5460, owner: 'e7d1eec' },
      ],
      openSlots: ['[77->-67ed2db]', '[93-<-67ed2db]'],
    });
  });
});

describe('the part without a load of its own', () => {
  it('is judged by its probe alone', () => {
    const input = {
      part: 'limiter-store',
      sizing: { mode: 'store', totalMiB: 64 },
      options: {},
      requirements: requirementsOf(),
    };
    const results = invariants.check({
      ...input,
      history: [],
      faults: [],
      clockSteps: [],
      probe: { servers: healthy } as unknown as Json,
    });
    expect(results.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['slots-covered', 'held'],
      ['one-owner', 'held'],
    ]);
  });
});
