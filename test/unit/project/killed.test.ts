/** kill -9 at any moment of writing: the next run puts everything right, and no edit is lost. */

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../../src/package-root.ts';
import type { Project } from '../../../src/project/project.ts';
import { updateProject, writeNewProject } from '../../../src/project/write.ts';
import { seededRandom } from '../../../src/random.ts';
import { file, projectOf, temporaryFolder, treeOf } from './project-fixture.ts';

const seed = 9;
const rounds = 15;
const names = Array.from({ length: 60 }, (_, index) => `kit/${index % 7}/file-${index}.ts`);
const version = (label: string, count: number): Project =>
  projectOf(...names.slice(0, count).map((name) => file(name, `first\n\n\n\n${label} of ${name}\n\n\n\nlast\n`)));
const projects = [version('one', 60), version('two', 50), version('three', 55)];

let child: string;

/** A program that does with its own process what the tests' process must survive. */
beforeAll(async () => {
  const folder = join(packageRoot(), 'node_modules/.cache');
  child = join(folder, `dsp-write-${process.pid}.mjs`);
  await build({
    stdin: {
      contents: `
        import { readFileSync } from 'node:fs';
        import { updateProject, writeNewProject } from './src/project/write.ts';
        const [verb, root, ...files] = process.argv.slice(2);
        const projects = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
        process.stdout.write('ready');
        if (verb === 'new') await writeNewProject(root, projects[0]);
        else for (let turn = 0; ; turn++) await updateProject(root, projects[turn % projects.length]);
      `,
      resolveDir: packageRoot(),
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: child,
  });
  return async () => (await import('node:fs/promises')).rm(child, { force: true });
});

/** Runs the program until `moment` after it said that it begins, or to its end. */
async function killAt(moment: (ended: () => boolean) => Promise<void>, ...args: readonly string[]): Promise<void> {
  const running = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => running.once('exit', resolve));
  await new Promise((resolve) => running.stdout.once('data', resolve));
  await moment(() => running.exitCode !== null);
  running.kill('SIGKILL');
  await ended;
}

const after = (ms: number) => () => delay(ms);

/** As soon as `isSeen`: what is on the disk tells how far the program is, however slow the machine. */
const once = (isSeen: () => boolean) => async (ended: () => boolean) => {
  while (!isSeen() && !ended()) await new Promise(setImmediate);
};

function stored(folder: string): readonly string[] {
  return projects.map((project, index) => {
    const path = join(folder, `${index}.json`);
    writeFileSync(path, JSON.stringify(project));
    return path;
  });
}

it('an update', { timeout: 120_000 }, async () => {
  const random = seededRandom(seed);
  const folder = temporaryFolder();
  const files = stored(folder);
  const root = join(folder, 'shop');
  await writeNewProject(root, projects[0]!);
  const edited = join(root, names[0]!);
  writeFileSync(edited, readFileSync(edited, 'utf8').replace('first', 'mine'));
  const journal = join(root, '.dsp/update/journal.json');
  let unfinished = 0;
  for (let round = 0; round < rounds; round++) {
    // Anywhere, right after the commit, and in the middle of the renames that it sets off.
    const isCommitted = () => existsSync(journal);
    const isHalfDone = () => isCommitted() && !existsSync(join(root, '.dsp/update/staged/20'));
    const moments = [after(random.next() * 60), once(isCommitted), once(isHalfDone)];
    const moment = moments[round % 3]!;
    await killAt(moment, 'update', root, ...files);
    if (existsSync(journal)) unfinished++;
    const wanted = projects[round % projects.length]!;
    const result = await updateProject(root, wanted);
    const fresh = join(folder, `fresh-${round}`);
    await writeNewProject(fresh, wanted);
    const expected = await treeOf(fresh);
    expect(result.conflicts, `seed ${seed}, round ${round}`).toEqual([]);
    expect(await treeOf(root), `seed ${seed}, round ${round}`).toEqual({
      ...expected,
      [names[0]!]: expected[names[0]!]?.replace('first', 'mine'),
    });
  }
  expect(unfinished).toBeGreaterThan(0);
});

it('a new project', { timeout: 120_000 }, async () => {
  const random = seededRandom(seed).fork('new');
  const folder = temporaryFolder();
  const [first] = stored(folder);
  for (let round = 0; round < rounds; round++) {
    const place = temporaryFolder();
    const root = round % 2 === 0 ? join(place, 'shop') : place;
    const isMoving = () => existsSync(join(root, 'kit')) || existsSync(join(root, '.dsp'));
    await killAt(round % 3 === 0 ? once(isMoving) : after(random.next() * 40), 'new', root, first!);
    const finished = existsSync(join(root, '.dsp/manifest.json')) && existsSync(join(root, names[0]!));
    if (!finished) await writeNewProject(root, projects[0]!);
    const left = readdirSync(place).filter((name) => name.startsWith('.dsp-new-'));
    expect(finished ? [] : left, `seed ${seed}, round ${round}`).toEqual([]);
  }
});
