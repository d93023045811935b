/** Machines as they are looked after, and lost as often as is stated. */

import { unavailabilityWith, yearMs } from '../capacity/availability.ts';
import type { Hardware } from '../pattern.ts';
import type { Requirements } from '../requirements/requirements.ts';

/** Lost as often as stated, at its highest, and away for longer or not so long by who looks after them. */
export function staffed(hardware: Hardware, { operations }: Requirements): Hardware {
  const { machineUnavailability: usual, machineRepairMs } = hardware;
  const effort = unavailabilityWith(operations.effort, usual);
  const repairMs = machineRepairMs * (usual > 0 ? effort / usual : 1);
  if (operations.lossesPerYear === undefined) {
    return { ...hardware, machineUnavailability: effort, machineRepairMs: repairMs };
  }
  // The mean time of up and down is a year by the number of losses: what is away is the repair's share of it.
  const away = Math.min(0.5, (operations.lossesPerYear.high * repairMs) / yearMs);
  return { ...hardware, machineUnavailability: Number(away.toPrecision(9)), machineRepairMs: repairMs };
}
