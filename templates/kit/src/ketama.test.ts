import { describe, expect, it } from 'vitest';
import { buildRing, fnv1a64, serverOf } from './ketama.ts';

const equal = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `cache-${index}`, weight: 1 }));
const keys = Array.from({ length: 50_000 }, (_, index) => `user:${index * 7919}`);

function shares(ring: ReturnType<typeof buildRing>, servers: number): number[] {
  const counts = new Array<number>(servers).fill(0);
  for (const key of keys) counts[serverOf(ring, key)] = (counts[serverOf(ring, key)] ?? 0) + 1;
  return counts.map((count) => count / keys.length);
}

describe('the ketama ring', () => {
  it('has 160 points a server of equal weight, in ascending order', () => {
    const { points, servers } = buildRing(equal(5));
    expect(points.length).toBe(800);
    expect([...points]).toEqual([...points].sort((a, b) => a - b));
    for (let server = 0; server < 5; server++) expect(servers.filter((found) => found === server).length).toBe(160);
  });

  it('spreads keys evenly within what 160 points allow', () => {
    for (const share of shares(buildRing(equal(5)), 5)) {
      expect(share).toBeGreaterThan(0.2 * 0.7);
      expect(share).toBeLessThan(0.2 * 1.3);
    }
  });

  it('spreads keys by weight', () => {
    const [light = 0, heavy = 0] = shares(
      buildRing([
        { name: 'light', weight: 1 },
        { name: 'heavy', weight: 3 },
      ]),
      2,
    );
    expect(heavy / light).toBeGreaterThan(2);
    expect(heavy / light).toBeLessThan(4.5);
  });

  it('moves about one key in n + 1 to a new server, and none between the old', () => {
    const before = buildRing(equal(4));
    const after = buildRing(equal(5));
    const moved = keys.filter((key) => serverOf(before, key) !== serverOf(after, key));
    expect(moved.length / keys.length).toBeGreaterThan(0.1);
    expect(moved.length / keys.length).toBeLessThan(0.3);
    for (const key of moved) expect(serverOf(after, key)).toBe(4);
  });

  it('hashes to 32 bits, bytes above 127 as signed', () => {
    expect(fnv1a64('')).toBe(0x84222325);
    expect(fnv1a64('a')).toBe(Math.imul(0x84222325 ^ 0x61, 0x1b3) >>> 0);
    expect(fnv1a64('\u00e9')).toBe(Math.imul(Math.imul(0x84222325 ^ 0xffffffc3, 0x1b3) ^ 0xffffffa9, 0x1b3) >>> 0);
  });

  it.each(['user:1', 'user:é', 'é:user', 'a😀b', '\u007f', '\u0080'])('hashes the bytes of %j, one by one', (key) => {
    let hash = 0x84222325;
    for (const byte of new Int8Array(Buffer.from(key))) hash = Math.imul(hash ^ byte, 0x1b3);
    expect(fnv1a64(key)).toBe(hash >>> 0);
  });
});
