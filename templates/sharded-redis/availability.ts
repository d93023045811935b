/** How many copies and which node time-out the availability and the recovery time ask for. */

import { availabilityOfQuorum, copiesFor, failoverShare } from '../../src/capacity/availability.ts';
import type { Downtime, Excuse, Hardware, Requirements } from '../../src/pattern.ts';
import * as capacity from './capacity.ts';
import { excuse } from './excuse.ts';

type Asked = Requirements['availability'];

export interface Tolerance {
  readonly replicas: number;
  /** 0 where nothing fails over. */
  readonly timeoutMs: number;
  /** Whether a write waits for a replica before it is acknowledged. */
  readonly waits: boolean;
  /** The least that the availability needs; 0 where there is no HTTP service. */
  readonly minApis: number;
  /** Share of the time in which a key cannot be read or written. */
  readonly unavailability: number;
  /** Of it, what failovers take. */
  readonly failovers: number;
  /** A failover as a bench measured one; null: as {@link capacity.failoverMs} has it. */
  readonly measured: Downtime | null;
}

const maxReplicas = 4;
/** One service instance is of no importance for the availability from here on. */
const serviceShare = 0.1;

export interface ClusterNeeds {
  readonly leastReplicas: number;
  readonly rpoMs: number;
  readonly isUsers: boolean;
  readonly waits: (timeoutMs: number) => boolean;
  /** Of a killed primary. */
  readonly measured: Downtime | null;
}

/** A failover takes this many times what the model says, of the time-out that it was measured with. */
export const failoverFactor = (measured: Downtime | null) =>
  measured === null || measured.plannedMs <= 0 ? 1 : measured.meanMs / measured.plannedMs;

/**
 * The least replicas, and the longest time-out, with which a Redis Cluster meets the availability and the recovery time:
 * copies lost at once, and the time that failovers take.
 */
export function clusterFor(
  asked: Asked,
  hardware: Hardware,
  needs: ClusterNeeds,
): Tolerance | { readonly excuse: Excuse } {
  const fastestMs = capacity.failoverMs(capacity.minNodeTimeoutMs);
  const factor = failoverFactor(needs.measured);
  // A quick failover on an idle machine makes no time-out longer; a slow one makes it shorter.
  const slower = Math.max(1, factor);
  const recoveryTimeoutMs = capacity.nodeTimeoutMs((asked.recoveryMs * capacity.recoveryReserve) / slower);
  const leastRecoveryMs = Math.ceil((fastestMs * slower) / capacity.recoveryReserve);
  if (recoveryTimeoutMs < capacity.minNodeTimeoutMs) {
    const reason = `a failover takes at least ${fastestMs} ms: detection, votes, and the clients' new map`;
    const numbers = { recoveryMs: asked.recoveryMs, leastRecoveryMs };
    const relax = { key: 'availability.recoveryMs', to: leastRecoveryMs };
    return { excuse: excuse('Redis Cluster', reason, relax.key, numbers, relax) };
  }
  // Within the loss allowed nobody has to wait: then one replica is enough.
  const longestMs = Math.min(recoveryTimeoutMs, needs.rpoMs >= capacity.leastLossMs ? needs.rpoMs : recoveryTimeoutMs);
  const waits = needs.waits(longestMs);
  const minApis = apisFor(asked, hardware, needs.isUsers);
  const apis = lost(hardware, minApis);
  // Once a machine is lost, a write that waits must still have a replica to wait for.
  for (let replicas = Math.max(waits ? 2 : 1, needs.leastReplicas); replicas <= maxReplicas; replicas++) {
    const copies = unavailabilityOf(hardware, replicas, waits);
    const affordable =
      (1 - asked.target - apis - copies) / failoverShare(unavailable(hardware), hardware.machineRepairMs, 1);
    const timeoutMs = Math.min(longestMs, capacity.nodeTimeoutMs(affordable / slower));
    if (timeoutMs < capacity.minNodeTimeoutMs) continue;
    const failovers = failoversOf(hardware, timeoutMs) * factor;
    const unavailability = apis + copies + failovers;
    const { measured } = needs;
    return { replicas, timeoutMs, waits: needs.waits(timeoutMs), minApis, unavailability, failovers, measured };
  }
  return { excuse: tooOften(asked, hardware, waits, slower) };
}

/** A ring fails nothing over: its keys are away as long as their machine is. */
export function ringFor(asked: Asked, hardware: Hardware, isUsers: boolean): Tolerance | { readonly excuse: Excuse } {
  const minApis = apisFor(asked, hardware, isUsers);
  const unavailability = hardware.machineUnavailability + lost(hardware, minApis);
  if (unavailability <= 1 - asked.target) {
    const none = { replicas: 0, timeoutMs: 0, waits: false, failovers: 0, measured: null };
    return { ...none, minApis, unavailability };
  }
  const reason = 'it has no replicas: a key is away as long as its machine is';
  const to = roundedDown(1 - unavailability);
  const numbers = { target: asked.target, reached: 1 - unavailability };
  return {
    excuse: excuse('cache ring', reason, 'availability.target', numbers, { key: 'availability.target', to }),
  };
}

function tooOften(asked: Asked, hardware: Hardware, waits: boolean, slower: number): Excuse {
  const failovers = failoversOf(hardware, capacity.minNodeTimeoutMs) * slower;
  const reached = 1 - lost(hardware, 3) - unavailabilityOf(hardware, maxReplicas, waits) - failovers;
  const reason =
    'machines fail so often that failovers alone, at their fastest, take more than the availability leaves';
  const numbers = { target: asked.target, reached, fastestFailoverMs: capacity.failoverMs(capacity.minNodeTimeoutMs) };
  const relax = { key: 'availability.target', to: roundedDown(reached) };
  return excuse('Redis Cluster', reason, relax.key, numbers, relax);
}

/** To what is surely met: half as often away again, with two digits of what is left out of 1. */
function roundedDown(availability: number): number {
  return Number((1 - Number(((1 - availability) * 1.5).toPrecision(2))).toFixed(9));
}

/** A key can be written while its primary is up, and a replica to wait for where writes wait. */
function unavailabilityOf(hardware: Hardware, replicas: number, waits: boolean): number {
  const u = hardware.machineUnavailability;
  return waits ? 1 - availabilityOfQuorum(u, 2, 1 + replicas) : u ** (1 + replicas);
}

const unavailable = ({ machineUnavailability }: Hardware) => Math.max(machineUnavailability, 1e-12);

function failoversOf(hardware: Hardware, timeoutMs: number): number {
  return failoverShare(hardware.machineUnavailability, hardware.machineRepairMs, capacity.failoverMs(timeoutMs));
}

/** Two so that one may be lost, more where the target is strict. */
function apisFor(asked: Asked, { machineUnavailability }: Hardware, isUsers: boolean): number {
  if (!isUsers) return 0;
  return Math.max(2, copiesFor(1 - (1 - asked.target) * serviceShare, machineUnavailability, 8) ?? 8);
}

const lost = (hardware: Hardware, apis: number) => (apis === 0 ? 0 : hardware.machineUnavailability ** apis);
