/** Instances that lease from one store (the service's own state machine), in simulation: a right limiter, and mutants of it. */

import type { Random } from '../../../src/random.ts';
import { ruling } from '../../../templates/rate-limiter/ruling.ts';
import {
  compileRate,
  debtAt,
  type KeyState,
  type Rate,
  stateOf,
} from '../../../templates/rate-limiter/service/src/gcra.ts';
import { KeyLease, type LeaseTerms, type Unspent } from '../../../templates/rate-limiter/service/src/lease.ts';
import type { MakeLimiter } from './limiter-simulation.ts';
import type { Simulation } from './simulation.ts';

export interface Leasing {
  readonly instances: number;
  readonly terms: LeaseTerms;
  /** Mean delay between an instance and the store, each way. */
  readonly delayMs: number;
  /** Share of the calls that are lost, before the store or after it. */
  readonly lostShare: number;
  /** Mean time between two deaths of an instance; the next one starts with nothing. */
  readonly deathMs: number;
  /** Instance of a check; any, unless given. */
  readonly route?: (key: string, random: Random) => number;
  /** Leases that the store does not count, and leases of more than a chunk. */
  readonly mutant?: 'uncounted' | 'unbounded';
}

interface Waiting {
  readonly cost: number;
  readonly resolve: (result: number) => void;
}

/** The store's script (script.ts) on the pure model. */
class Store {
  readonly rate: Rate;
  readonly #states = new Map<string, KeyState>();
  readonly #time: Simulation;
  calls = 0;

  constructor(rate: Rate, time: Simulation) {
    this.rate = rate;
    this.#time = time;
  }

  #nowUs(): number {
    return Math.floor(this.#time.nowMs * 1000);
  }

  #debt(key: string): number {
    return debtAt(this.rate, this.#states.get(key), this.#nowUs());
  }

