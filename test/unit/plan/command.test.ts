/** `dsp plan` on a project in a folder: what it prints, writes and exits with. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runPatterns } from '../../../src/commands/patterns.ts';
import { type PlanOptions, runPlan } from '../../../src/commands/plan.ts';
import { packageRoot, packageVersion } from '../../../src/package-root.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { renderProject } from '../../../src/project/render.ts';
import { writeNewProject } from '../../../src/project/write.ts';
import { readProjectRequirements } from '../../../src/requirements/read.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { catalogue } from '../../../templates/index.ts';

let parent: string;
let project: string;

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'dsp-plan-test-'));
  project = join(parent, 'shop');
  const requirements = await readProjectRequirements(join(packageRoot(), 'test/golden/quickstart'), catalogue);
  const plan = assemblePlan(requirements, catalogue, { dspVersion: packageVersion() });
  if (isNoPlan(plan)) throw new Error('no plan');
  await writeNewProject(project, await renderProject(plan, catalogue), { signal: new AbortController().signal });
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

async function run(options: Partial<PlanOptions> = {}) {
  const out: string[] = [];
  const notes: string[] = [];
  const documents: unknown[] = [];
  const terminal: Terminal = {
    out: (text) => out.push(text),
    note: (text) => notes.push(text),
    json: (document) => documents.push(JSON.parse(JSON.stringify(document))),
    progress: () => {},
    interactive: false,
    live: false,
    interrupt: new AbortController().signal,
    env: {},
    cwd: project,
  };
  const code = await runPlan({ project, json: false, diff: false, write: false, set: [], ...options }, terminal);
  return { code, out: out.join('\n'), notes: notes.join('\n'), documents };
}

const edit = (path: string, change: (text: string) => string) =>
  writeFileSync(join(project, path), change(readFileSync(join(project, path), 'utf8')));
const fasterReads = (text: string) =>
  text.replace(/readPerSecond: 150\b/, 'readPerSecond: 90000').replace(/usdPerMonth: 500\b/, 'usdPerMonth: 50000');

describe('dsp plan', () => {
  it('shows the summary and why, and writes nothing', async () => {
    const before = readFileSync(join(project, 'plan.json'), 'utf8');
    edit('dsp.yaml', fasterReads);
    const { code, out } = await run();
    expect(code).toBe(0);
    expect(out).toMatch(/^quickstart: \d parts, \d+ nodes/);
    expect(out).toContain('rejected: sharded-redis: cache ring');
    expect(readFileSync(join(project, 'plan.json'), 'utf8')).toBe(before);
  });

  it('explains one part, and names the parts for one that is not there', async () => {
    const { out } = await run({ explain: 'limiter' });
    expect(out).toMatch(/^limiter \(rate-limiter\)/);
    expect(out).not.toContain('cluster-node-timeout');
    await expect(run({ explain: 'nothing' })).rejects.toMatchObject({ code: 'input.choice' });
    await expect(run({ explain: 'nothing', json: true })).rejects.toMatchObject({ code: 'input.choice' });
  });

  it('prints one document with --json', async () => {
    const { out, documents } = await run({ json: true });
    expect(out).toBe('');
    expect(documents).toEqual([JSON.parse(readFileSync(join(project, 'plan.json'), 'utf8'))]);
  });

  it('takes --set for this run', async () => {
    const { documents } = await run({ json: true, set: ['latency.p99Ms=20'] });
    expect(documents[0]).toMatchObject({ requirements: { latency: { p99Ms: 20 } } });
  });

  it('names the remedies for a key that the requirements make hot, and none where no key is', async () => {
    expect((await run({})).out).not.toContain('hot key');
    const { out } = await run({ set: ['rate.keySkew=1.5', 'rate.readPerSecond=20000', 'cost.usdPerMonth=1e5'] });
    expect(out).toMatch(/hot key: \d+(\.\d+)? % of the requests/);
    expect(out).toMatch(/remedy: local cache, (adds|saves) \d+ USD a month/);
    expect(out).toMatch(/no remedy: sharded-redis: replica reads/);
    expect(out.split('\n').every((line) => line.length <= 80)).toBe(true);
  });

  it('exits 3 when there is no plan, and says what to relax', async () => {
    const { code, notes, documents } = await run({ json: true, set: ['cost.usdPerMonth=10'] });
    expect(code).toBe(3);
    expect(notes).toContain('relax cost.usdPerMonth');
    expect(documents).toMatchObject([{ schemaVersion: 1, kind: 'no-plan', relax: [{ key: 'cost.usdPerMonth' }] }]);
  });
});

describe('--diff', () => {
  it('exits 0 and prints nothing when plan.json is the plan of dsp.yaml', async () => {
    expect(await run({ diff: true })).toMatchObject({ code: 0, out: '' });
  });

  it('exits 1 and prints each difference when it is not', async () => {
    edit('dsp.yaml', fasterReads);
    const { code, out, notes } = await run({ diff: true });
    expect(code).toBe(1);
    expect(out).toMatch(/^~ parts\.store\.sizing\.apiInstances: 2 → \d+$/m);
    expect(notes).toContain('dsp plan --write');
    const { documents } = await run({ diff: true, json: true });
    expect(documents).toMatchObject([
      {
        schemaVersion: 1,
        changes: expect.arrayContaining([expect.objectContaining({ path: 'parts.store.sizing.apiInstances' })]),
      },
    ]);
  });

  it('notices an edit of plan.json that keeps its shape', async () => {
    edit('plan.json', (text) => text.replace('"buckets": 16', '"buckets": 32'));
    expect((await run({ diff: true })).code).toBe(1);
  });

  it.each(['', '{', '{"schemaVersion":1}'])('refuses the plan.json %j', async (text) => {
    edit('plan.json', () => text);
    await expect(run({ diff: true })).rejects.toMatchObject({ code: 'plan.unreadable' });
  });
});

describe('--write', () => {
  it('renders what dsp.yaml now asks for, after which nothing differs', async () => {
    edit('dsp.yaml', fasterReads);
    const { code, out } = await run({ write: true });
    expect(code).toBe(0);
    expect(out).toContain('~ plan.json');
    expect((await run({ diff: true })).code).toBe(0);
  });

  it('refuses --set, which dsp.yaml would not have', async () => {
    const before = readFileSync(join(project, 'plan.json'), 'utf8');
    const refused = run({ write: true, set: ['latency.p99Ms=20'] });
    await expect(refused).rejects.toMatchObject({ code: 'input.set-and-write', exitCode: 2 });
    expect(readFileSync(join(project, 'plan.json'), 'utf8')).toBe(before);
  });

  it('exits 1 for a file whose edit and whose change meet, and keeps the edit', async () => {
    const topology = 'parts/store/topology.ts';
    edit(topology, (text) => text.replace(/replicas: \d+/g, 'replicas: 77'));
    edit('dsp.yaml', fasterReads);
    const { code, out, notes } = await run({ write: true });
    expect(code).toBe(1);
    expect(out).toContain(`! ${topology}`);
    expect(notes).toContain(`conflict: ${topology}`);
    expect(readFileSync(join(project, topology), 'utf8')).toContain('replicas: 77');
  });
});

it('dsp patterns lists the catalogue', async () => {
  const out: string[] = [];
  const documents: unknown[] = [];
  const terminal = {
    out: (text: string) => out.push(text),
    json: (value: unknown) => documents.push(value),
  } as unknown as Terminal;
  expect(await runPatterns({ json: false }, terminal)).toBe(0);
  expect(out).toHaveLength(catalogue.length);
  expect(await runPatterns({ json: true }, terminal)).toBe(0);
  expect(documents).toMatchObject([{ schemaVersion: 1, patterns: catalogue.map(({ id }) => ({ id })) }]);
});
