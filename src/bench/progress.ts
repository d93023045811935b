/** What people see of a running bench: one redrawn line on a terminal, a line every five seconds elsewhere. */

import type { Terminal } from '../terminal.ts';
import type { LoadProgress } from './load.ts';
import { numberText } from './report/report-words.ts';

const lineEveryMs = 5000;

export function showProgress(terminal: Terminal): (progress: LoadProgress) => void {
  let shownMs = Number.NEGATIVE_INFINITY;
  let shownPhase = '';
  return (progress) => {
    if (terminal.live) return terminal.progress(progressLine(progress));
    const phase = `${progress.phase} ${progress.fault ?? ''}`;
    if (phase === shownPhase && progress.elapsedMs - shownMs < lineEveryMs) return;
    shownPhase = phase;
    shownMs = progress.elapsedMs;
    terminal.note(progressLine(progress));
  };
}

export function progressLine(progress: LoadProgress): string {
  const { phase, fault, elapsedMs, sentPerSecond, failedPerSecond, p99Ms } = progress;
  const seconds = `${String(Math.floor(elapsedMs / 1000)).padStart(4)} s`;
  const named = fault === null ? phase : `${phase} ${fault}`;
  const latency = p99Ms === null ? '' : `, p99 ${numberText(p99Ms)} ms`;
  return `${seconds}  ${named}: ${sentPerSecond}/s, ${failedPerSecond} failed/s${latency}`;
}
