/** `dsp bench --find-capacity` and `dsp bench --calibrate`. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCalibration, runCapacity, type SearchDeps, type TimesUsed } from '../bench/capacity/capacity-run.ts';
import { downtimesFrom } from '../bench/capacity/downtimes.ts';
import { referenceRoundTripUs } from '../bench/capacity/machine-model.ts';
import type { BenchInput } from '../bench/input.ts';
import { sampleProcesses } from '../bench/machine/process-cpu.ts';
import { roundTripUs } from '../bench/machine/speed.ts';
import type { Benched } from '../bench/recorded.ts';
import { stepRow } from '../bench/report/report-capacity.ts';
import { readReports } from '../bench/report/report-files.ts';
import type { CapacityStep } from '../bench/report.ts';
import type { OpenResults } from '../bench/results/results.ts';
import {
  fingerprint,
  formatMeasured,
  type MeasuredTimes,
  machineWords,
  measuredFile,
  otherMachine,
  readMeasured,
} from '../capacity/measured.ts';
import { systemClock } from '../clock.ts';
import type { ExitCode } from '../errors.ts';
import { attempt } from '../project/files.ts';
import type { Terminal } from '../terminal.ts';
import type { BenchOptions } from './bench-options.ts';

export async function runSearch(
  input: BenchInput,
  project: string,
  open: OpenResults,
  terminal: Terminal,
): Promise<Benched> {
  const times = await timesFor(project, terminal.interrupt);
  terminal.note(
    `searching the capacity of ${input.plan.requirements.name}, seed ${input.settings.seed}; ${times.words}`,
  );
  return runCapacity(input, times, { ...depsOf(input, terminal), open });
}

/** Measured times of this machine; those of another one are refused, and the priors taken at this machine's speed. */
async function timesFor(project: string, signal: AbortSignal): Promise<TimesUsed> {
  const measured = await readMeasured(project);
  const other = measured === null ? null : otherMachine(measured.machine, fingerprint());
  if (measured !== null && other === null) {
    return { measured, words: `measured on this machine, ${measured.date}`, slowness: 1 };
  }
  const slowness = (await roundTripUs(systemClock, signal)) / referenceRoundTripUs;
  const why =
    other === null
      ? 'nothing was measured yet (dsp bench --calibrate)'
      : `${measuredFile} is refused, for it was ${other}`;
  return { measured: null, words: `priors × ${slowness.toFixed(2)}, by this machine's speed: ${why}`, slowness };
}

export async function runCalibrate(
  input: BenchInput,
  options: BenchOptions,
  terminal: Terminal,
): Promise<0 | ExitCode> {
  terminal.note(`measuring service times of ${input.plan.requirements.name}, seed ${input.settings.seed}`);
  const times = await runCalibration(input, depsOf(input, terminal));
  const measured = await withDowntimes(times, options.project, input);
  const file = join(options.project, measuredFile);
  await attempt(file, async () => {
    await writeFile(`${file}.draft`, formatMeasured(measured));
    await rename(`${file}.draft`, file);
  });
  if (options.json) terminal.json({ ...measured, file });
  else {
    for (const [name, { meanUs, lowUs, highUs }] of Object.entries(measured.times)) {
      terminal.out(`${name}: ${meanUs} µs (${lowUs} to ${highUs})`);
    }
    for (const [fault, { meanMs, lowMs, highMs, samples }] of Object.entries(measured.downtimes ?? {})) {
      terminal.out(`${fault}: away for ${meanMs} ms (${lowMs} to ${highMs}, ${samples} times)`);
    }
  }
  terminal.note(`${file}: measured on ${machineWords(measured.machine)}; plan with it: dsp plan --write`);
  return 0;
}

/** What benches saw of faults, and where they saw none of this system: what was known before. */
async function withDowntimes(times: MeasuredTimes, project: string, { plan }: BenchInput): Promise<MeasuredTimes> {
  const before = await readMeasured(project);
  const kept = before !== null && otherMachine(before.machine, times.machine) === null ? before.downtimes : {};
  const downtimes = { ...kept, ...downtimesFrom(await readReports(project), plan, times.machine) };
  return Object.keys(downtimes).length === 0 ? times : { ...times, downtimes };
}

function depsOf(input: BenchInput, terminal: Terminal): SearchDeps {
  return {
    clock: systemClock,
    signal: terminal.interrupt,
    onProgress: () => {},
    sampleCpu: () => sampleProcesses(input.deployment.root),
    onStep: (step: CapacityStep) => terminal.note(stepRow(step).join('  ')),
    onWindow: (done, { offeredPerSecond, p99Ms, cpu }) => {
      const others = cpu === null ? '' : `, others took ${Math.round(cpu.foreignShare * 100)} %`;
      const p99 = p99Ms === null ? '–' : `${p99Ms.toPrecision(3)} ms`;
      terminal.note(`window ${done}: ${Math.round(offeredPerSecond)}/s, p99 ${p99}${others}`);
    },
  };
}
