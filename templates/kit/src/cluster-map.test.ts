import { describe, expect, it } from 'vitest';
import { parseClusterSlots, parseRedirect, slotCount } from './cluster-map.ts';

describe('the cluster map', () => {
  it('is read from CLUSTER SLOTS, with the answering host where the server does not know its own', () => {
    const map = parseClusterSlots(
      [
        [0, 100, ['10.0.0.1', 6379, 'id1', []], ['10.0.0.2', 6379, 'id2']],
        [101, 16_000, [null, 7000, 'id3'], ['', 7001, 'id4']],
      ],
      'redis.local',
    );
    expect(map.covered).toBe(16_001);
    expect([map.owners[0], map.owners[100], map.owners[101], map.owners[16_000]]).toEqual([
      '10.0.0.1:6379',
      '10.0.0.1:6379',
      'redis.local:7000',
      'redis.local:7000',
    ]);
    expect(map.owners[slotCount - 1]).toBeUndefined();
    expect([...map.nodes]).toEqual(['10.0.0.1:6379', '10.0.0.2:6379', 'redis.local:7000', 'redis.local:7001']);
  });

  it('covers nothing when no slot is assigned, and rejects what is no map', () => {
    expect(parseClusterSlots([], 'h').covered).toBe(0);
    expect(() => parseClusterSlots('ERR', 'h')).toThrow('a list was expected');
  });

  it.each([
    ['MOVED 3999 127.0.0.1:6381', { kind: 'MOVED', slot: 3999, address: '127.0.0.1:6381' }],
    ['ASK 7 ::1:6381', { kind: 'ASK', slot: 7, address: '::1:6381' }],
    ['MOVED 1 :6381', { kind: 'MOVED', slot: 1, address: 'asked:6381' }],
    ['CLUSTERDOWN Hash slot not served', null],
  ])('reads the redirect %s', (message, redirect) => {
    expect(parseRedirect(message, 'asked')).toEqual(redirect);
  });
});
