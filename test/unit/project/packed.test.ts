/** npm leaves some names out of a package; nothing that a project is made of may be among them. */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../src/package-root.ts';
import { readSources } from '../../../src/project/sources.ts';

it('the package holds every template', { timeout: 120_000 }, async () => {
  const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: packageRoot(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(listing.slice(listing.indexOf('['))) as [{ files: { path: string }[] }];
  const packed = new Set(files.map(({ path }) => path));
  const folders = ['stacks', ...readdirSync(join(packageRoot(), 'templates')).map((name) => `templates/${name}`)];
  const sources = folders
    .filter((folder) => !folder.endsWith('.ts'))
    .map((folder) => readSources(folder).map(({ path }) => `${folder}/${path}`));
  const shell = readdirSync(join(packageRoot(), 'templates/project')).map((name) => `templates/project/${name}`);
  const wanted = [...new Set([...sources.flat(), ...shell])];
  expect(wanted.length).toBeGreaterThan(80);
  expect(wanted.filter((path) => !packed.has(path))).toEqual([]);
});
