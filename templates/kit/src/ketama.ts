/**
 * twemproxy's consistent hashing, point for point: distribution ketama (nc_ketama.c) over hash fnv1a_64 (nc_fnv.c), so
 * that a key is found on the same server through either. Adding one server to n moves about 1/(n + 1) of the keys.
 */

import { createHash } from 'node:crypto';

export interface RingServer {
  /** What is hashed; the address may change, the name must not. */
  readonly name: string;
  /** Positive; the share of the keys is in proportion to it. */
  readonly weight: number;
}

/** Points in ascending order, and for each the index of its server. */
export interface Ring {
  readonly points: Uint32Array;
  readonly servers: Uint16Array;
}

const pointsPerServer = 160;
const pointsPerDigest = 4;

export function buildRing(servers: readonly RingServer[]): Ring {
  if (servers.length === 0) throw new RangeError('a ring needs a server');
  const totalWeight = servers.reduce((sum, server) => sum + server.weight, 0);
  const points = servers.flatMap((server, index) =>
    pointsOf(server.name, digestCount(server.weight, totalWeight, servers.length)).map((point) => ({ point, index })),
  );
  points.sort((a, b) => a.point - b.point);
  return {
    points: Uint32Array.from(points, ({ point }) => point),
    servers: Uint16Array.from(points, ({ index }) => index),
  };
}

/** Index of the key's server: the first point at or after the key's hash, and the first of all past the last. */
export function serverOf(ring: Ring, key: string): number {
  const hash = fnv1a64(key);
  let left = 0;
  let right = ring.points.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if ((ring.points[middle] as number) < hash) left = middle + 1;
    else right = middle;
  }
  return ring.servers[left === ring.points.length ? 0 : left] as number;
}

const offsetBasis = 0x84222325;
const prime = 0x1b3;

/**
 * twemproxy's fnv1a_64: it keeps only the low 32 bits at every step, and reads bytes as C's char, which is signed on
 * x86: a byte of 128 or more sets all the upper bits.
 */
export function fnv1a64(key: string): number {
  let hash = offsetBasis;
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    // Nearly every key is plain text, of which each character is its byte.
    if (code > 127) return hashBytes(Buffer.from(key));
    hash = Math.imul(hash ^ code, prime);
  }
  return hash >>> 0;
}

function hashBytes(bytes: Buffer): number {
  let hash = offsetBasis;
  for (const byte of bytes) hash = Math.imul(hash ^ ((byte << 24) >> 24), prime);
  return hash >>> 0;
}

/** The same single-precision arithmetic as in C, or a server's share would differ by a digest. */
function digestCount(weight: number, totalWeight: number, serverCount: number): number {
  const share = Math.fround(Math.fround(weight) / Math.fround(totalWeight));
  const perDigest = Math.fround(Math.fround(share * pointsPerServer) / pointsPerDigest);
  return Math.floor(Math.fround(Math.fround(perDigest * serverCount) + 0.0000000001));
}

function pointsOf(name: string, digests: number): number[] {
  const points: number[] = [];
  for (let index = 0; index < digests; index++) {
    const digest = createHash('md5').update(`${name}-${index}`).digest();
    for (let part = 0; part < pointsPerDigest; part++) points.push(digest.readUInt32LE(4 * part));
  }
  return points;
}
