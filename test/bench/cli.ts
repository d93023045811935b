/**
 * `npm run bench -- cli [rounds]`: what a call of dsp costs beside `node -e 0`, in turns: CPU time, which load from
 * elsewhere barely moves, and wall time.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';
import { median, ratioLine } from './side-by-side.ts';

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

const dsp = join(packageRoot(), 'bin/dsp.js');
const rounds = Number(process.argv[2] ?? 9);

/** Times one command by the shell's own `times`: user and system time of its children. */
function cost(args: readonly string[]): Cost {
  const startNs = process.hrtime.bigint();
  const script = '"$@" >/dev/null 2>&1 || exit 1; times';
  const { stdout, status, signal } = spawnSync('bash', ['-c', script, 'bash', process.execPath, ...args], {
    encoding: 'utf8',
  });
  const wallMs = Number(process.hrtime.bigint() - startNs) / 1e6;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status ?? constants.signals[signal ?? 'SIGKILL']}`);
  const [, children = ''] = stdout.trim().split('\n');
  return { cpuMs: children.split(' ').reduce((sum, text) => sum + milliseconds(text), 0), wallMs };
}

/** `0m0.083s`. */
function milliseconds(text: string): number {
  const [, minutes, seconds] = /^(\d+)m([\d.]+)s$/.exec(text) ?? [];
  return 60_000 * Number(minutes) + 1000 * Number(seconds);
}

function compare(name: string, args: (round: number) => readonly string[]): void {
  const bare: Cost[] = [];
  const ours: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(cost(['-e', '0']));
    ours.push(cost(args(round)));
  }
  const line = (what: keyof Cost, label: string) =>
    ratioLine({
      name: `${name}, ${label}`,
      unit: 'ms',
      anchorName: 'node -e 0',
      dsp: ours.map((one) => one[what]),
      anchor: bare.map((one) => one[what]),
    });
  console.log(line('cpuMs', 'CPU time'));
  console.log(line('wallMs', 'wall time'));
  if (Number.isNaN(median(ours.map(({ cpuMs }) => cpuMs)))) throw new Error('the shell gave no times');
}

execFileSync(process.execPath, [dsp, '--version']);
const folder = mkdtempSync(join(tmpdir(), 'dsp-bench-'));
try {
  compare('dsp --help', () => [dsp, '--help']);
  compare('dsp new --yes', (round) => [dsp, 'new', join(folder, `shop-${round}`), '--yes']);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
