import { describe, expect, it } from 'vitest';
import {
  type Consumer,
  capacityOf,
  contention,
  type MachineLoad,
  sharedP99Ms,
  usableShare,
} from '../../../src/capacity/machine-capacity.ts';
import { seededRandom } from '../../../src/random.ts';

const consumer = (name: string, changes: Partial<Consumer> = {}): Consumer => ({
  ...{ name, instances: 2, idleUs: 0, plannedUs: 100_000, busiestShare: 0.5 },
  ...changes,
});

const machine = (changes: Partial<MachineLoad> = {}): MachineLoad => ({
  cores: 2,
  foreignShare: 0,
  consumers: [consumer('service'), consumer('engine', { plannedUs: 50_000 })],
  plannedPerSecond: 1000,
  p99Ms: 1000,
  contention,
  busyCurve: [],
  ...changes,
});

describe('the capacity of a machine', () => {
  it('is its cores ÷ what an operation takes of all processes, where latency hardly matters', () => {
    const { perSecond, binding } = capacityOf(machine());
    // 150 µs an operation on two cores that slow each other a little.
    expect(binding).toBe('all cores');
    expect(perSecond).toBeGreaterThan((0.98 * (2 / (1 + contention))) / 150e-6);
    expect(perSecond).toBeLessThan(2 / (1 + contention) / 150e-6);
  });

  it('is one core of the single-threaded process that is busiest, where that comes first', () => {
    const hot = consumer('hot', { plannedUs: 200_000, busiestShare: 0.9 });
    const { perSecond, binding } = capacityOf(machine({ consumers: [hot], cores: 16 }));
    expect(binding).toBe('hot');
    expect(perSecond).toBeCloseTo((0.95 / 0.18) * 1000, 0);
  });

  it('is less with others on the machine, with idle work, with fewer cores and with a tighter p99', () => {
    const base = capacityOf(machine()).perSecond;
    const lower = [
      machine({ foreignShare: 0.2 }),
      machine({ cores: 1 }),
      machine({ p99Ms: 3 }),
      machine({ consumers: [...machine().consumers, consumer('idle', { plannedUs: 0, idleUs: 300_000 })] }),
    ];
    for (const each of lower) expect(capacityOf(each).perSecond).toBeLessThan(0.95 * base);
  });

  it('is ended where the p99 was seen to pass its bound, and by the model where it was not', () => {
    const busyCurve = [
      { busyShare: 0.5, p99Ms: 2 },
      { busyShare: 0.7, p99Ms: 8 },
      { busyShare: 0.8, p99Ms: 32 },
    ];
    const free = 2 / (1 + contention);
    expect(capacityOf(machine({ busyCurve, p99Ms: 16 })).perSecond).toBeCloseTo((0.75 * free) / 150e-6, 0);
    expect(capacityOf(machine({ busyCurve, p99Ms: 100 }))).toEqual(capacityOf(machine({ p99Ms: 100 })));
  });

  it('is the same factor of twice the rates with half the work each', () => {
    const half = machine().consumers.map((each) => ({ ...each, plannedUs: each.plannedUs / 2 }));
    const doubled = capacityOf(machine({ consumers: half, plannedPerSecond: 1000 }));
    expect(doubled.factor / capacityOf(machine()).factor).toBeCloseTo(2, 1);
  });
});

describe('processor sharing', () => {
  it('takes what an idle machine takes when nobody else is there, and longer the fuller it is', () => {
    expect(sharedP99Ms(2, 0, 1)).toBeCloseTo(Math.log(100), 6);
    expect(sharedP99Ms(2, 1, 1)).toBe(Number.POSITIVE_INFINITY);
    let before = 0;
    for (let load = 0; load < 1; load += 0.05) {
      const now = sharedP99Ms(2, load, 1);
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });

  it('is close to a simulation of one core shared by all', () => {
    const simulated = simulatedP99(0.7);
    expect(sharedP99Ms(1, 0.7, 1)).toBeGreaterThan(0.8 * simulated);
    expect(sharedP99Ms(1, 0.7, 1)).toBeLessThan(1.6 * simulated);
  });

  it('gives the utilisation at which the bound is just met', () => {
    const share = usableShare(2, 0.2, 5);
    expect(sharedP99Ms(2, share, 0.2)).toBeCloseTo(5, 3);
    expect(usableShare(2, 10, 5)).toBe(0);
  });
});

/** Jobs of one size (1) on one core that serves all of them at once, in equal shares. */
function simulatedP99(load: number): number {
  const random = seededRandom(11);
  const sojourns: number[] = [];
  let [now, nextArrival] = [0, random.exponential(1 / load)];
  let jobs: { left: number; readonly from: number }[] = [];
  while (sojourns.length < 50_000) {
    const shortest = jobs.reduce((least, { left }) => Math.min(least, left), Number.POSITIVE_INFINITY);
    const ends = jobs.length === 0 ? Number.POSITIVE_INFINITY : now + shortest * jobs.length;
    const until = Math.min(nextArrival, ends);
    const served = jobs.length > 0 ? (until - now) / jobs.length : 0;
    for (const job of jobs) job.left -= served;
    now = until;
    for (const job of jobs) if (job.left <= 1e-9) sojourns.push(now - job.from);
    jobs = jobs.filter(({ left }) => left > 1e-9);
    if (now === nextArrival) {
      jobs.push({ left: 1, from: now });
      nextArrival = now + random.exponential(1 / load);
    }
  }
  sojourns.sort((a, b) => a - b);
  return sojourns[Math.floor(0.99 * sojourns.length)] ?? 0;
}
