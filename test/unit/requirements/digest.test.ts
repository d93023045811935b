import { expect, it } from 'vitest';
import { withSortedKeys } from '../../../src/digest.ts';
import { seededRandom } from '../../../src/random.ts';
import { requirementsDigest } from '../../../src/requirements/digest.ts';
import type { Requirements } from '../../../src/requirements/requirements.ts';
import { randomRequirements } from './random-requirements.ts';

it('does not depend on the order of keys', () => {
  const sorted = withSortedKeys({ b: [1, { d: null, c: 'x' }], a: true });
  expect(JSON.stringify(sorted)).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}');
  for (let seed = 1; seed <= 200; seed++) {
    const requirements = randomRequirements(seededRandom(seed));
    const turned = Object.fromEntries(Object.entries(requirements).reverse()) as unknown as Requirements;
    expect(requirementsDigest(turned), `seed ${seed}`).toBe(requirementsDigest(requirements));
  }
});

it('is that of a known text', () => {
  const empty = {} as Requirements;
  expect(requirementsDigest(empty)).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
});

it('changes with any value', () => {
  const requirements = randomRequirements(seededRandom(7));
  const other = { ...requirements, latency: { p99Ms: requirements.latency.p99Ms + 1 } };
  expect(requirementsDigest(other)).not.toBe(requirementsDigest(requirements));
  expect(requirementsDigest({ ...requirements, needs: [...requirements.needs].reverse() })).toHaveLength(64);
});

it('leaves out what is not there, as JSON does', () => {
  expect(withSortedKeys({ a: undefined, b: 1 })).toStrictEqual({ b: 1 });
});
