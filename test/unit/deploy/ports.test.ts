import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type Allocation,
  allocatePorts,
  isPortFree,
  type PortNeed,
  portNeeds,
  portRange,
} from '../../../src/deploy/local/ports.ts';
import { DspError } from '../../../src/errors.ts';
import { seededRandom } from '../../../src/random.ts';
import { smallTopology } from '../../e2e/deploy-fixture.ts';

const need = (instance: string, alsoReserveOffset = 0, name = 'p'): PortNeed => ({ instance, name, alsoReserveOffset });

function allocate(change: Partial<Allocation>) {
  return allocatePorts({
    needs: [need('a')],
    range: { from: 100, to: 120 },
    start: 0,
    taken: new Set(),
    held: {},
    preferred: {},
    isFree: async () => true,
    ...change,
  });
}

describe('allocatePorts', () => {
  it('starts where it is told, and goes round', async () => {
    const needs = [need('a'), need('b'), need('c')];
    expect(await allocate({ needs, start: 1_018 })).toEqual({ a: { p: 118 }, b: { p: 119 }, c: { p: 100 } });
  });

  it('keeps what is held without a test, and prefers what was', async () => {
    const needs = [need('a'), need('b'), need('c')];
    const tested: number[] = [];
    const isFree = async (port: number) => {
      tested.push(port);
      return port !== 107;
    };
    const given = await allocate({
      needs,
      held: { a: { p: 105 } },
      preferred: { b: { p: 106 }, c: { p: 107 } },
      isFree,
    });
    expect(given).toEqual({ a: { p: 105 }, b: { p: 106 }, c: { p: 100 } });
    expect(tested).not.toContain(105);
  });

  it('never gives a preferred port that another instance holds', async () => {
    const needs = [need('a'), need('b')];
    expect(await allocate({ needs, held: { b: { p: 105 } }, preferred: { a: { p: 105 } } })).toMatchObject({
      a: { p: 100 },
    });
  });

  it('refuses when the range does not suffice', async () => {
    const needs = Array.from({ length: 21 }, (_, i) => need(`i${i}`));
    await expect(allocate({ needs })).rejects.toThrow(DspError);
    await expect(allocate({ needs: [need('a', 30)] })).rejects.toMatchObject({ code: 'env.ports-taken', exitCode: 4 });
  });

  const seed = 77;
  it(`gives each port once, with what is reserved beside it, and nobody else's (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    for (let run = 0; run < 200; run++) {
      const taken = new Set(Array.from({ length: 40 }, () => 100 + random.integer(200)));
      const busy = new Set(Array.from({ length: 20 }, () => 100 + random.integer(200)));
      const needs = Array.from({ length: 10 }, (_, i) => need(`i${i}`, random.next() < 0.5 ? 60 : 0, `n${i % 2}`));
      const preferred = { i1: { n1: 100 + random.integer(200) }, i2: { n0: 100 + random.integer(200) } };
      const isFree = async (port: number) => !busy.has(port);
      const given = await allocate({
        needs,
        taken,
        preferred,
        range: { from: 100, to: 300 },
        start: random.integer(1e9),
        isFree,
      });
      const all = needs.flatMap(({ instance, name, alsoReserveOffset }) => {
        const port = given[instance]?.[name] as number;
        return alsoReserveOffset === 0 ? [port] : [port, port + alsoReserveOffset];
      });
      expect(new Set(all).size).toBe(all.length);
      expect(all.filter((port) => taken.has(port) || busy.has(port) || port < 100 || port >= 300)).toEqual([]);
    }
  });
});

describe('portRange', () => {
  it('ends where the kernel begins, and has room for a cluster bus', () => {
    expect(portRange(32_768)).toEqual({ from: 12_000, to: 32_768 });
    expect(portRange(49_152)).toEqual({ from: 12_000, to: 49_152 });
    for (const start of [1_024, 10_000, 20_000]) expect(portRange(start)).toEqual({ from: 12_000, to: 32_768 });
  });
});

describe('portNeeds', () => {
  it('asks for each port of each replica', () => {
    expect(portNeeds(smallTopology)).toEqual([
      { instance: 'store-redis-0', name: 'redis', alsoReserveOffset: 10_000 },
      { instance: 'store-redis-1', name: 'redis', alsoReserveOffset: 10_000 },
      { instance: 'web-api-0', name: 'http', alsoReserveOffset: 0 },
    ]);
  });
});

describe('isPortFree', () => {
  it.each(['127.0.0.1', '0.0.0.0', '::'])('sees a listener on %s', async (host) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as { port: number };
    expect(await isPortFree(port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree(port)).toBe(true);
  });
});
