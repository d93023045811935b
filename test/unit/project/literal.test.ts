import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/pattern.ts';
import { printLiteral, printString } from '../../../src/project/literal.ts';
import { figure } from '../../../src/project/readme.ts';

/** What a JavaScript engine makes of the literal. */
const read = (literal: string): unknown => new Function(`'use strict'; return (${literal});`)();

describe('printLiteral', () => {
  it('is read back as the same data', () => {
    const value: Json = {
      a: [1, -0.5, 1e21, null, true, 'x'],
      'not-a-name': { nested: ["it's", 'back\\slash', 'line\nbreak', '\u2028', '$' + '{no}', '`'] },
      long: Array.from({ length: 40 }, (_, index) => `item ${index}`),
      empty: [{}, []],
      constructor: 1,
    };
    expect(read(printLiteral(value))).toEqual(value);
  });

  it('does not reach the prototype', () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}}');
    const back = read(printLiteral(value)) as object;
    expect(Object.keys(back)).toEqual(['__proto__']);
    expect('polluted' in back).toBe(false);
  });

  it('breaks lines where they would be too long', () => {
    const printed = printLiteral({ list: Array.from({ length: 60 }, (_, index) => index), short: [1, 2] });
    expect(Math.max(...printed.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
    expect(printed).toContain('  short: [1, 2],\n');
  });

  it('refuses numbers that have no literal', () => {
    expect(() => printLiteral(Number.NaN)).toThrow('finite');
    expect(() => printLiteral([Number.POSITIVE_INFINITY])).toThrow('finite');
  });

  it('escapes what could end a string', () => {
    expect(printString("a'b\\c\nd")).toBe("'a\\'b\\\\c\\u000ad'");
  });
});

describe('figure', () => {
  it.each([
    [1234.56, '1235'],
    [0.000123456, '0.0001235'],
    [1e-9, '0'],
    [123_456_789, '123500000'],
    [1e21, '1000000000000000000000'],
    [0.999, '0.999'],
    [Number.POSITIVE_INFINITY, 'unknown'],
  ])('%d is %s', (value, text) => expect(figure(value)).toBe(text));
});
