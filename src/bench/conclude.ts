/** From what a run left behind to its report: invariants over the history, checks over the figures, one verdict. */

import { cpus, totalmem } from 'node:os';
import { checkSafely } from '../checkers/result.ts';
import { judgeRun } from './checks.ts';
import { controlName } from './control.ts';
import { type Cell, curve, loadFigures, total } from './figures.ts';
import type { BenchInput } from './input.ts';
import type { LoadResult } from './load.ts';
import type { Report } from './report.ts';
import type { BenchedPart } from './system.ts';
import type { Threshold } from './thresholds.ts';
import { type Judgement, judgeVerdict } from './verdict.ts';

export interface Benched {
  readonly report: Report;
  readonly judgement: Judgement;
}

export interface Concluded extends BenchInput {
  readonly parts: readonly BenchedPart[];
  /** Those that took load, in the order of the generators' parts. */
  readonly loaded: readonly BenchedPart[];
  readonly thresholds: readonly Threshold[];
  readonly result: LoadResult;
}

export async function conclude(input: Concluded): Promise<Benched> {
  const { plan, deployment, settings, loaded, result } = input;
  const loadedNames = loaded.map(({ part }) => part.name);
  const steadyControl = result.cells.filter(({ part, phase }) => part === controlName && phase === 'steady');
  const checks = judgeRun({
    cells: result.cells,
    spans: result.spans,
    faults: result.faults,
    control: steadyControl.length === 0 ? null : total(steadyControl).latency,
    foreignCpuShare: result.foreignCpuShare,
    parts: loadedNames,
    requirements: plan.requirements,
    thresholds: input.thresholds,
    scale: deployment.scale,
  });
  const invariants = (await Promise.all(input.parts.map((part) => judgeInvariants(input, part)))).flat();
  const judgement = judgeVerdict({
    checks,
    invariants,
    faults: result.faults,
    scale: deployment.scale,
    smoke: settings.smoke,
    historyCut: result.history.cut,
    loadedParts: loadedNames,
  });
  const report: Report = {
    schemaVersion: 1,
    dspVersion: input.dspVersion,
    name: plan.requirements.name,
    target: deployment.target,
    scale: deployment.scale,
    seed: settings.seed,
    replay: settings.replay,
    startedAt: new Date(result.startMs).toISOString(),
    durationMs: Math.round((result.spans.at(-1)?.endMs ?? result.startMs) - result.startMs),
    verdict: judgement.verdict,
    reasons: judgement.reasons,
    checks: checks.map(({ check }) => check),
    invariants,
    faults: result.faults,
    figures: loadFigures(result.cells, result.spans),
    series: loaded.map(({ part }, i) => result.series.of(i, part.name)),
    curves: loadedNames.map((part) => ({ part, points: curve(steadyLatency(result.cells, part)) })),
    machine: { ...machine(), foreignCpuShare: result.foreignCpuShare },
  };
  return { report, judgement };
}

function steadyLatency(cells: readonly Cell[], part: string) {
  return total(cells.filter((cell) => cell.part === part && cell.phase === 'steady')).latency;
}

/** A part that only other parts call has no history of its own: what its probe can't say is said of its callers. */
async function judgeInvariants(input: Concluded, benched: BenchedPart): Promise<Report['invariants']> {
  const { plan, loaded, result } = input;
  const { part, invariants, instances } = benched;
  const index = loaded.indexOf(benched);
  const probe = (await invariants.probe?.(instances).catch(() => null)) ?? null;
  const found = checkSafely(invariants, {
    part: part.name,
    sizing: part.localSizing,
    options: part.options,
    requirements: plan.requirements,
    history: index < 0 ? [] : result.history.of(index, part.name),
    faults: result.faults,
    probe,
  });
  return found
    .filter(({ verdict }) => index >= 0 || verdict !== 'unexercised')
    .map((invariant) => ({ ...invariant, part: part.name }));
}

function machine(): Omit<Report['machine'], 'foreignCpuShare'> {
  const all = cpus();
  return {
    cpus: all.length,
    model: all[0]?.model.trim() ?? 'unknown',
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.versions.node,
  };
}
