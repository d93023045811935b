import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { satisfies } from '../../../src/deploy/doctor.ts';
import { findEngines, isAtLeast, searchEngine } from '../../../src/deploy/engines.ts';

const work = mkdtempSync(join(tmpdir(), 'dsp-engines-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A folder with programs that answer any call with a text. */
function folder(name: string, programs: Readonly<Record<string, string>>): string {
  const path = join(work, name);
  mkdirSync(path);
  for (const [program, answer] of Object.entries(programs)) {
    writeFileSync(join(path, program), `#!/bin/sh\necho '${answer}'\n`);
    chmodSync(join(path, program), 0o755);
  }
  return path;
}

const redis = (version: string) => `Redis server v=${version} sha=00000000:0 malloc=libc bits=64 build=1`;
const old = folder('old', { 'redis-server': redis('6.2.9') });
const fresh = folder('fresh', { 'redis-server': redis('7.0.15') });
const valkey = folder('valkey', {
  'valkey-server': 'Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64 build=1',
});
const mute = folder('mute', { 'redis-server': 'hello' });

describe('searchEngine', () => {
  it('takes the first program that is new enough', async () => {
    expect(await searchEngine('redis-server', fresh)).toMatchObject({
      found: { path: join(fresh, 'redis-server'), version: '7.0.15' },
      rejected: [],
    });
  });

  it('falls back on the alternative, and tells what it passed over', async () => {
    expect(await searchEngine('redis-server', `${old}:${valkey}`)).toMatchObject({
      found: { path: join(valkey, 'valkey-server'), version: '8.1.1' },
      rejected: [`${join(old, 'redis-server')} 6.2.9`],
    });
  });

  it('finds nothing where there is nothing, or what tells no version', async () => {
    expect(await searchEngine('redis-server', '/nowhere:')).toMatchObject({ found: null, rejected: [] });
    expect((await searchEngine('redis-server', mute)).rejected).toEqual([
      `${join(mute, 'redis-server')}, which does not tell its version`,
    ]);
  });
});

describe('findEngines', () => {
  it('says what is missing and how to get it', async () => {
    const missing = findEngines(['redis-server', 'redis-server'], old);
    await expect(missing).rejects.toMatchObject({
      code: 'env.engine-missing',
      exitCode: 4,
      message: `no redis-server ≥ 7.0 on PATH (found ${join(old, 'redis-server')} 6.2.9)`,
      mend: expect.stringContaining('dsp doctor --fix'),
    });
  });
});

describe('versions', () => {
  it.each([
    ['7.0.15', '7.0', true],
    ['7.0', '7.0.0', true],
    ['6.9.9', '7.0', false],
    ['10.0.0', '9.1', true],
    ['7.0.4', '7.0.15', false],
  ])('%s is at least %s: %s', (version, minimum, result) => {
    expect(isAtLeast(version, minimum)).toBe(result);
  });

  it.each([
    ['20.19.4', true],
    ['20.19.3', false],
    ['21.7.0', false],
    ['22.12.9', false],
    ['22.13.0', true],
    ['23.1.0', false],
    ['24.0.0', true],
    ['26.1.0', true],
  ])('node %s suits dsp: %s', (version, result) => {
    expect(satisfies(version, '^20.19.4 || ^22.13 || >=24')).toBe(result);
  });
});
