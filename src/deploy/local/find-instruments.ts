/** What this machine has for faults. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DspError } from '../../errors.ts';
import { packageRoot } from '../../package-root.ts';
import { atLeast, type Instrumentation } from '../deployment.ts';
import type { Instruments } from './instruments.ts';
import { syncedLibrary } from './synced.ts';

/** Names a libfaketime that is not where distributions put it. */
const faketimeVariable = 'DSP_LIBFAKETIME';
const library = 'faketime/libfaketime.so.1';
const folders = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib'];

/** Null: none are wanted. Throws `env.no-faketime` when clocks are to be stepped and it is not installed. */
export function findInstruments(wanted: Instrumentation, runDir: string): Instruments | null {
  if (wanted === 'none') return null;
  const faketime = wanted === 'clock' ? findFaketime() : null;
  if (wanted === 'clock' && faketime === null) throw new DspError('env.no-faketime', {});
  // Where it cannot be had, a loss of power is assumed.
  const synced = atLeast(wanted, 'power') === wanted ? syncedLibrary(runDir, process.env.PATH ?? '') : null;
  return { faketime, synced, proxyMain: join(packageRoot(), 'dist/src/deploy/local/proxy/main.js') };
}

/** Absolute path, or null where it is not installed. */
export function findFaketime(): string | null {
  const given = process.env[faketimeVariable];
  const places = given ? [given] : folders.map((folder) => join(folder, library));
  return places.find((path) => existsSync(path)) ?? null;
}
