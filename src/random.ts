/** The only owner of chance in src: everything else is given a seeded {@link Random}. */

import { randomBytes, randomInt } from 'node:crypto';

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** Exponentially distributed with the given mean. */
  exponential(mean: number): number;
  /** An independent stream, the same for the same label. */
  fork(label: string): Random;
}

/** A generator for the seed (any integer): sfc32 over a splitmix32 expansion of the seed. */
export function seededRandom(seed: number): Random {
  const expand = splitmix32(seed >>> 0);
  const next = sfc32(expand(), expand(), expand(), expand());
  for (let i = 0; i < 12; i++) next();
  return {
    next,
    integer: (bound) => Math.floor(next() * bound),
    exponential: (mean) => -mean * Math.log(1 - next()),
    fork: (label) => seededRandom(hash32(`${seed}/${label}`)),
  };
}

/** In an order that is as likely as any other (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

/** A seed nobody chose, to be printed so that the run can be repeated. */
export function freshSeed(): number {
  return randomInt(2 ** 31);
}

/** A secret nobody can guess: that many random bytes in hex. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** FNV-1a over UTF-16 code units, 32 bits. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function splitmix32(state: number): () => number {
  let s = state;
  return () => {
    s = (s + 0x9e3779b9) | 0;
    let t = s ^ (s >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

function sfc32(a0: number, b0: number, c0: number, d0: number): () => number {
  let a = a0 | 0;
  let b = b0 | 0;
  let c = c0 | 0;
  let d = d0 | 0;
  return () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return (t >>> 0) / 4294967296;
  };
}
