/** Sums of cells: by what they are added up is the owner's to say. */

import type { CellData, Counts } from '../generator/generator-protocol.ts';
import { Hdr } from '../generator/hdr.ts';
import type { Cell } from './figures.ts';

export type NamedCell = Omit<CellData, 'part'> & { readonly part: string };

type Sum = Cell & { readonly second: number } & Counts & { readonly byStatus: Record<string, number> };

export class CellSums {
  readonly #keyOf: (cell: NamedCell) => string;
  readonly #sums = new Map<string, Sum>();

  /** Cells of one key are added up; of what else they say, the first is taken. */
  constructor(keyOf: (cell: NamedCell) => string) {
    this.#keyOf = keyOf;
  }

  add(cell: NamedCell): void {
    const sum = this.#sum(cell);
    for (const name of ['offered', 'sent', 'correct', 'failed', 'late', 'behind', 'dropped'] as const) {
      sum[name] += cell[name];
    }
    for (const [status, count] of Object.entries(cell.byStatus)) {
      sum.byStatus[status] = (sum.byStatus[status] ?? 0) + count;
    }
    sum.latency.merge(cell.latency);
    sum.lag.merge(cell.lag);
  }

  /** In order of their first cell. */
  all(): readonly Cell[] {
    return [...this.#sums.values()];
  }

  /** Removes and returns the sums of seconds before that one. */
  takeBefore(second: number): readonly NamedCell[] {
    const taken: NamedCell[] = [];
    for (const [key, sum] of this.#sums) {
      if (sum.second >= second) continue;
      this.#sums.delete(key);
      taken.push({ ...sum, latency: sum.latency.data(), lag: sum.lag.data() });
    }
    return taken;
  }

  #sum(cell: NamedCell): Sum {
    const key = this.#keyOf(cell);
    const known = this.#sums.get(key);
    if (known !== undefined) return known;
    const { part, operation, phase, second } = cell;
    const zero = { offered: 0, sent: 0, correct: 0, failed: 0, late: 0, behind: 0, dropped: 0 };
    const sum = { part, operation, phase, second, ...zero, byStatus: {}, latency: new Hdr(), lag: new Hdr() };
    this.#sums.set(key, sum);
    return sum;
  }
}
