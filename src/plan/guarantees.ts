/** Whether what a part offers under a capability is what another asks of it. */

import type { Demand, Guarantees } from '../pattern.ts';

/** A guarantee that is not met: in words, and as numbers (of what is yes or no: 1 or 0). */
export interface Unmet {
  readonly reason: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** The first guarantee that is not met; null when all are. */
export function unmetBy(offered: Guarantees | undefined, demand: Demand): Unmet | null {
  if (offered === undefined) return { reason: `it does not offer ${demand.capability}`, numbers: { offered: 0 } };
  const asked = demand.guarantees;
  for (const name of ['evicts', 'durability', 'atomicScripts', 'waitsForReplica', 'encrypted'] as const) {
    // More protection than asked for does no harm.
    if (name === 'encrypted' && asked.encrypted === false) continue;
    if (asked[name] !== undefined && asked[name] !== offered[name]) {
      const reason = `${demand.from} needs ${name} = ${asked[name]}, and it offers ${offered[name]}`;
      return { reason, numbers: { asked: numberOf(asked[name]), offered: numberOf(offered[name]) } };
    }
  }
  if (asked.replicas !== undefined && offered.replicas < asked.replicas) {
    const reason = `${demand.from} needs ${asked.replicas} replicas, and it has ${offered.replicas}`;
    return { reason, numbers: { asked: asked.replicas, offered: offered.replicas } };
  }
  for (const name of ['failoverLossMs', 'failoverMs'] as const) {
    const most = asked[name];
    if (most !== undefined && offered[name] > most) {
      const reason = `${demand.from} allows ${name} ≤ ${most}, and it has ${offered[name]}`;
      return { reason, numbers: { most, offered: offered[name] } };
    }
  }
  return null;
}

const numberOf = (value: boolean | 'none' | 'disk' | undefined) => (value === true || value === 'disk' ? 1 : 0);
