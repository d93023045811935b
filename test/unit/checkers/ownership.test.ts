import { describe, expect, it } from 'vitest';
import { asRanges, checkOwnership } from '../../../src/checkers/ownership.ts';

const whole = {
  viewer: 'a',
  ranges: [
    { from: 0, to: 4, owner: 'x' },
    { from: 5, to: 9, owner: 'y' },
  ],
};

describe('checkOwnership', () => {
  it('accepts views that cover every slot and agree', () => {
    const reordered = { viewer: 'b', ranges: [...whole.ranges].reverse() };
    expect(checkOwnership(10, [whole, reordered])).toEqual({ uncovered: [], ownedTwice: [], disputed: [] });
  });

  it('finds the gap', () => {
    const gap = {
      viewer: 'a',
      ranges: [
        { from: 0, to: 3, owner: 'x' },
        { from: 6, to: 9, owner: 'y' },
      ],
    };
    expect(checkOwnership(10, [gap, gap])).toMatchObject({ uncovered: ['4–5'], disputed: [] });
    expect(checkOwnership(10, [])).toMatchObject({ uncovered: ['0–9'] });
  });

  it('finds the slot that two own', () => {
    const twice = { viewer: 'a', ranges: [...whole.ranges, { from: 4, to: 5, owner: 'z' }] };
    expect(checkOwnership(10, [twice]).ownedTwice).toEqual(['4–5']);
  });

  it('finds the slots that the views give to different owners, or that one leaves out', () => {
    const moved = {
      viewer: 'b',
      ranges: [
        { from: 0, to: 3, owner: 'x' },
        { from: 4, to: 9, owner: 'y' },
      ],
    };
    expect(checkOwnership(10, [whole, moved]).disputed).toEqual(['4']);
    const shorter = { viewer: 'b', ranges: whole.ranges.slice(0, 1) };
    expect(checkOwnership(10, [whole, shorter])).toMatchObject({ uncovered: [], disputed: ['5–9'] });
  });
});

describe('asRanges', () => {
  it('joins what follows on', () => {
    expect(asRanges([])).toEqual([]);
    expect(asRanges([1, 2, 3, 7, 9, 10])).toEqual(['1–3', '7', '9–10']);
  });
});
