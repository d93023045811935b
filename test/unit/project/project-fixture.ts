/** Small projects for the tests of writing; a project in a temporary folder of its own. */

import { mkdtempSync, rmSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { manifestFile } from '../../../src/project/manifest.ts';
import type { Ownership, Project, ProjectFile } from '../../../src/project/project.ts';

export function file(
  path: string,
  content: string,
  ownership: Ownership = 'generated',
  executable = false,
): ProjectFile {
  return { path, content, ownership, executable };
}

/** `files` with the manifest that goes with them. */
export function projectOf(...files: readonly ProjectFile[]): Project {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest = manifestFile({ dspVersion: '1.2.3', requirementsDigest: 'd'.repeat(64) }, sorted);
  return { name: 'shop', files: [...sorted, manifest].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

const folders: string[] = [];

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dsp-project-'));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Path → content of every file below `root`. */
export async function treeOf(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (prefix: string): Promise<void> => {
    for (const name of (await readdir(join(root, prefix))).sort()) {
      const path = join(prefix, name);
      if ((await lstat(join(root, path))).isDirectory()) await visit(path);
      else found[path] = await readFile(join(root, path), 'utf8');
    }
  };
  await visit('');
  return found;
}
