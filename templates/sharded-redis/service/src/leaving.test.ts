import { describe, expect, it } from 'vitest';
import { type NodeState, parseClusterNodes } from './cluster-view.ts';
import { leaversOf } from './leaving.ts';

const line = (id: string, host: string, flags = 'master') =>
  `${id} 10.0.0.${id.length}:6379@16379${host} ${flags} - 0 0 1 connected`;

function node(text: string): NodeState {
  const { self, others } = parseClusterNodes(text);
  return { ...self, others, open: [], strayKeys: new Map(), ok: true, synced: true };
}

const three = node(
  [line('a', ',r-0.r.n.svc', 'myself,master'), line('bb', ',r-1.r.n.svc'), line('ccc', ',r-2.r.n.svc')].join('\n'),
);
const wanted = (count: number) => Array.from({ length: count }, (_, i) => `r-${i}.r.n.svc:6379`);

describe('who leaves', () => {
  it('is whoever is a member and not wanted, by name', () => {
    expect(leaversOf([three], wanted(2)).map(({ address }) => address)).toEqual(['10.0.0.3:6379']);
    expect(leaversOf([three], wanted(3))).toEqual([]);
    expect(leaversOf([three], wanted(5))).toEqual([]);
  });

  it('is nobody where there is no cluster yet', () => {
    expect(leaversOf([node(line('a', ',r-0.r.n.svc', 'myself,master'))], wanted(1))).toEqual([]);
  });

  it('cannot be told of a member without a name, unless it answered by a wanted one', () => {
    const nameless = node([line('a', '', 'myself,master'), line('bb', '')].join('\n'));
    expect(() => leaversOf([nameless], wanted(2))).toThrow('announces no name');
    const other = node([line('bb', '', 'myself,master'), line('a', '')].join('\n'));
    expect(leaversOf([nameless, other], wanted(2))).toEqual([]);
  });

  it('is read from names with and without what newer servers add', () => {
    const text = 'a 10.0.0.1:6379@16379,r-0.r.n.svc,shard-id=ff myself,master - 0 0 1 connected';
    expect(parseClusterNodes(text).self.hostName).toBe('r-0.r.n.svc');
    expect(parseClusterNodes(text.replace('r-0.r.n.svc,', '')).self.hostName).toBe('');
  });
});
