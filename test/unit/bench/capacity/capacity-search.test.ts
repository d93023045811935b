import { describe, expect, it } from 'vitest';
import {
  edgesOf,
  nextStep,
  type Outcome,
  type SearchRules,
  type Tried,
} from '../../../../src/bench/capacity/capacity-search.ts';
import { seededRandom } from '../../../../src/random.ts';

const rules: SearchRules = {
  first: 1,
  range: [0.02, 50],
  raise: 1.35,
  resolution: 1.08,
  confirmations: 2,
  most: 60,
  mostInconclusive: 6,
};

/** Searches a system that answers by `judge`; returns its end and every window. */
function search(judge: (factor: number, window: number) => Outcome, given = rules) {
  const tried: Tried[] = [];
  for (;;) {
    const next = nextStep(tried, given);
    if (next.kind !== 'try') return { end: next, tried };
    tried.push({ factor: next.factor, outcome: judge(next.factor, tried.length) });
    if (tried.length > 1000) throw new Error('the search has no end');
  }
}

describe('the search for capacity', () => {
  it.each([0.03, 0.31, 0.99, 1, 1.01, 4.2, 39])('finds the edge at %d within its resolution', (edge) => {
    const { end, tried } = search((factor) => (factor <= edge ? 'pass' : 'fail'));
    if (end.kind !== 'found' || end.upper === null) throw new Error(`ended with ${JSON.stringify(end)}`);
    expect(end.lower).toBeLessThanOrEqual(edge);
    expect(end.upper).toBeGreaterThan(edge);
    expect(end.upper / end.lower).toBeLessThanOrEqual(rules.resolution);
    expect(tried.filter(({ factor }) => factor === end.lower)).toHaveLength(2);
    expect(tried.filter(({ factor }) => factor === end.upper)).toHaveLength(2);
  });

  it('says that all passed, or that none did', () => {
    expect(search(() => 'pass').end).toEqual({ kind: 'found', lower: 50, upper: null });
    const none = search(() => 'fail');
    expect(none.end).toEqual({ kind: 'none', lowest: 0.02 });
    expect(none.tried.filter(({ factor }) => factor === 0.02)).toHaveLength(2);
  });

  it('does not believe a pass that is not repeated', () => {
    // Each first window is lucky up to 1.5 times the true edge.
    const seen = new Set<number>();
    const { end } = search((factor) => {
      const first = !seen.has(factor);
      seen.add(factor);
      return factor <= (first ? 3 : 2) ? 'pass' : 'fail';
    });
    if (end.kind !== 'found') throw new Error(`ended with ${JSON.stringify(end)}`);
    expect(end.lower).toBeLessThanOrEqual(2);
    expect(end.lower).toBeGreaterThan(2 / 1.1);
  });

  it('does not believe a failure that is not repeated', () => {
    const seen = new Set<number>();
    const { end } = search((factor) => {
      const unlucky = factor > 1 && factor < 1.5 && !seen.has(factor);
      seen.add(factor);
      return unlucky || factor > 2 ? 'fail' : 'pass';
    });
    if (end.kind !== 'found') throw new Error(`ended with ${JSON.stringify(end)}`);
    expect(end.lower).toBeGreaterThan(2 / 1.1);
  });

  it('asks again where a window told nothing, and gives up when none tells anything', () => {
    const { end, tried } = search((factor, window) =>
      window % 2 === 0 ? 'inconclusive' : factor <= 2 ? 'pass' : 'fail',
    );
    expect(end.kind).toBe('found');
    tried.forEach(({ outcome, factor }, i) => {
      if (outcome === 'inconclusive') expect(tried[i + 1]?.factor).toBe(factor);
    });
    const lost = search((factor) => (factor <= 1 ? 'pass' : 'inconclusive'));
    expect(lost.end).toMatchObject({ kind: 'inconclusive', lower: 1, upper: null });
    expect(lost.tried).toHaveLength(7);
  });

  it('ends whatever the outcomes are, and never claims an edge that did not hold most of the time', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const drawn: readonly Outcome[] = ['pass', 'fail', 'inconclusive'];
      const { end, tried } = search(() => drawn[random.integer(3)] as Outcome);
      expect(tried.length, `seed ${seed}`).toBeLessThanOrEqual(rules.most);
      if (end.kind !== 'found') continue;
      const at = tried.filter(({ factor }) => factor === end.lower);
      const count = (outcome: Outcome) => at.filter((each) => each.outcome === outcome).length;
      expect(count('pass'), `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(2, count('fail')));
    }
  });

  it('takes the lowest rate that fails for the upper edge, whatever passed above it', () => {
    const tried: readonly Tried[] = [
      { factor: 1, outcome: 'pass' },
      { factor: 2, outcome: 'fail' },
      { factor: 3, outcome: 'pass' },
    ];
    expect(edgesOf(tried)).toEqual({ lower: 1, upper: 2 });
  });
});
