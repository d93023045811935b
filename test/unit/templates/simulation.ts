/** A seeded discrete-event simulation: what happens at which moment, in order of time, without waiting for any of it. */

export interface Simulation {
  readonly nowMs: number;
  /** Runs `act` that much later. Equal times keep the order of the calls. */
  after(delayMs: number, act: () => void): void;
  /** Runs everything, to the end. */
  run(): void;
}

export function simulation(): Simulation {
  const agenda: { readonly atMs: number; readonly act: () => void }[] = [];
  let nowMs = 0;
  return {
    get nowMs() {
      return nowMs;
    },
    after(delayMs, act) {
      const atMs = nowMs + delayMs;
      let low = 0;
      let high = agenda.length;
      // Latest first, so that the next one is at the end.
      while (low < high) {
        const middle = (low + high) >> 1;
        if (agenda[middle]!.atMs > atMs) low = middle + 1;
        else high = middle;
      }
      agenda.splice(low, 0, { atMs, act });
    },
    run() {
      for (let next = agenda.pop(); next !== undefined; next = agenda.pop()) {
        nowMs = next.atMs;
        next.act();
      }
    },
  };
}
