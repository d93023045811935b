/** `dsp upgrade`: the project written again by this version of dsp, edits kept. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExitCode } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { manifestPath, parseManifest } from '../project/manifest.ts';
import type { Terminal } from '../terminal.ts';
import { runPlan } from './plan.ts';

export interface UpgradeOptions {
  readonly project: string;
  readonly json: boolean;
}

export async function runUpgrade(options: UpgradeOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const text = await readFile(join(options.project, manifestPath), 'utf8').catch(() => '');
  const from = parseManifest(text)?.dspVersion ?? 'unknown';
  const to = packageVersion();
  terminal.note(from === to ? `written by dsp ${to} already; writing it again` : `dsp ${from} → ${to}`);
  return runPlan({ ...options, diff: false, write: true, set: [] }, terminal);
}
