/** One limiter with a store of its own, deployed once: what runs between its processes, its sizes, and a campaign. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CampaignSummary, SeedRecord } from '../../src/bench/campaign.ts';
import type { FaultRecord, Report } from '../../src/bench/report.ts';
import { systemClock } from '../../src/clock.ts';
import type { RunState } from '../../src/deploy/local/registry.ts';
import { findCompiler } from '../../src/deploy/local/synced.ts';
import { withPackages } from '../fixtures/packages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let work: string;
let project: string;

function dsp(...args: readonly string[]) {
  const command = [join(root, 'bin/dsp.js'), '-C', project, ...args];
  return execa(process.execPath, command, { cwd: work, stdin: 'ignore', reject: false, timeout: 200_000 });
}

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'dsp-faults-'));
  project = join(work, 'gate');
  const answers = join(root, 'test/golden/limiter-only/dsp.yaml');
  const created = await dsp(
    'new',
    project,
    '--answers',
    answers,
    '--set',
    'availability.recoveryMs=10000',
    '--no-input',
  );
  expect(created.exitCode, created.stderr).toBe(0);
  await withPackages(project);
  const deployed = await dsp('deploy', '--instruments', 'power');
  expect(deployed.exitCode, deployed.stderr).toBe(0);
}, 200_000);

afterAll(async () => {
  await dsp('destroy');
  rmSync(work, { recursive: true, force: true });
}, 60_000);

/** A short load with these phases. A busy machine may miss a latency; what must never happen is told by the caller. */
async function bench(...faults: readonly string[]): Promise<Report> {
  const flags = faults.flatMap((fault) => ['--fault', fault]);
  const ran = await dsp('bench', '--duration', '3', '--warmup', '1', '--rate', '0.3', '--smoke', '--json', ...flags);
  expect([0, 98, 99], ran.stderr).toContain(ran.exitCode);
  const report = JSON.parse(ran.stdout) as Report;
  const broken = report.invariants.filter(({ verdict }) => verdict === 'violated');
  expect(broken, report.replay).toEqual([]);
  expect(report.invariants.length).toBeGreaterThan(2);
  return report;
}

const stateNow = () => JSON.parse(readFileSync(join(project, '.dsp/run/state.json'), 'utf8')) as RunState;

const pidsNow = () => Object.entries(stateNow().instances).map(([id, { process }]) => `${id} ${process?.pid}`);

/** Asks the limiter's instances how many checks they have decided, as long as they are there. */
async function watchChecks(most: Map<string, number>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const { spec } of Object.values(stateNow().instances)) {
      if (spec.part !== 'limiter') continue;
      const answer = await fetch(`http://127.0.0.1:${spec.ports.http}/metrics`).catch(() => null);
      const counts = (await answer?.text())?.matchAll(/^limiter_checks_total\{.*\} (\d+)$/gm) ?? [];
      const sum = [...counts].reduce((all, [, count]) => all + Number(count), 0);
      most.set(spec.id, Math.max(most.get(spec.id) ?? 0, sum));
    }
    await systemClock.sleep(200);
  }
}

describe('what runs between the processes', () => {
  it('is delayed, reset and cut off by the proxy, which counts it, and the limit holds', async () => {
    const faults = [
      'latency:limiter-store.primary,ms=20,forMs=2000',
      'reset:limiter-store.primary,everyMs=500,forMs=2000',
      'partition:limiter-store.primary,forMs=8000',
    ];
    const report = await bench(...faults);
    expect(report.faults.map(({ fault, hit }) => [fault, hit])).toEqual(faults.map((fault) => [fault, true]));
    const seen = report.faults.map(({ witness }) => witness);
    expect(seen[0]).toMatch(/the proxy delayed [1-9]\d* bytes/);
    expect(seen[1]).toMatch(/the proxy reset [1-9]\d* connections/);
    expect(seen[2]).toMatch(/the proxy held back [1-9]\d* bytes/);
    expect(report.faults.every(({ recoveredMs }) => recoveredMs !== null)).toBe(true);
  });
});

describe('a loss of power', () => {
  it.skipIf(findCompiler(process.env.PATH ?? '') === null)(
    'takes from a store what it had not synced, and the replica that replaces it has what the limit needs',
    async () => {
      const report = await bench('power:limiter-store.primary');
      expect(report.faults[0]).toMatchObject({ kind: 'power', hit: true });
      expect(report.faults[0]?.assumed).toBeUndefined();
      expect(report.faults[0]?.witness).toMatch(
        /incr\.aof cut by \d+ bytes to the \d+ that were synced; pid \d+ ready/,
      );
      expect(report.faults[0]?.recoveredMs).not.toBeNull();
    },
  );
});

