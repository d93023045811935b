/** Faults that last until they are lifted: what is done to connections, clocks and files of an instance. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Hold, missed, type NetworkRule, type Witness } from '../deployment.ts';
import { guard } from './guard.ts';
import { clockFile, proxyId } from './instruments.ts';
import type { ProcessView } from './procfs.ts';
import { openProxy } from './proxy/client.ts';
import type { Counters } from './proxy/protocol.ts';
import type { InstanceRecord, RunState } from './registry.ts';

export async function disturb(state: RunState, { spec }: InstanceRecord, rule: NetworkRule): Promise<Hold> {
  const proxy = state.instances[proxyId];
  if (proxy === undefined) return missed('no fault proxy is deployed');
  const control = await openProxy(proxy.spec).catch((error: unknown) => String(error));
  if (typeof control === 'string') return missed(`the fault proxy does not answer: ${control}`);
  const began = await control.disturb({ instance: spec.id, set: spec.set, rule });
  return {
    // What comes later counts too, so that only the end tells whether it hit.
    began: { hit: true, seen: `the proxy took hold of ${began.connections} connections of ${spec.id}` },
    async lift() {
      try {
        return networkWitness(rule, await control.lift());
      } finally {
        control.close();
      }
    },
  };
}

/** A fault that touched no byte did not hit. */
function networkWitness(rule: NetworkRule, counters: Counters): Witness {
  const { connections, resets, delayedBytes, heldBytes, swallowedBytes } = counters;
  switch (rule.kind) {
    case 'latency':
      return { hit: delayedBytes > 0, seen: `the proxy delayed ${delayedBytes} bytes of ${connections} connections` };
    case 'reset':
      return { hit: resets > 0, seen: `the proxy reset ${resets} connections` };
    case 'half-open':
      return {
        hit: swallowedBytes > 0,
        seen: `the proxy swallowed ${swallowedBytes} bytes of ${connections} connections`,
      };
    default:
      return { hit: heldBytes > 0, seen: `the proxy held back ${heldBytes} bytes of ${connections} connections` };
  }
}

/** How the process's clock was read is the caller's to say: a file that nobody reads moves nothing. */
export async function stepClock({ spec }: InstanceRecord, offsetMs: number): Promise<Hold> {
  if (spec.env.FAKETIME_TIMESTAMP_FILE === undefined) return missed(`${spec.id} was started without libfaketime`);
  const path = join(spec.cwd, clockFile);
  const text = `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1000}`;
  writeFileSync(path, text);
  const release = guard('rm -f "$1"; printf +0 > "$1"', [path]);
  return {
    began: { hit: true, seen: `its clock was to go ${text} s` },
    async lift() {
      writeFileSync(path, '+0');
      release();
      return { hit: true, seen: 'its clock was to go right again' };
    },
  };
}

const unlimited = 'unlimited';

/**
 * The process's files may not grow beyond its largest now: what is appended fails with EFBIG, as it would with ENOSPC on a
 * full disk, without a privilege and without filling anybody's disk. Whether a write failed is read from its log.
 */
export async function fillDisk({ spec }: InstanceRecord, process: ProcessView): Promise<Hold> {
  if (spec.command !== '/bin/sh') return missed(`${spec.id} was not started so that its files can be limited`);
  const largest = Math.max(0, ...spec.volumes.flatMap(fileSizes));
  const logFrom = sizeOf(spec.logPath);
  const problem = limitFiles(process.pid, `${largest}`);
  if (problem !== null) return missed(`its files cannot be limited: ${problem}`);
  const release = guard('prlimit --pid "$1" --fsize=unlimited:', [`${process.pid}`]);
  return {
    began: { hit: true, seen: `its files may not grow beyond ${largest} bytes (RLIMIT_FSIZE in place of a full disk)` },
    async lift() {
      limitFiles(process.pid, unlimited);
      release();
      const failed = readFrom(spec.logPath, logFrom)
        .split('\n')
        .find((line) => /ENOSPC|EFBIG|No space left|File too large/.test(line));
      return failed === undefined
        ? { hit: false, seen: 'its log tells of no write that failed' }
        : { hit: true, seen: `its log: ${failed.trim().slice(0, 160)}` };
    },
  };
}

/** Only the soft limit, which its owner may raise again. */
function limitFiles(pid: number, bytes: string): string | null {
  try {
    execFileSync('prlimit', ['--pid', `${pid}`, `--fsize=${bytes}:`], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0]! : String(error);
  }
}

function fileSizes(folder: string): readonly number[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((entry) =>
    entry.isFile() ? [sizeOf(join(entry.parentPath, entry.name))] : [],
  );
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function readFrom(path: string, offset: number): string {
  return readFileSync(path).subarray(offset).toString('utf8');
}
