import { describe, expect, it } from 'vitest';
import { joinAnswers, partsOf, type RingCommand, ringCommand, ringCommandNames } from './ring-commands.ts';

const args = (...words: readonly string[]) => words.map((word) => Buffer.from(word));
const of = (name: string) => ringCommand(name) as RingCommand;

describe('ring commands', () => {
  it('go to the owner of their first key, as they are', () => {
    const parts = partsOf('set', of('set'), args('key', 'value', 'PX', '5'));
    expect(parts).toEqual([{ name: 'set', key: Buffer.from('key'), args: args('key', 'value', 'PX', '5') }]);
    expect(joinAnswers(of('set'), ['OK'])).toBe('OK');
  });

  it('with several keys go to each owner, and their answers are joined', () => {
    const parts = partsOf('del', of('del'), args('a', 'b'));
    expect(parts.map(({ key, args: own }) => [String(key), own.map(String)])).toEqual([
      ['a', ['a']],
      ['b', ['b']],
    ]);
    expect(joinAnswers(of('del'), [1, 0, 1])).toBe(2);
    expect(joinAnswers(of('mget'), [['x'], [null], ['y']])).toEqual(['x', null, 'y']);
  });

  it('are none that need more than the servers of their keys, and none of an object', () => {
    for (const name of ['eval', 'multi', 'keys', 'scan', 'flushall', 'config', 'rename', 'msetnx', 'constructor']) {
      expect(ringCommand(name), name).toBe(undefined);
    }
    expect(ringCommandNames).toContain('get');
    expect(new Set(ringCommandNames).size).toBe(ringCommandNames.length);
  });

  it('are sent again only when they read', () => {
    const written = ringCommandNames.filter((name) => !of(name).readOnly);
    expect(written).toEqual(expect.arrayContaining(['set', 'incr', 'del', 'lpush', 'getdel', 'getex', 'spop']));
    expect(of('get').readOnly && of('mget').readOnly).toBe(true);
  });
});
