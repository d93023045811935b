/** Which of many keys a request goes to: how uneven the choice is, and exact samplers of it. */

import type { Random } from './random.ts';

/**
 * `zipf`: the n-th most popular key gets a share in proportion to n^-exponent. `hot`: the first `keys` get `share` of
 * the requests, evenly, and all others the rest.
 */
export type KeySkew =
  | { readonly kind: 'uniform' }
  | { readonly kind: 'zipf'; readonly exponent: number }
  | { readonly kind: 'hot'; readonly share: number; readonly keys: number };

/** Exponent of Zipf's law where nothing is known: between an even choice and YCSB's 0.99 of what people click on. */
export const usualExponent = 0.8;

export const uniform: KeySkew = { kind: 'uniform' };

/** What {@link parseSkew} reads. */
export const skewForms = 'uniform, zipf:<exponent> or hot:<share>/<keys>';

/** `uniform`, `zipf:0.99`, `hot:0.3/10`. Throws RangeError. */
export function parseSkew(text: string): KeySkew {
  const [, kind, first = '', second] = /^(zipf|hot):([\d.]+)(?:\/(\d+))?$/.exec(text) ?? [];
  const value = Number(first);
  if (text === 'uniform') return uniform;
  if (kind === 'zipf' && second === undefined && value >= 0 && value <= 10) return { kind, exponent: value };
  const keys = Number(second);
  if (kind === 'hot' && value > 0 && value <= 1 && keys >= 1) return { kind, share: value, keys };
  throw new RangeError(`${JSON.stringify(text)} is none of ${skewForms}`);
}

/** {@link parseSkew} reads it back. */
export function skewText(skew: KeySkew): string {
  if (skew.kind === 'uniform') return skew.kind;
  return skew.kind === 'zipf' ? `zipf:${skew.exponent}` : `hot:${skew.share}/${skew.keys}`;
}

/** Draws of 0 … count − 1, the most popular first. Throws RangeError below one key. */
export function keyDraw(skew: KeySkew, count: number): (random: Random) => number {
  if (!(count >= 1)) throw new RangeError(`${count} keys`);
  if (skew.kind === 'zipf') return zipfDraw(count, skew.exponent);
  if (skew.kind === 'uniform') return (random) => random.integer(count);
  const hot = Math.min(count, skew.keys);
  return (random) => {
    const isHot = hot === count || random.next() < skew.share;
    return isHot ? random.integer(hot) : hot + random.integer(count - hot);
  };
}

/**
 * Rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM TOMACS 6(3), 1996): exact for every exponent ≥ 0, with no table, however many keys there are. It
 * draws from the area under x^-exponent by inversion, rounds to the nearest rank, and rejects what lies outside the
 * rank's bar; less than two draws are needed on average.
 */
function zipfDraw(count: number, exponent: number): (random: Random) => number {
  const area = (x: number) => areaUnder(Math.log(x), 1 - exponent);
  const bar = (rank: number) => rank ** -exponent;
  const lowest = area(1.5) - 1;
  const highest = area(count + 0.5);
  // Nearer to the rank than this is always within its bar.
  const surely = 2 - inverseArea(area(2.5) - bar(2), 1 - exponent);
  return (random) => {
    for (;;) {
      const at = highest + random.next() * (lowest - highest);
      const x = inverseArea(at, 1 - exponent);
      const rank = Math.min(count, Math.max(1, Math.round(x)));
      if (rank - x <= surely || at >= area(rank + 0.5) - bar(rank)) return rank - 1;
    }
  };
}

/** ∫ from 1 to e^logX of t^(power − 1) dt = (e^(power·logX) − 1) ÷ power, which is logX at power 0. */
function areaUnder(logX: number, power: number): number {
  const t = power * logX;
  return Math.abs(t) < 1e-8 ? logX * (1 + t / 2) : Math.expm1(t) / power;
}

/** The x whose {@link areaUnder} it is. */
function inverseArea(area: number, power: number): number {
  const t = Math.max(-1, power * area);
  return Math.exp(Math.abs(t) < 1e-8 ? area * (1 - t / 2) : Math.log1p(t) / power);
}

/** The share of the first of `keys` keys by Zipf's law; 0 ≤ exponent. */
export function hottestKeyShare(keys: number, exponent: number): number {
  return 1 / harmonic(Math.max(1, keys), exponent);
}

/** Beyond it the first key gets all there is. */
const steepest = 10;

/** The exponent with which the first of `keys` keys gets that share; 0 where an even share is more already. */
export function exponentFor(keys: number, share: number): number {
  let [low, high] = [0, steepest];
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2;
    if (hottestKeyShare(keys, middle) < share) low = middle;
    else high = middle;
  }
  return Number(high.toPrecision(6)) < 1e-6 ? 0 : high;
}

/** Generalised harmonic number H(n, s); beyond 30 terms by Euler and Maclaurin: the integral and half of both ends. */
export function harmonic(count: number, exponent: number): number {
  const exact = Math.min(count, 30);
  let sum = 0;
  for (let k = 1; k <= exact; k++) sum += k ** -exponent;
  if (count <= exact) return sum;
  const integral =
    exponent === 1 ? Math.log(count / exact) : (count ** (1 - exponent) - exact ** (1 - exponent)) / (1 - exponent);
  return sum + integral + (count ** -exponent - exact ** -exponent) / 2;
}
