/**
 * What of a process's files would outlive a loss of power: a small library, loaded before the C library, notes how long each
 * file was when an fsync or fdatasync of it had come to its end. Compiled where a C compiler is present.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../digest.ts';
import { findExecutable } from '../engines.ts';

/** In the process's working directory. */
export const syncedFile = 'synced';
export const syncedVariable = 'DSP_SYNCED';

const slots = 1024;
const slotBytes = 24;

/**
 * The file is a table of {inode, time of birth in ns, bytes}, shared with the kernel, so that SIGKILL takes nothing of it
 * away, and with forked children. A file is the one with this inode and this birth: inodes are used again. The length is
 * taken before the kernel is asked, and noted when it has said yes: what is written in between may not be there. A file that
 * was cut short has no more than it is long.
 */
const source = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct slot { _Atomic uint64_t inode, birth, bytes; };
static struct slot *table;

__attribute__((constructor)) static void open_table(void) {
  const char *path = getenv("${syncedVariable}");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const size_t size = ${slots} * sizeof(struct slot);
  if (ftruncate(fd, size) == 0) {
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) table = found;
  }
  close(fd);
}

static struct slot *slot_of(uint64_t inode, uint64_t birth, int add) {
  for (int i = 0; i < ${slots}; i++) {
    uint64_t free_slot = 0;
    if (table[i].inode == inode && table[i].birth == birth) return &table[i];
    if (table[i].inode != 0) continue;
    if (!add) return NULL;
    if (__atomic_compare_exchange_n((uint64_t *)&table[i].inode, &free_slot, inode, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      table[i].birth = birth;
      return &table[i];
    }
    i--;
  }
  return NULL;
}

static int look(int fd, const char *path, struct statx *found) {
  return statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_SIZE | STATX_BTIME | STATX_TYPE, found) == 0
    && S_ISREG(found->stx_mode);
}

static uint64_t birth_of(const struct statx *found) {
  if (!(found->stx_mask & STATX_BTIME)) return 0;
  return (uint64_t)found->stx_btime.tv_sec * 1000000000u + found->stx_btime.tv_nsec;
}

static int synced(long call, int fd) {
  struct statx before;
  const int noted = table != NULL && look(fd, "", &before);
  const int result = syscall(call, fd);
  if (result != 0 || !noted) return result;
  struct slot *slot = slot_of(before.stx_ino, birth_of(&before), 1);
  if (slot != NULL && slot->bytes < before.stx_size) slot->bytes = before.stx_size;
  return result;
}

static void cut(int fd, const char *path, off_t length) {
  struct statx found;
  if (table == NULL || !look(fd, path, &found)) return;
  struct slot *slot = slot_of(found.stx_ino, birth_of(&found), 0);
  if (slot != NULL && slot->bytes > (uint64_t)length) slot->bytes = length;
}

int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

int ftruncate(int fd, off_t length) {
  const int result = syscall(SYS_ftruncate, fd, length);
  if (result == 0) cut(fd, "", length);
  return result;
}
int truncate(const char *path, off_t length) {
  const int result = syscall(SYS_truncate, path, length);
  if (result == 0) cut(AT_FDCWD, path, length);
  return result;
}
#ifdef __GLIBC__
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }
int truncate64(const char *path, off64_t length) { return truncate(path, length); }
#endif
`;

/** Absolute path of a C compiler, or null. */
export function findCompiler(searchPath: string): string | null {
  for (const program of ['cc', 'gcc', 'clang']) {
    const found = findExecutable(program, searchPath);
    if (found !== null) return found;
  }
  return null;
}

/** Absolute path of the library in `folder`; null where it cannot be compiled. */
export function syncedLibrary(folder: string, searchPath: string): string | null {
  const path = join(folder, `synced-${sha256(source).slice(0, 8)}.so`);
  if (existsSync(path)) return path;
  const compiler = findCompiler(searchPath);
  if (compiler === null) return null;
  try {
    mkdirSync(folder, { recursive: true });
    const made = `${path}.${process.pid}`;
    const args = ['-shared', '-fPIC', '-O2', '-o', made, '-x', 'c', '-'];
    execFileSync(compiler, args, { input: source, stdio: ['pipe', 'ignore', 'ignore'] });
    renameSync(made, path);
    return path;
  } catch {
    return null;
  }
}

/** A file as the kernel knows it. */
export interface FileIdentity {
  readonly inode: bigint;
  readonly birthNs: bigint;
}

/** How many bytes of a file are on its disk; null where nothing was noted of it. */
export type SyncedBytes = (file: FileIdentity) => number | null;

/** Reads the table; null when there is none, since the process was not started with the library, or when it is full. */
export function readSynced(path: string): SyncedBytes | null {
  if (!existsSync(path)) return null;
  const table = readFileSync(path);
  const noted = new Map<string, number>();
  for (let at = 0; at + slotBytes <= table.length; at += slotBytes) {
    const inode = table.readBigUInt64LE(at);
    if (inode === 0n) break;
    const key = `${inode} ${table.readBigUInt64LE(at + 8)}`;
    if (!noted.has(key)) noted.set(key, Number(table.readBigUInt64LE(at + 16)));
  }
  if (noted.size >= slots) return null;
  return ({ inode, birthNs }) => noted.get(`${inode} ${birthNs}`) ?? noted.get(`${inode} 0`) ?? null;
}
