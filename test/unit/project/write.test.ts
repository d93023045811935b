import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DspError } from '../../../src/errors.ts';
import { writeNewProject } from '../../../src/project/write.ts';
import { file, projectOf, temporaryFolder, treeOf } from './project-fixture.ts';

const project = projectOf(
  file('dsp.yaml', 'name: shop\n', 'yours'),
  file('kit/src/a.ts', 'export const a = 1;\n'),
  file('plan.json', '{}\n'),
  file('run.sh', '#!/bin/sh\n', 'generated', true),
);

const codeOf = (error: unknown) => (error instanceof DspError ? error.code : String(error));
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: unknown) => codeOf(error),
  );

describe('writeNewProject', () => {
  it('writes every file, the manifest, and pristine copies of what can be merged', async () => {
    const root = join(temporaryFolder(), 'shop');
    const result = await writeNewProject(root, project);
    const tree = await treeOf(root);
    expect(Object.keys(tree)).toEqual([
      '.dsp/base/kit/src/a.ts',
      '.dsp/base/run.sh',
      '.dsp/manifest.json',
      'dsp.yaml',
      'kit/src/a.ts',
      'plan.json',
      'run.sh',
    ]);
    expect(tree['.dsp/base/kit/src/a.ts']).toBe(tree['kit/src/a.ts']);
    expect(result.added).toEqual(project.files.map(({ path }) => path));
    expect(statSync(join(root, 'run.sh')).mode & 0o111).not.toBe(0);
    expect(statSync(join(root, 'plan.json')).mode & 0o111).toBe(0);
  });

  it('makes the folders above, readable like any other', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'plain'));
    await writeNewProject(join(folder, 'a/b/shop'), project);
    expect(statSync(join(folder, 'a/b/shop')).mode).toBe(statSync(join(folder, 'plain')).mode);
    expect(readdirSync(join(folder, 'a/b'))).toEqual(['shop']);
  });

  it('fills an empty folder in place, whatever a killed run left in it', async () => {
    const root = temporaryFolder();
    const inode = statSync(root).ino;
    mkdirSync(join(root, `.dsp-new-${2 ** 22 + 1}-abc/kit`), { recursive: true });
    await writeNewProject(root, project);
    expect(statSync(root).ino).toBe(inode);
    expect(readdirSync(root).sort()).toEqual(['.dsp', 'dsp.yaml', 'kit', 'plan.json', 'run.sh']);
  });

  it('clears away what a killed run left, and leaves a living one alone', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, `.dsp-new-${2 ** 22 + 1}-abc/project`), { recursive: true });
    mkdirSync(join(folder, `.dsp-new-${process.ppid}-abc`));
    await writeNewProject(join(folder, 'shop'), project);
    expect(readdirSync(folder).sort()).toEqual([`.dsp-new-${process.ppid}-abc`, 'shop']);
    mkdirSync(join(folder, 'empty', `.dsp-new-${process.ppid}-abc`), { recursive: true });
    expect(await failure(writeNewProject(join(folder, 'empty'), project))).toBe('project.busy');
  });

  it('clears away what a run killed while it moved its entries left, but no project', async () => {
    const root = temporaryFolder();
    const staging = join(root, `.dsp-new-${2 ** 22 + 1}-abc`);
    mkdirSync(staging);
    mkdirSync(join(root, 'kit'));
    writeFileSync(join(staging, 'entries'), 'dsp.yaml\nkit');
    await writeNewProject(root, project);
    expect(readdirSync(root).sort()).toEqual(['.dsp', 'dsp.yaml', 'kit', 'plan.json', 'run.sh']);
    mkdirSync(staging);
    writeFileSync(join(staging, 'entries'), 'dsp.yaml\nkit');
    expect(await failure(writeNewProject(root, project))).toBe('project.not-empty');
    expect(readdirSync(root)).toContain('kit');
  });

  it('refuses a folder that holds something, and leaves it alone', async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, '.hidden'), 'mine');
    expect(await failure(writeNewProject(root, project))).toBe('project.not-empty');
    expect(await treeOf(root)).toEqual({ '.hidden': 'mine' });
  });

  it('refuses what is no folder, also above', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'taken'), '');
    symlinkSync('/dev/null', join(folder, 'device'));
    for (const path of ['taken', 'device', 'taken/inner']) {
      expect(await failure(writeNewProject(join(folder, path), project)), path).toBe('project.not-a-folder');
    }
    expect(readdirSync(folder).sort()).toEqual(['device', 'taken']);
  });

  it.each(['inside an empty folder', 'beside its place'])('leaves nothing when aborted half way: %s', async (way) => {
    const folder = temporaryFolder();
    const root = way === 'beside its place' ? join(folder, 'deep/shop') : folder;
    const reason = new DspError('interrupted', {});
    // Reading the signal for the third time aborts it: once at the start, then before each file.
    let looks = 0;
    const controller = new AbortController();
    const signal = new Proxy(controller.signal, {
      get(target, property) {
        if (property !== 'throwIfAborted') return Reflect.get(target, property);
        return () => {
          looks++;
          if (looks === 3) controller.abort(reason);
          target.throwIfAborted();
        };
      },
    });
    expect(await failure(writeNewProject(root, project, { signal }))).toBe('interrupted');
    expect(looks).toBe(3);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves nothing when the system refuses', async () => {
    const folder = temporaryFolder();
    const tooLong = projectOf(file(`kit/${'x'.repeat(300)}`, ''), file('a', ''));
    const error = await writeNewProject(join(folder, 'new/shop'), tooLong).catch((caught: unknown) => caught);
    expect(codeOf(error)).toBe('project.unwritable');
    expect((error as DspError).exitCode).toBe(4);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says which folder cannot be written to', async () => {
    // Not even root makes a folder here.
    expect(await failure(writeNewProject('/proc/dsp-shop', project))).toBe('project.unwritable');
  });
});

/** A file system of 256 KiB, or null where mounting is not allowed. */
function smallDisk(): string | null {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    return null;
  }
}

describe('a full disk', () => {
  it('leaves nothing half-written', async (context) => {
    const disk = smallDisk();
    if (disk === null) return context.skip('no right to mount a small file system');
    try {
      const big = projectOf(file('a.txt', 'x'), file('big.txt', 'y'.repeat(300_000)));
      const inNew = await writeNewProject(join(disk, 'deep/shop'), big).catch((error: unknown) => error);
      expect(codeOf(inNew)).toBe('project.no-space');
      expect((inNew as DspError).exitCode).toBe(4);
      expect(readdirSync(disk)).toEqual([]);
      expect(await failure(writeNewProject(disk, big))).toBe('project.no-space');
      expect(readdirSync(disk)).toEqual([]);
      await writeNewProject(join(disk, 'shop'), project);
      expect(readdirSync(disk)).toEqual(['shop']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
