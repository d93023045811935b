import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../../src/checkers/history.ts';
import { checkRegisters, type RegisterRules } from '../../../src/checkers/register.ts';
import { type Random, seededRandom } from '../../../src/random.ts';

const strict: RegisterRules = { stalenessMs: 0, mayBeAbsent: false, losses: [], lingerMs: 5 };

function write(
  value: number,
  sentMs: number,
  answeredMs: number | null,
  over: Partial<HistoryEntry> = {},
): HistoryEntry {
  const outcome = answeredMs === null ? 'unknown' : 'ok';
  const common = { part: 'store', operation: 'write', key: 'k', result: value, phase: 'steady' } as const;
  return { ...common, value, sentMs, answeredMs, outcome, ...over };
}

function read(result: number, sentMs: number, over: Partial<HistoryEntry> = {}): HistoryEntry {
  const common = { part: 'store', operation: 'read', key: 'k', value: 0, phase: 'steady', outcome: 'ok' } as const;
  return { ...common, result, sentMs, answeredMs: sentMs + 1, ...over };
}

const finalRead = (result: number, sentMs: number, over: Partial<HistoryEntry> = {}) =>
  read(result, sentMs, { phase: 'final', ...over });

/** Straight from the definition: every read against every write. */
function definition(writes: readonly HistoryEntry[], reads: readonly HistoryEntry[], rules: RegisterRules) {
  const excused = (w: HistoryEntry) => rules.losses.some((l) => w.sentMs <= l.toMs && w.answeredMs! >= l.fromMs);
  const acknowledged = writes.filter((w) => w.outcome === 'ok' && w.answeredMs !== null);
  const latest = (w: HistoryEntry) => (w.outcome === 'ok' ? w.answeredMs! : w.sentMs + rules.lingerMs);
  const replaced = (r: HistoryEntry, w: HistoryEntry) => {
    if (r.result === 0) return !rules.mayBeAbsent;
    return latest(writes.find(({ value }) => value === r.result)!) < w.sentMs;
  };
  const written = (r: HistoryEntry) => {
    const found = writes.find(({ value }) => value === r.result);
    return r.result === 0 || (found !== undefined && found.outcome !== 'fail' && found.sentMs <= r.answeredMs!);
  };
  const answered = reads.filter((r) => r.outcome === 'ok');
  const stale = answered.filter(
    (r) =>
      r.phase !== 'final' &&
      written(r) &&
      acknowledged.some((w) => !excused(w) && w.answeredMs! < r.sentMs - rules.stalenessMs! && replaced(r, w)),
  );
  const last = answered.filter((r) => r.phase === 'final').at(-1);
  const gone =
    last && written(last) ? acknowledged.filter((w) => w.answeredMs! < last.sentMs && replaced(last, w)) : [];
  return {
    invented: answered.filter((r) => !written(r)).length,
    stale: stale.length,
    lost: gone.filter((w) => !excused(w)).length,
    lostAsDeclared: gone.filter(excused).length,
  };
}

function randomHistory(random: Random) {
  const writes = Array.from({ length: random.integer(8) }, (_, i) => {
    const sentMs = random.integer(30);
    const outcome = (['ok', 'ok', 'ok', 'unknown', 'fail'] as const)[random.integer(5)]!;
    return write(i + 1, sentMs, outcome === 'unknown' ? null : sentMs + random.integer(6), { outcome });
  }).sort((a, b) => a.sentMs - b.sentMs);
  const anyVersion = () => random.integer(writes.length + 2);
  const reads = Array.from({ length: random.integer(6) }, () => read(anyVersion(), random.integer(40)));
  const finals = Array.from({ length: random.integer(3) }, (_, i) =>
    finalRead(anyVersion(), 20 + 15 * i + random.integer(15)),
  );
  const fromMs = random.integer(30);
  const rules: RegisterRules = {
    stalenessMs: random.integer(5),
    mayBeAbsent: random.next() < 0.2,
    losses: random.next() < 0.5 ? [] : [{ fromMs, toMs: fromMs + random.integer(10) }],
    lingerMs: random.integer(12),
  };
  return { writes, reads: [...reads, ...finals], rules };
}

