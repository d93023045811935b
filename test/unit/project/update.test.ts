import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/digest.ts';
import { DspError } from '../../../src/errors.ts';
import { carryOut, claim, isUnfinished, type Step } from '../../../src/project/journal.ts';
import type { Project, WriteResult } from '../../../src/project/project.ts';
import { updateProject, writeNewProject } from '../../../src/project/write.ts';
import { file, projectOf, temporaryFolder, treeOf } from './project-fixture.ts';

const lines = (...changed: readonly [number, string][]) => {
  const text = Array.from({ length: 20 }, (_, index) => `line ${index}`);
  for (const [index, line] of changed) text[index] = line;
  return `${text.join('\n')}\n`;
};

const before = projectOf(
  file('dsp.yaml', 'name: shop\n', 'yours'),
  file('plan.json', '{"scale":1}\n'),
  file('README.md', lines()),
  file('kit/a.ts', lines()),
  file('kit/old.ts', 'old\n'),
  file('package.json', '{"a":1}\n'),
);
const after = projectOf(
  file('dsp.yaml', 'name: changed\n', 'yours'),
  file('plan.json', '{"scale":0.5}\n'),
  file('README.md', lines([2, 'dsp wrote this'])),
  file('kit/a.ts', lines([2, 'dsp wrote this'])),
  file('kit/new.ts', 'new\n'),
  file('package.json', '{"a":1}\n'),
);

const nothing: WriteResult = {
  added: [],
  replaced: [],
  merged: [],
  removed: [],
  unchanged: [],
  conflicts: [],
  kept: [],
};

async function written(project: Project = before): Promise<string> {
  const root = join(temporaryFolder(), 'shop');
  await writeNewProject(root, project);
  return root;
}

const edit = (root: string, path: string, content: string) => writeFileSync(join(root, path), content);
const read = (root: string, path: string) => readFileSync(join(root, path), 'utf8');

describe('updateProject', () => {
  it('changes nothing when nothing changed', async () => {
    const root = await written();
    const tree = await treeOf(root);
    const result = await updateProject(root, before);
    expect(await treeOf(root)).toEqual(tree);
    const unchanged = ['.dsp/manifest.json', 'README.md', 'kit/a.ts', 'kit/old.ts', 'package.json', 'plan.json'];
    expect(result).toEqual({ ...nothing, unchanged, kept: ['dsp.yaml'] });
  });

  it('replaces what is untouched, adds, removes, and leaves the tree of a fresh write', async () => {
    const root = await written();
    const result = await updateProject(root, after);
    expect(result).toEqual({
      ...nothing,
      added: ['kit/new.ts'],
      replaced: ['.dsp/manifest.json', 'README.md', 'kit/a.ts', 'plan.json'],
      removed: ['kit/old.ts'],
      unchanged: ['package.json'],
      kept: ['dsp.yaml'],
    });
    const fresh = await treeOf(await written(after));
    expect(await treeOf(root)).toEqual({ ...fresh, 'dsp.yaml': 'name: shop\n' });
  });

  it('merges edits elsewhere in the file, and again the next time', async () => {
    const root = await written();
    edit(root, 'kit/a.ts', lines([15, 'mine']));
    expect((await updateProject(root, after)).merged).toEqual(['kit/a.ts']);
    expect(read(root, 'kit/a.ts')).toBe(lines([2, 'dsp wrote this'], [15, 'mine']));
    expect((await updateProject(root, after)).unchanged).toContain('kit/a.ts');
    expect((await updateProject(root, before)).merged).toEqual(['kit/a.ts']);
    expect(read(root, 'kit/a.ts')).toBe(lines([15, 'mine']));
  });

  it('leaves a conflict as it is, with the new text beside it, until the user has dealt with it', async () => {
    const root = await written();
    edit(root, 'kit/a.ts', lines([2, 'mine']));
    expect((await updateProject(root, after)).conflicts).toEqual(['kit/a.ts']);
    expect(read(root, 'kit/a.ts')).toBe(lines([2, 'mine']));
    expect(read(root, 'kit/a.ts.dsp-new')).toBe(lines([2, 'dsp wrote this']));
    expect((await updateProject(root, after)).conflicts).toEqual(['kit/a.ts']);
    rmSync(join(root, 'kit/a.ts.dsp-new'));
    expect((await updateProject(root, after)).conflicts).toEqual([]);
    expect(read(root, 'kit/a.ts')).toBe(lines([2, 'mine']));
  });

  it('takes its text away again when the user took it over', async () => {
    const root = await written();
    edit(root, 'kit/a.ts', lines([2, 'mine']));
    await updateProject(root, after);
    edit(root, 'kit/a.ts', read(root, 'kit/a.ts.dsp-new'));
    const result = await updateProject(root, after);
    expect(result.conflicts).toEqual([]);
    expect(Object.keys(await treeOf(root))).not.toContain('kit/a.ts.dsp-new');
  });

  it('lists what it no longer emits and the user edited', async () => {
    const root = await written();
    edit(root, 'kit/old.ts', 'old and mine\n');
    const result = await updateProject(root, after);
    expect(result.kept).toEqual(['dsp.yaml', 'kit/old.ts']);
    expect(read(root, 'kit/old.ts')).toBe('old and mine\n');
    expect((await updateProject(root, after)).kept).toEqual(['dsp.yaml']);
  });

  it('writes again what is missing', async () => {
    const root = await written();
    rmSync(join(root, 'kit/a.ts'));
    expect((await updateProject(root, before)).added).toEqual(['kit/a.ts']);
    expect(read(root, 'kit/a.ts')).toBe(lines());
  });

  it('does not overwrite a file of the user that stands where a new one comes', async () => {
    const root = await written();
    edit(root, 'kit/new.ts', 'mine\n');
    expect((await updateProject(root, after)).conflicts).toEqual(['kit/new.ts']);
    expect(read(root, 'kit/new.ts')).toBe('mine\n');
  });

  it.each([
    ['bytes that are no text', (path: string) => writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]))],
    [
      'a folder',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ])('does not overwrite %s', async (_, put) => {
    const root = await written();
    put(join(root, 'kit/a.ts'));
    expect((await updateProject(root, after)).conflicts).toEqual(['kit/a.ts']);
  });

  it('replaces plan.json and the manifest even after a bad merge by git', async () => {
    const root = await written();
    edit(root, 'plan.json', '<<<<<<< HEAD\n{}\n');
    edit(root, '.dsp/manifest.json', '<<<<<<< HEAD\n');
    const result = await updateProject(root, after);
    expect(result.replaced).toEqual(['.dsp/manifest.json', 'README.md', 'kit/a.ts', 'plan.json']);
    expect(result.conflicts).toEqual([]);
  });

  it('does not call lines that no reader takes a merge', async () => {
    const list = (...items: readonly string[]) => `[\n${items.join('\n')}\n]\n`;
    const numbers = ['1,', '2,', '3,', '4,', '5,', '6'];
    const root = await written(projectOf(file('x.json', list(...numbers))));
    edit(root, 'x.json', list(...numbers.slice(0, 5), '6,'));
    const next = projectOf(file('x.json', list('0,', ...numbers)));
    expect((await updateProject(root, next)).conflicts).toEqual(['x.json']);
    edit(root, 'x.json', list(...numbers));
  });

  it('makes a file executable when it is', async () => {
    const root = await written(projectOf(file('run.sh', 'a\n', 'generated', true)));
    await updateProject(root, projectOf(file('run.sh', 'b\n', 'generated', true)));
    expect(statSync(join(root, 'run.sh')).mode & 0o111).not.toBe(0);
  });

  it('changes nothing when aborted before everything is staged', async () => {
    const root = await written();
    const tree = await treeOf(root);
    const controller = new AbortController();
    controller.abort(new DspError('interrupted', {}));
    await expect(updateProject(root, after, { signal: controller.signal })).rejects.toThrow('interrupted');
    expect(await treeOf(root)).toEqual(tree);
  });

  it('changes nothing on a full disk', async (context) => {
    const disk = temporaryFolder();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      return context.skip('no right to mount a small file system');
    }
    try {
      const root = join(disk, 'shop');
      await writeNewProject(root, before);
      const tree = await treeOf(root);
      const big = projectOf(
        ...after.files.filter(({ path }) => !path.startsWith('.dsp')),
        file('z', 'z'.repeat(300_000)),
      );
      await expect(updateProject(root, big)).rejects.toMatchObject({ code: 'project.no-space' });
      expect(await treeOf(root)).toEqual(tree);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('refuses while another process writes', async () => {
    const root = await written();
    mkdirSync(join(root, '.dsp/update'));
    edit(root, '.dsp/update/owner', `${process.ppid}\n`);
    await expect(updateProject(root, after)).rejects.toMatchObject({ code: 'project.busy' });
    edit(root, '.dsp/update/owner', `${2 ** 22 + 1}\n`);
    expect((await updateProject(root, after)).added).toEqual(['kit/new.ts']);
  });
});

