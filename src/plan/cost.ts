/** What a plan costs a month. */

import type { Hardware, Json, Machine, Sized } from '../pattern.ts';

/** Throws RangeError for a machine that is not on offer: a pattern chose from this very list. */
export function machineOf(hardware: Hardware, name: string): Machine {
  const machine = hardware.machines.find((candidate) => candidate.name === name);
  if (machine === undefined) throw new RangeError(`no machine ${name} on offer`);
  return machine;
}

/** USD a month. */
export function costOf(sized: Pick<Sized<Json>, 'machines'>, hardware: Hardware): number {
  return sized.machines.reduce((sum, { machine, count }) => sum + machineOf(hardware, machine).usdPerMonth * count, 0);
}
