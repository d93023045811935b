import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendedFiles } from '../../../src/deploy/local/procfs.ts';
import {
  findCompiler,
  readSynced,
  syncedFile,
  syncedLibrary,
  syncedVariable,
} from '../../../src/deploy/local/synced.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const searchPath = process.env.PATH ?? '';
const identityOf = (path: string) => {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return { inode: ino, birthNs: birthtimeNs };
};

/** A process that has the library and does this to files in its folder. */
function act(folder: string, script: string): void {
  const library = syncedLibrary(folder, searchPath);
  const env = { PATH: searchPath, LD_PRELOAD: library!, [syncedVariable]: join(folder, syncedFile) };
  execFileSync(process.execPath, ['-e', `const fs = require('node:fs'); ${script}`], { cwd: folder, env });
}

describe.skipIf(findCompiler(searchPath) === null)('what was synced', () => {
  it('is as long as a file was when its fsync began, whatever was written since', () => {
    const folder = temporaryFolder('synced');
    act(
      folder,
      `const a = fs.openSync('a', 'a'); fs.writeSync(a, 'x'.repeat(100)); fs.fdatasyncSync(a); fs.writeSync(a, 'lost');
       const b = fs.openSync('b', 'a'); fs.writeSync(b, 'x'.repeat(7)); fs.fsyncSync(b);
       fs.writeFileSync('never', 'lost'); fs.renameSync('b', 'renamed');`,
    );
    const synced = readSynced(join(folder, syncedFile))!;
    expect(statSync(join(folder, 'a')).size).toBe(104);
    expect(synced(identityOf(join(folder, 'a')))).toBe(100);
    expect(synced(identityOf(join(folder, 'renamed')))).toBe(7);
    expect(synced(identityOf(join(folder, 'never')))).toBeNull();
  });

  it('is less of a file that was cut, also when it has grown again', () => {
    const folder = temporaryFolder('synced');
    const write = `const f = fs.openSync('f', 'a'); fs.writeSync(f, 'x'.repeat(100)); fs.fsyncSync(f);`;
    act(folder, `${write} fs.ftruncateSync(f, 60); fs.writeSync(f, 'y'.repeat(30));`);
    expect(readSynced(join(folder, syncedFile))!(identityOf(join(folder, 'f')))).toBe(60);
    act(folder, `fs.truncateSync('f', 20);`);
    expect(readSynced(join(folder, syncedFile))!(identityOf(join(folder, 'f')))).toBe(20);
  });

  it('is nothing of a file that has another’s inode', () => {
    const folder = temporaryFolder('synced');
    act(folder, `const f = fs.openSync('f', 'a'); fs.writeSync(f, 'x'.repeat(100)); fs.fsyncSync(f);`);
    const { inode, birthNs } = identityOf(join(folder, 'f'));
    const synced = readSynced(join(folder, syncedFile))!;
    expect(synced({ inode, birthNs })).toBe(100);
    expect(synced({ inode, birthNs: birthNs + 1n })).toBeNull();
    unlinkSync(join(folder, 'f'));
    act(folder, `fs.writeFileSync('f', 'anew');`);
    expect(readSynced(join(folder, syncedFile))!(identityOf(join(folder, 'f')))).toBeNull();
  });

  it('is compiled once', () => {
    const folder = temporaryFolder('synced');
    const library = syncedLibrary(folder, searchPath)!;
    expect(existsSync(library)).toBe(true);
    expect(syncedLibrary(folder, '')).toBe(library);
  });
});

it('nobody knows what was synced without a compiler, a table, or room in it', () => {
  const folder = temporaryFolder('synced');
  expect(syncedLibrary(folder, folder)).toBeNull();
  expect(readSynced(join(folder, syncedFile))).toBeNull();
  const full = Buffer.alloc(1024 * 24);
  for (let slot = 0; slot < 1024; slot++) full.writeBigUInt64LE(BigInt(slot + 1), slot * 24);
  writeFileSync(join(folder, syncedFile), full);
  expect(readSynced(join(folder, syncedFile))).toBeNull();
});

it('files that a process appends to are told from others', () => {
  const folder = temporaryFolder('appended');
  const files = ['log', 'long', 'data', 'empty'].map((name) => join(folder, name));
  const [log, long, data, empty] = files.map((path, i) => openSync(path, i === 0 ? 'a' : 'w')) as [
    number,
    number,
    number,
    number,
  ];
  writeSync(log, 'x');
  writeSync(long, 'x');
  // Written where it is told to, not at its end.
  writeSync(data, 'abc', 0);
  const seen = openSync(join(folder, 'long'), 'r');
  expect(appendedFiles(process.pid, [folder])).toEqual([join(folder, 'log'), join(folder, 'long')]);
  expect(appendedFiles(process.pid, [join(folder, 'other')])).toEqual([]);
  unlinkSync(join(folder, 'log'));
  expect(appendedFiles(process.pid, [folder])).toEqual([join(folder, 'long')]);
  for (const file of [log, long, data, empty, seen]) closeSync(file);
});