describe('checkRegisters', () => {
  it('finds what the definition does in thousands of small histories', () => {
    const seen = { invented: 0, stale: 0, lost: 0, lostAsDeclared: 0 };
    for (let seed = 0; seed < 5000; seed++) {
      const { writes, reads, rules } = randomHistory(seededRandom(seed));
      const expected = definition(writes, reads, rules);
      const found = checkRegisters(writes, reads, rules);
      const counts = {
        invented: found.invented.length,
        stale: found.stale.length,
        lost: found.lost.reduce((sum, { lost }) => sum + lost, 0),
        lostAsDeclared: found.lostAsDeclared,
      };
      expect(counts, `seed ${seed}`).toEqual(expected);
      for (const kind of Object.keys(seen) as (keyof typeof seen)[]) seen[kind] += counts[kind];
    }
    // Each kind of violation occurs often.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it('says which acknowledged write replaced what a stale read returned', () => {
    const writes = [write(1, 0, 1), write(2, 10, 11), write(3, 20, 21)];
    const { stale } = checkRegisters(writes, [read(1, 30)], strict);
    expect(stale.map(({ by }) => by.value)).toEqual([3]);
  });

  it('lets a read be as old as the bound', () => {
    const writes = [write(1, 0, 1), write(2, 10, 11)];
    const at = (sentMs: number) => checkRegisters(writes, [read(1, sentMs)], { ...strict, stalenessMs: 100 }).stale;
    expect(at(111)).toHaveLength(0);
    expect(at(111.5)).toHaveLength(1);
    expect(checkRegisters(writes, [read(1, 1e9)], { ...strict, stalenessMs: null }).stale).toHaveLength(0);
  });

  it('blames nobody for the order of concurrent writes', () => {
    const concurrent = [write(1, 0, 10), write(2, 5, 8)];
    expect(checkRegisters(concurrent, [finalRead(1, 20)], strict).lost).toEqual([]);
    expect(checkRegisters(concurrent, [finalRead(2, 20)], strict).lost).toEqual([]);
  });

  it('lets an unanswered write take effect late, but not for ever', () => {
    const writes = (later: number) => [write(1, 0, 1), write(2, 10, null), write(3, later, later + 1)];
    const lost = (later: number) => checkRegisters(writes(later), [finalRead(2, 100)], strict).lost;
    expect(lost(14)).toEqual([]);
    expect(lost(16)).toMatchObject([{ lost: 1, sinceMs: 17 }]);
  });

  it('counts every acknowledged write that a final read lacks, and those that may be lost apart', () => {
    const writes = [1, 2, 3, 4, 5].map((version) => write(version, version * 10, version * 10 + 1));
    const losses = [{ fromMs: 45, toMs: 60 }];
    const found = checkRegisters(writes, [finalRead(2, 100)], { ...strict, losses });
    expect(found.lost).toMatchObject([{ lost: 2, sinceMs: 31, by: { value: 4 } }]);
    expect(found).toMatchObject({ lostAsDeclared: 1, writesReadBack: 5, keysReadBack: 1 });
  });

  it('takes the last final read that was answered, and names keys without one', () => {
    const writes = [
      write(1, 0, 1),
      write(1, 0, 1, { key: 'silent' }),
      write(9, 0, null, { key: 'never acknowledged' }),
    ];
    const failed = { answeredMs: null, outcome: 'fail' as const };
    const reads = [
      finalRead(0, 50),
      finalRead(1, 60),
      finalRead(0, 70, failed),
      finalRead(0, 50, { ...failed, key: 'silent' }),
      finalRead(0, 50, { ...failed, key: 'never acknowledged' }),
    ];
    const found = checkRegisters(writes, reads, strict);
    expect(found.lost).toEqual([]);
    expect(found.unreadable).toEqual(['silent']);
  });

  it('tells three ways in which a value cannot have been read', () => {
    const writes = [write(1, 0, 1, { outcome: 'fail' }), write(2, 50, 51)];
    const { invented } = checkRegisters(writes, [read(7, 10), read(1, 10), read(2, 10), read(-1, 10)], strict);
    expect(invented.map(({ why }) => why)).toEqual([
      'never written',
      'written by a request that was answered as not run',
      'not yet sent',
      'never written',
    ]);
  });

  it('takes a version that was sent twice for one write', () => {
    const writes = [write(1, 0, 1), write(2, 10, 11), write(1, 12, 13)];
    expect(checkRegisters(writes, [finalRead(1, 50)], strict).lost).toEqual([]);
  });

  it('checks nothing in an empty history', () => {
    const found = checkRegisters([], [], strict);
    expect(found).toMatchObject({
      reads: 0,
      readsBound: 0,
      writesReadBack: 0,
      keysReadBack: 0,
      lost: [],
      invented: [],
    });
  });
});