describe('another size under load', () => {
  const scaled = ({ faults }: Report) => faults[0] as FaultRecord;

  it('adds instances of the limiter that take load, and takes them away without calling one that is gone', async () => {
    const checks = new Map<string, number>();
    const watching = new AbortController();
    const watched = watchChecks(checks, watching.signal);
    const report = await bench('scale:limiter.instances,forMs=3000');
    watching.abort();
    await watched;
    expect(scaled(report)).toMatchObject({ kind: 'scale', hit: true, sizing: { instances: 4 } });
    expect(scaled(report).witness).toMatch(/^limiter went from 2 to 4 processes .*; back to 2 within/);
    const during = report.figures.filter(({ part, phase }) => part === 'limiter' && phase === 'fault')[0];
    expect(during?.byStatus.refused, JSON.stringify(during?.byStatus)).toBeUndefined();
    for (const id of ['limiter-api-2', 'limiter-api-3']) expect(checks.get(id), id).toBeGreaterThan(50);
  });

  it('adds shards of the store and takes them away, and the limit holds', async () => {
    const report = await bench('scale:limiter-store.shards,forMs=1000');
    expect(scaled(report)).toMatchObject({ kind: 'scale', hit: true });
    expect(scaled(report).witness).toMatch(/^limiter-store went from 9 to 12 processes .*; back to 9 within/);
    expect(report.invariants).toContainEqual(expect.objectContaining({ id: 'slots-covered', verdict: 'held' }));
  });
});

describe('a restart in turn', () => {
  it('sends nothing to an instance of the limiter that is about to stop, or not there', async () => {
    const before = pidsNow();
    const report = await bench('rolling-restart:limiter.instance');
    expect(report.faults[0]).toMatchObject({ kind: 'rolling-restart', set: 'limiter-api', hit: true });
    const during = report.figures.filter(({ part, phase }) => part === 'limiter' && phase === 'fault')[0];
    const statuses = Object.keys(during?.byStatus ?? {});
    expect(statuses).toContain('200');
    expect(statuses.filter((status) => status === 'refused' || status === 'lost')).toEqual([]);
    const changed = pidsNow().filter((one) => !before.includes(one));
    expect(changed.map((one) => one.split(' ')[0])).toEqual(['limiter-api-0', 'limiter-api-1']);
  });
});

describe('a campaign', () => {
  const args = ['bench', '--seeds', '2', '--draw', '1', '--duration', '2', '--warmup', '1', '--rate', '0.2', '--smoke'];
  const faults = ['--fault', 'reset:limiter.instance,forMs=500', '--fault', 'pause:limiter.instance,forMs=500'];

  it('that is interrupted after a seed goes on with the next one, on the same deployment', async () => {
    const before = pidsNow();
    const first = execa(process.execPath, [join(root, 'bin/dsp.js'), '-C', project, ...args, ...faults], {
      cwd: work,
      stdin: 'ignore',
      reject: false,
    });
    const lines: string[] = [];
    for await (const line of first) {
      lines.push(line);
      if (line.startsWith('seed 1')) first.kill('SIGINT');
    }
    const interrupted = await first;
    expect(interrupted.exitCode, interrupted.stderr).toBe(130);
    expect(lines.filter((line) => line.startsWith('seed '))).toHaveLength(1);

    const again = await dsp(...args, ...faults);
    expect([0, 98, 99], again.stderr).toContain(again.exitCode);
    expect(again.stderr).toContain('1 of 2 seeds have run already');
    expect(again.stdout.split('\n').filter((line) => /^seed \d/.test(line))).toHaveLength(1);

    const folder = campaignFolder();
    const records = readFileSync(join(folder, 'seeds.jsonl'), 'utf8').trim().split('\n');
    const seeds = records.map((line) => JSON.parse(line) as SeedRecord);
    expect(seeds.map(({ seed }) => seed)).toEqual([1, 2]);
    expect(lines.find((line) => line.startsWith('seed 1'))).toContain(seeds[0]!.replay);
    // Two phases for two seeds: each fault has had its turn.
    expect(new Set(seeds.flatMap((record) => record.faults.map(({ fault }) => fault))).size).toBe(2);
    expect(seeds.flatMap((record) => record.faults).every(({ hit }) => hit)).toBe(true);
    const summary = JSON.parse(readFileSync(join(folder, 'campaign.json'), 'utf8')) as CampaignSummary;
    const reasons = seeds.map(({ seed, reason }) => `seed ${seed}: ${reason}`);
    expect(summary, reasons.join('\n')).toMatchObject({ seeds: 2, violations: 0 });
    expect(summary.runs).toEqual(seeds);
    expect(pidsNow()).toEqual(before);
  });

  function campaignFolder(): string {
    const found = readdirSync(join(project, 'report')).filter((name) => name.startsWith('campaign-'));
    expect(found).toHaveLength(1);
    const folder = join(project, 'report', found[0]!);
    expect(existsSync(folder)).toBe(true);
    return folder;
  }
});
