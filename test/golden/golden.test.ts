/**
 * Whole generated projects. Files that are rendered are kept in full, so that a review sees what a change does to
 * them; files that are emitted byte for byte are in the repository already, and files.json says where.
 * UPDATE_GOLDEN=1 writes the expectations again.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/digest.ts';
import { packageRoot } from '../../src/package-root.ts';
import { manifestPath } from '../../src/project/manifest.ts';
import type { Project } from '../../src/project/project.ts';
import { treeOf } from '../unit/project/project-fixture.ts';
import { goldenFolder, renderScenario, scenarios } from '../unit/project/scenarios.ts';

const dspVersion = '0.0.0-golden';
const update = process.env.UPDATE_GOLDEN === '1';
const mend = 'if the change is meant: UPDATE_GOLDEN=1 npx vitest run --config test/vitest.config.ts test/golden';

/** Where a file that has the same bytes in every project comes from; null for a rendered one. */
function sourceOf(path: string): string | null {
  const shell: Readonly<Record<string, string>> = {
    '.dockerignore': 'dockerignore',
    '.gitattributes': 'gitattributes',
    '.github/workflows/dsp.yml': 'github-workflow.yml',
    '.gitignore': 'gitignore',
    '.gitlab-ci.yml': 'gitlab-ci.yml',
  };
  if (path.startsWith('stacks/')) return path;
  if (path.startsWith('kit/')) return `templates/${path}`;
  if (path.startsWith('patterns/')) return path.replace('patterns/', 'templates/');
  if (/^(build\.mjs|program\.test\.ts|tsconfig\.json|vitest\.config\.ts)$/.test(path))
    return `templates/project/${path}`;
  return shell[path] === undefined ? null : `templates/project/${shell[path]}`;
}

/** TypeScript that no compiler of this repository is to meet. */
const storedAs = (path: string) => (path.endsWith('.ts') ? `${path}.txt` : path);

/** Path → text: rendered files as they are, and files.json. The manifest only says again what the files are. */
function expectedOf(project: Project): Record<string, string> {
  const rendered = project.files.filter(({ path }) => sourceOf(path) === null && path !== manifestPath);
  const copied = project.files.flatMap(({ path }) => {
    const source = sourceOf(path);
    return source === null ? [] : [[path, source]];
  });
  return {
    ...Object.fromEntries(rendered.map(({ path, content }) => [storedAs(path), content])),
    'files.json': `${JSON.stringify(Object.fromEntries(copied), null, 2)}\n`,
  };
}

it('has the scenarios that matter', () => {
  expect(scenarios).toEqual(expect.arrayContaining(['limiter-only', 'quickstart', 'store-only']));
});

describe.each(scenarios)('%s', (name) => {
  it('is the golden project', async () => {
    const folder = join(goldenFolder, name, 'expected');
    const rendered = expectedOf(await renderScenario(name, dspVersion));
    if (update) write(folder, rendered);
    const golden = await treeOf(folder).catch(() => ({}));
    expect(Object.keys(rendered).sort(), mend).toEqual(Object.keys(golden).sort());
    for (const [path, text] of Object.entries(rendered)) {
      expect(text, `${path}: ${mend}`).toBe((golden as Record<string, string>)[path]);
    }
  });

  it('has every other file byte for byte', async () => {
    const { files } = await renderScenario(name, dspVersion);
    const copied = files.filter(({ path }) => sourceOf(path) !== null);
    expect(copied.length).toBeGreaterThan(30);
    for (const { path, content } of copied) {
      expect(content, path).toBe(readFileSync(join(packageRoot(), sourceOf(path) ?? ''), 'utf8'));
    }
  });

  it('differs from that of another version in two lines', async () => {
    const first = await renderScenario(name, '1.0.0');
    const second = await renderScenario(name, '1.0.1');
    const differing = first.files.filter(({ content }, index) => content !== second.files[index]?.content);
    expect(differing.map(({ path }) => path)).toEqual([manifestPath, 'plan.json']);
  });

  it('is described by its manifest', async () => {
    const { files } = await renderScenario(name);
    const manifest = JSON.parse(files.find(({ path }) => path === manifestPath)?.content ?? '');
    const others = files.filter(({ path }) => path !== manifestPath);
    const described = others.map(({ path, content, ownership }) => ({ path, sha256: sha256(content), ownership }));
    expect(manifest.files).toEqual(described);
  });
});

function write(folder: string, files: Readonly<Record<string, string>>): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}
