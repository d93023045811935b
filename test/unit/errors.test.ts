import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalogue, DspError, describeError } from '../../src/errors.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const rows = [...readme.matchAll(/^\| `(?<code>[a-z]+(?:[.-][a-z-]+)*)` \| (?<exit>\d+) \| (?<meaning>.+) \|$/gm)];

describe('the catalogue of errors', () => {
  it('is the table of README, both ways', () => {
    const documented = rows.map((row) => [row.groups?.code, Number(row.groups?.exit), row.groups?.meaning]);
    const real = Object.entries(catalogue).map(([code, entry]) => [code, entry.exitCode, entry.meaning]);
    const sorted = (list: readonly (readonly unknown[])[]) =>
      [...list].sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
    expect(sorted(documented)).toEqual(sorted(real));
  });

  it('has no code that nothing throws', () => {
    const text = sourcesOf('src')
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const unused = Object.keys(catalogue).filter(
      (code) => text.split(`'${code}'`).length < 3 && code !== 'interrupted',
    );
    expect(unused).toEqual([]);
  });

  it('says what, where and how to mend it', () => {
    const error = new DspError('input.missing', { keys: ['rate.readPerSecond'] }, { where: 'dsp.yaml:3' });
    expect(describeError(error).split('\n')).toEqual([
      expect.stringContaining('rate.readPerSecond'),
      expect.stringContaining('dsp.yaml:3'),
      expect.stringContaining('--set rate.readPerSecond='),
    ]);
    expect(error.exitCode).toBe(2);
  });
});

function sourcesOf(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(root, folder, path));
}