describe('a run that dies', () => {
  const step = (path: string, old: string, content: string): Step => ({
    path,
    before: sha256(old),
    after: sha256(content),
    moves: [
      { to: path, content },
      { to: `.dsp/base/${path}`, content },
    ],
  });

  /** Commits `steps` and dies after some renames: the folder that the first one would go to is a file. */
  async function dieAfterCommit(root: string, steps: readonly Step[]): Promise<void> {
    await claim(root);
    edit(root, 'block', '');
    const blocked = { path: 'block/x', before: 'absent', after: 'absent', moves: [] };
    await expect(carryOut(root, [steps[0] as Step, blocked, ...steps.slice(1)])).rejects.toThrow();
    rmSync(join(root, 'block'));
    expect(await isUnfinished(root)).toBe(true);
  }

  it('is finished by the next', async () => {
    const root = await written();
    await dieAfterCommit(root, [step('README.md', lines(), 'one\n'), step('kit/a.ts', lines(), 'two\n')]);
    expect([read(root, 'README.md'), read(root, 'kit/a.ts')]).toEqual(['one\n', lines()]);
    await updateProject(root, before);
    const fresh = await treeOf(await written());
    expect(await treeOf(root)).toEqual(fresh);
  });

  it('does not lose an edit made in between', async () => {
    const root = await written();
    await dieAfterCommit(root, [step('README.md', lines(), 'one\n'), step('kit/a.ts', lines(), 'two\n')]);
    edit(root, 'kit/a.ts', lines([15, 'mine']));
    await updateProject(root, after);
    expect(read(root, 'kit/a.ts')).toBe(lines([2, 'dsp wrote this'], [15, 'mine']));
  });

  it('before the commit has changed nothing, and its leftovers go', async () => {
    const root = await written();
    const tree = await treeOf(root);
    mkdirSync(join(root, '.dsp/update/staged'), { recursive: true });
    edit(root, '.dsp/update/staged/0', 'half');
    edit(root, '.dsp/update/owner', `${2 ** 22 + 1}\n`);
    await updateProject(root, before);
    expect(await treeOf(root)).toEqual(tree);
  });

  it('never writes outside the project', async () => {
    const root = await written();
    await claim(root);
    const leaving = { path: 'a', before: 'absent', after: 'absent', moves: [{ to: '../outside', content: 'x' }] };
    await expect(carryOut(root, [leaving])).rejects.toThrow('may not write');
  });
});
