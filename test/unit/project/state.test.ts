import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { runUpgrade } from '../../../src/commands/upgrade.ts';
import { DspError, describeError } from '../../../src/errors.ts';
import { packageVersion } from '../../../src/package-root.ts';
import { checkProject, inspectProject } from '../../../src/project/state.ts';
import { updateProject, writeNewProject } from '../../../src/project/write.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { catalogue } from '../../../templates/index.ts';
import { temporaryFolder, treeOf } from './project-fixture.ts';
import { planScenario, renderScenario } from './scenarios.ts';

let root: string;

beforeEach(async () => {
  root = join(temporaryFolder(), 'shop');
  await writeNewProject(root, await renderScenario('limiter-only'));
});

const read = (path: string) => readFileSync(join(root, path), 'utf8');

function edit(path: string, change: (text: string) => string): void {
  const before = read(path);
  const after = change(before);
  expect(after, path).not.toBe(before);
  writeFileSync(join(root, path), after);
}

const oneReplicaMore = (text: string) =>
  text.replace(/"replicas": (\d+)/, (_, count) => `"replicas": ${Number(count) + 1}`);

/** `problem → mend` of every disagreement. */
const found = async () =>
  (await inspectProject(root, catalogue)).disagreements.map(({ problem, mend }) => `${problem} → ${mend}`);

describe('inspectProject', () => {
  it('finds nothing in a project as it was written', async () => {
    expect(await found()).toEqual([]);
    expect((await checkProject(root, catalogue)).plan).toEqual(
      JSON.parse(JSON.stringify(await planScenario('limiter-only'))),
    );
  });

  it('changes nothing', async () => {
    const tree = await treeOf(root);
    await inspectProject(root, catalogue);
    expect(await treeOf(root)).toEqual(tree);
  });

  it('allows the user’s edits, and files of their own', async () => {
    edit('parts/limiter/policies.yaml', (text) => text.replace(/limit: \d+/, 'limit: 7'));
    writeFileSync(join(root, 'kit/own.ts'), 'export {};\n');
    expect(await found()).toEqual([]);
  });

  it('allows comments in dsp.yaml, not another requirement', async () => {
    edit('dsp.yaml', (text) => `# mine\n${text}`);
    expect(await found()).toEqual([]);
    edit('dsp.yaml', (text) => text.replace('p99Ms: 25', 'p99Ms: 26'));
    expect(await found()).toEqual(['dsp.yaml has changed since plan.json was made → dsp plan --write']);
  });

  it('notices an edited plan', async () => {
    edit('plan.json', oneReplicaMore);
    expect(await found()).toEqual(['plan.json is not the plan of dsp.yaml: it was edited → dsp plan --write']);
  });

  it('notices that another version plans otherwise, and not merely another version', async () => {
    edit('plan.json', (text) => text.replace(`"dspVersion": "${packageVersion()}"`, '"dspVersion": "0.0.1"'));
    expect(await found()).toEqual([]);
    edit('plan.json', oneReplicaMore);
    const [problem] = await found();
    expect(problem).toMatch(/^plan\.json is by dsp 0\.0\.1; dsp .* plans otherwise → dsp upgrade$/);
  });

  it('notices missing files', async () => {
    rmSync(join(root, 'kit/src/kv.ts'));
    rmSync(join(root, 'parts/limiter/policies.yaml'));
    expect(await found()).toEqual(['kit/src/kv.ts and 1 more are missing → dsp plan --write']);
    rmSync(join(root, 'plan.json'));
    expect(await found()).toContain('plan.json is missing → dsp plan --write');
  });

  it('notices an open conflict', async () => {
    writeFileSync(join(root, 'index.ts.dsp-new'), '');
    expect(await found()).toEqual([
      'index.ts has a conflict that is open → take what you want from index.ts.dsp-new into index.ts, then delete it',
    ]);
  });

  it('notices a manifest that is none, or of another plan', async () => {
    edit('.dsp/manifest.json', (text) => text.replace(/"requirementsDigest": "\w+"/, '"requirementsDigest": "x"'));
    expect(await found()).toEqual(['the generated files are not those of plan.json → dsp plan --write']);
    edit('.dsp/manifest.json', () => '<<<<<<< HEAD');
    expect(await found()).toEqual(['.dsp/manifest.json is missing or unreadable → dsp plan --write']);
  });

  it('notices a write that was cut short', async () => {
    mkdirSync(join(root, '.dsp/update'));
    writeFileSync(join(root, '.dsp/update/journal.json'), '[]');
    expect(await found()).toEqual(['a write of the project was cut short → dsp plan --write']);
  });
});

describe('checkProject', () => {
  it('names everything that disagrees, and what mends it', async () => {
    rmSync(join(root, 'index.ts'));
    writeFileSync(join(root, 'README.md.dsp-new'), '');
    const error = await checkProject(root, catalogue).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DspError);
    expect(error).toMatchObject({ code: 'project.disagrees', exitCode: 1, where: root });
    const text = describeError(error as DspError);
    expect(text).toContain('index.ts is missing; README.md has a conflict that is open');
    expect(text).toContain('dsp plan --write, then take what you want from README.md.dsp-new');
  });

  it('is content again after the command it names', async () => {
    edit('plan.json', () => '{}');
    rmSync(join(root, 'kit/src/kv.ts'));
    await expect(checkProject(root, catalogue)).rejects.toMatchObject({ code: 'plan.unreadable' });
    await updateProject(root, await renderScenario('limiter-only'));
    expect((await checkProject(root, catalogue)).plan.schemaVersion).toBe(1);
  });
});

describe('dsp upgrade', () => {
  const terminal = (notes: string[]): Terminal => ({
    out: () => {},
    note: (text) => notes.push(text),
    json: () => {},
    progress: () => {},
    interactive: false,
    live: false,
    interrupt: new AbortController().signal,
    env: {},
    cwd: root,
  });

  it('writes what another version wrote again, and keeps edits', async () => {
    const old = await renderScenario('limiter-only', '0.0.1');
    const older = {
      ...old,
      files: old.files.map((file) => (file.path === 'build.mjs' ? { ...file, content: '// old\n' } : file)),
    };
    root = join(temporaryFolder(), 'shop');
    await writeNewProject(root, older);
    edit('README.md', (text) => `${text}\nMine.\n`);
    const notes: string[] = [];
    expect(await runUpgrade({ project: root, json: false }, terminal(notes))).toBe(0);
    expect(notes[0]).toBe(`dsp 0.0.1 → ${packageVersion()}`);
    expect(read('build.mjs')).not.toBe('// old\n');
    expect(read('README.md')).toContain('Mine.');
    expect(JSON.parse(read('plan.json')).dspVersion).toBe(packageVersion());
    expect(await found()).toEqual([]);
  });
});
