/**
 * What an instrumented deployment has besides: a proxy before every port that processes reach each other by, and a way to
 * start them that lets their clocks be stepped and their files be kept from growing. Pure.
 */

import { join } from 'node:path';
import type { Topology, Value } from '../../pattern.ts';
import { instanceId, type PortMap, type PortNeed } from './ports.ts';
import type { Route } from './proxy/protocol.ts';
import { syncedFile, syncedVariable } from './synced.ts';

export interface Instruments {
  /** Absolute path of libfaketime; null: clocks can't be stepped. */
  readonly faketime: string | null;
  /** Absolute path of the library that notes what was synced; null: nobody knows. */
  readonly synced: string | null;
  /** Absolute path of the fault proxy's entry. */
  readonly proxyMain: string;
}

export const proxySet = 'fault-proxy';
export const proxyId = instanceId(proxySet, 0);
export const controlPort = 'control';

/** In the process's working directory: what libfaketime adds to the clock, `+3600`. */
export const clockFile = 'clock';

/** The proxy's ports: its own, and one for each port of `topology` that an address refers to, and for what is beside it. */
export function proxyNeeds(topology: Topology): readonly PortNeed[] {
  const names = topology.processSets.flatMap((set) => {
    const reached = set.ports.filter(({ name }) => isReached(topology, set.id, name));
    return Array.from({ length: set.replicas }, (_, ordinal) =>
      reached.flatMap(({ name, alsoReserveOffset }) =>
        (alsoReserveOffset === undefined ? [0] : [0, alsoReserveOffset]).map((offset) =>
          proxyPortName(instanceId(set.id, ordinal), name, offset),
        ),
      ),
    ).flat();
  });
  return [controlPort, ...names].map((name) => ({ instance: proxyId, name, alsoReserveOffset: 0 }));
}

/** The needs of instances that leave and are still to be reached. */
export function leavingNeeds(before: PortMap, leaving: readonly string[]): readonly PortNeed[] {
  return Object.keys(before[proxyId] ?? {})
    .filter((name) => leaving.includes(name.split('/')[0] ?? ''))
    .map((name) => ({ instance: proxyId, name, alsoReserveOffset: 0 }));
}

function isReached(topology: Topology, set: string, port: string): boolean {
  const refers = (value: Value): boolean => {
    if (typeof value === 'string') return false;
    if ('concat' in value) return value.concat.some(refers);
    return 'addressesOf' in value && value.addressesOf === set && value.port === port;
  };
  return [...topology.processSets, ...topology.jobs].some(({ args, env }) =>
    [...args, ...Object.values(env)].some(refers),
  );
}

function proxyPortName(instance: string, port: string, offset: number): string {
  return `${instance}/${port}/${offset}`;
}

/** The port of the proxy that stands before an instance's, or undefined when none does. */
export function proxyPort(ports: PortMap, instance: string, port: string, offset: number): number | undefined {
  return ports[proxyId]?.[proxyPortName(instance, port, offset)];
}

/** Every route that the ports name; `setOf` an instance that there is. */
export function routesOf(ports: PortMap, setOf: (instance: string) => string | undefined): readonly Route[] {
  return Object.entries(ports[proxyId] ?? {}).flatMap(([name, listen]) => {
    const [instance = '', port = '', offset = '0'] = name.split('/');
    const own = ports[instance]?.[port];
    const set = setOf(instance);
    return own === undefined || set === undefined ? [] : [{ instance, set, listen, target: own + Number(offset) }];
  });
}

interface Execution {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Ignores SIGXFSZ, so that a write beyond the limit of a file's size fails instead of ending the process, and then becomes
 * the program itself.
 */
const ignoringFileLimit = `trap '' XFSZ; exec "$0" "$@"`;

export function instrumented(execution: Execution, { faketime, synced }: Instruments): Execution {
  const { command, args, env, cwd } = execution;
  // The C library's malloc comes first: other allocators read the clock before libfaketime is ready.
  const preloaded = [...(synced === null ? [] : [synced]), ...(faketime === null ? [] : [faketime, 'libc.so.6'])];
  const clock: Record<string, string> =
    faketime === null
      ? {}
      : {
          FAKETIME_TIMESTAMP_FILE: join(cwd, clockFile),
          // How often it looks at the file, in seconds; without it, at every call.
          FAKETIME_CACHE_DURATION: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        };
  const preload: Record<string, string> = {
    ...(preloaded.length === 0 ? {} : { LD_PRELOAD: preloaded.join(':') }),
    ...(synced === null ? {} : { [syncedVariable]: join(cwd, syncedFile) }),
  };
  const all = { ...env, ...preload, ...clock };
  return { command: '/bin/sh', args: ['-c', ignoringFileLimit, command, ...args], env: all, cwd };
}
