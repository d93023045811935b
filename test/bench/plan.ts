/**
 * `npm run bench -- plan [rounds]`: how long a plan for more than 10 million requests a second takes, sure and over 512
 * worlds, each in a process of its own that has planned nothing before, beside a bare loop in the same process: what that
 * is late by, others took.
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import { exactly, type Interval, type Requirements } from '../../src/requirements/requirements.ts';
import { catalogue } from '../../templates/index.ts';
import { median, short, spread } from './side-by-side.ts';

type Kind = 'sure' | 'unsure';

function asked(kind: Kind): Requirements {
  const about = (mid: number): Interval => (kind === 'sure' ? exactly(mid) : { low: mid / 1.3, mid, high: mid * 1.3 });
  return {
    schemaVersion: 1,
    name: 'large',
    needs: ['keep-hot-data'],
    rate: {
      readPerSecond: about(5e6),
      writePerSecond: about(1e6),
      peakFactor: exactly(2),
      // At the usual 0.8, one key of a billion is more than a shard carries in half of the worlds.
      keySkew: exactly(0.7),
    },
    data: { payloadBytes: exactly(64), totalMiB: about(500_000) },
    latency: { p99Ms: 50 },
    consistency: { level: 'bounded', stalenessMs: 1000 },
    availability: { target: 0.999, recoveryMs: 15_000 },
    loss: { rpoMs: 10_000 },
    cost: { usdPerMonth: 1e8 },
    operations: { effort: 'medium' },
    options: {},
    slo: {},
  };
}

/** A loop whose time is known to be a tenth of a second of a free core, more or less. */
function bareLoopMs(turns: number): number {
  const startMs = performance.now();
  let sum = 0;
  for (let i = 0; i < turns; i++) sum += Math.sqrt(i);
  if (Number.isNaN(sum)) throw new Error('a sum of roots is a number');
  return performance.now() - startMs;
}

function once(kind: Kind): void {
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const plan = assemblePlan(asked(kind), catalogue);
  const planMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  if (isNoPlan(plan)) throw new Error(JSON.stringify(plan.rejected[0]));
  const perSecond = Object.values(plan.parts[0]?.offeredLoad ?? {}).reduce((a, b) => a + b, 0);
  const cpuBeforeLoop = process.cpuUsage();
  const loopMs = bareLoopMs(2e7);
  const loop = process.cpuUsage(cpuBeforeLoop);
  console.log(
    JSON.stringify({
      planMs,
      cpuMs: (user + system) / 1000,
      perSecond,
      late: loopMs / ((loop.user + loop.system) / 1000),
      worlds: plan.decisions.some(({ about }) => about === 'worlds') ? 512 : 1,
    }),
  );
}

interface Seen {
  readonly planMs: number;
  readonly cpuMs: number;
  readonly perSecond: number;
  /** Wall time ÷ CPU time of a bare loop: 1 on an idle machine. */
  readonly late: number;
  readonly worlds: number;
}

function compare(rounds: number): void {
  const seen: Record<Kind, Seen[]> = { sure: [], unsure: [] };
  const file = fileURLToPath(import.meta.url);
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['sure', 'unsure'] as const) {
      seen[kind].push(JSON.parse(execFileSync(process.execPath, [file, kind], { encoding: 'utf8' })));
    }
  }
  for (const [kind, all] of Object.entries(seen)) {
    const of = (what: keyof Seen) => all.map((one) => one[what]);
    const [wall, cpu, late] = [of('planMs'), of('cpuMs'), of('late')];
    console.log(
      `${kind} (${all[0]?.worlds} worlds, ${short(median(of('perSecond')))}/s): ${short(median(wall))} ms (${spread(wall)}), CPU ${short(median(cpu))} ms (${spread(cpu)}); goal 1000 ms; a bare loop took ${short(median(late))} times its CPU time`,
    );
  }
}

const [, , what] = process.argv;
if (what === 'sure' || what === 'unsure') once(what);
else compare(Number(what ?? 7));