  take(key: string, need: number, want: number, sharers: number, counted = true) {
    this.calls++;
    const debt = this.#debt(key);
    const fits = Math.floor((this.rate.capacityTicks - debt) / this.rate.unitTicks);
    const units = Math.max(Math.min(need, fits), Math.min(want, Math.floor(fits / sharers)));
    const debtTicks = debt + units * this.rate.unitTicks;
    if (units > 0 && counted) this.#states.set(key, stateOf(this.rate, debtTicks, this.#nowUs()));
    return { units, debtTicks, atUs: this.#nowUs() };
  }

  check(key: string, cost: number): boolean {
    const debt = this.#debt(key) + cost * this.rate.unitTicks;
    this.calls++;
    if (debt > this.rate.capacityTicks) return false;
    this.#states.set(key, stateOf(this.rate, debt, this.#nowUs()));
    return true;
  }

  refund(key: string, { units, charge }: Unspent): void {
    const drained = (this.#nowUs() - charge.atUs) * this.rate.ticksPerUs;
    const ticks = Math.min(units * this.rate.unitTicks, charge.debtTicks - drained);
    if (ticks > 0) this.#states.set(key, stateOf(this.rate, Math.max(0, this.#debt(key) - ticks), this.#nowUs()));
  }
}

/** One instance as the service's shell (leases.ts) runs it. */
class Instance {
  readonly #leases = new Map<string, KeyLease<Waiting>>();
  #alive = true;
  readonly #store: Store;
  readonly #time: Simulation;
  readonly #random: Random;
  readonly #leasing: Leasing;

  constructor(store: Store, time: Simulation, random: Random, leasing: Leasing) {
    this.#store = store;
    this.#time = time;
    this.#random = random;
    this.#leasing = leasing;
  }

  /** What is held dies with it, and whoever waits is never answered. */
  die(): void {
    this.#alive = false;
  }

  check(key: string, cost: number, decide: (result: number) => void): void {
    const lease = this.#leaseOf(key);
    const nowMs = this.#time.nowMs;
    const asked = lease.ask(cost, nowMs);
    if (asked === 'admitted') decide(ruling.admitted);
    if (asked === 'refused') decide(ruling.denied);
    if (asked === 'exact') {
      const decided = () => (this.#store.check(key, cost) ? ruling.admitted : ruling.denied);
      this.#roundTrip(decided, (result) => decide(result ?? ruling.deniedWithoutStore));
    }
    if (asked === 'wait') lease.enqueue({ cost, resolve: decide });
    this.#callIfDue(key, lease);
    this.#sweepLater(key, lease);
  }

  #leaseOf(key: string): KeyLease<Waiting> {
    const { terms, mutant } = this.#leasing;
    const chunk = mutant === 'unbounded' ? 10 * terms.chunk : terms.chunk;
    const lease = this.#leases.get(key) ?? new KeyLease<Waiting>(this.#store.rate, { ...terms, chunk });
    this.#leases.set(key, lease);
    return lease;
  }

  #callIfDue(key: string, lease: KeyLease<Waiting>): void {
    const sentMs = this.#time.nowMs;
    const call = lease.call(sentMs);
    if (call === undefined) return;
    if (call.unspent) this.#refund(key, call.unspent);
    const { instances, mutant } = this.#leasing;
    // The mutant leaves it to the store how much it leases.
    const [want, sharers] = mutant === 'unbounded' ? [Number.MAX_SAFE_INTEGER, 1] : [call.want, instances + 1];
    const take = () => this.#store.take(key, call.need, want, sharers, mutant !== 'uncounted');
    this.#roundTrip(take, (grant) => {
      if (grant === undefined) {
        for (const { resolve } of lease.fail(this.#time.nowMs)) resolve(ruling.deniedWithoutStore);
      } else {
        const { admitted, refused, excess } = lease.settle(grant, sentMs, this.#time.nowMs);
        for (const { resolve } of admitted) resolve(ruling.admitted);
        for (const { resolve } of refused) resolve(ruling.denied);
        if (excess) this.#refund(key, excess);
      }
      this.#callIfDue(key, lease);
    });
  }

  #sweepLater(key: string, lease: KeyLease<Waiting>): void {
    this.#time.after(this.#leasing.terms.leaseMs * 1.1, () => {
      if (!this.#alive) return;
      const unspent = lease.takeBack(this.#time.nowMs);
      if (unspent) this.#refund(key, unspent);
    });
  }

  #refund(key: string, unspent: Unspent): void {
    this.#roundTrip(
      () => this.#store.refund(key, unspent),
      () => {},
    );
  }

  /** Undefined when the call, or its answer, was lost; nothing where the instance has died. */
  #roundTrip<T>(act: () => T, answer: (value: T | undefined) => void): void {
    const delay = () => this.#random.exponential(this.#leasing.delayMs);
    const lost = this.#random.next() < this.#leasing.lostShare ? this.#random.integer(2) : -1;
    this.#time.after(delay(), () => {
      const value = lost === 0 ? undefined : act();
      this.#time.after(delay(), () => this.#alive && answer(lost === 1 ? undefined : value));
    });
  }
}

/** `told` of how often the store was called. */
export const leasedLimiter =
  (leasing: Leasing, told: { calls: number } = { calls: 0 }): MakeLimiter =>
  ({ ratePerMs, burst }, time, random) => {
    const rate = compileRate({ limit: Math.round(ratePerMs * 1e6), periodMs: 1e6, burst });
    const store = new Store(rate, time);
    const start = (index: number) => new Instance(store, time, random.fork(`instance ${index}`), leasing);
    const instances = Array.from({ length: leasing.instances }, (_, index) => start(index));
    let restarts = 0;
    let diesMs = random.exponential(leasing.deathMs);
    return (key, cost, decide) => {
      if (time.nowMs > diesMs) {
        const index = random.integer(instances.length);
        instances[index]!.die();
        instances[index] = start(leasing.instances + restarts++);
        diesMs = time.nowMs + random.exponential(leasing.deathMs);
      }
      const index = leasing.route?.(key, random) ?? random.integer(instances.length);
      instances[index]!.check(key, cost, decide);
      told.calls = store.calls;
    };
  };
