import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { homeOf, makeHome, passphraseOf, readRecord, writeRecord } from '../../../../src/deploy/kubernetes/home.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dsp-home-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const git = (...args: string[]) => execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });

const record = {
  schemaVersion: 1 as const,
  name: 'shop',
  context: 'c',
  namespace: 'n',
  stack: 'c.n',
  backend: null,
  requirementsDigest: 'd',
  images: {},
  secrets: { names: [], renewMs: null },
  settled: true,
};

it('survives git clean, ignored or not', async () => {
  git('init', '--quiet');
  writeFileSync(join(root, '.gitignore'), '.dsp/kubernetes/\n');
  mkdirSync(join(root, 'other'));
  writeFileSync(join(root, 'other', 'file'), '');
  const home = homeOf(root);
  expect(await makeHome(home)).toBeNull();
  const passphrase = passphraseOf(home);
  await writeRecord(home, record);
  git('clean', '--force', '-d', '-x');
  expect(existsSync(join(root, 'other'))).toBe(false);
  expect(passphraseOf(home)).toBe(passphrase);
  expect(readRecord(home)).toEqual(record);
});

it('keeps its passphrase to its owner, and makes it once', async () => {
  const home = homeOf(root);
  await makeHome(home);
  const passphrase = passphraseOf(home);
  expect(passphrase).toMatch(/^[0-9a-f]{64}$/);
  expect(passphraseOf(home)).toBe(passphrase);
  expect(statSync(home.passphrasePath).mode & 0o777).toBe(0o600);
  expect(statSync(home.dir).mode & 0o777).toBe(0o700);
});

it('has no record where nothing was deployed, or another version wrote it', async () => {
  const home = homeOf(root);
  expect(readRecord(home)).toBeNull();
  await makeHome(home);
  writeFileSync(home.recordPath, JSON.stringify({ ...record, schemaVersion: 2 }));
  expect(readRecord(home)).toBeNull();
  await writeRecord(home, record);
  expect(JSON.parse(readFileSync(home.recordPath, 'utf8')).stack).toBe('c.n');
});
