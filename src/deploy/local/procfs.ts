/**
 * What the kernel says of processes and of this machine: the one reader of /proc. A process is known by its pid and
 * start time, since pids are used again.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DspError } from '../../errors.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the process's start: field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
}

export interface ProcessView extends ProcessIdentity {
  readonly parentPid: number;
  /** Pid of the session's leader: what an instance forks stays in its session. */
  readonly session: number;
  /** `running` covers sleeping and waiting for the disk; `stopped` is SIGSTOP's effect. */
  readonly state: 'running' | 'stopped';
}

/** Throws `env.unsupported` where there is no /proc. */
export function requireProcfs(): void {
  if (!existsSync('/proc/self/stat')) throw new DspError('env.unsupported', { platform: process.platform });
}

/**
 * The process, or null when there is none: a zombie has ended. One whose other threads are still ending has not: until
 * the last is gone, its ports are taken.
 */
export function readProcess(pid: number): ProcessView | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  // The second field is the program's name in brackets, and may itself hold spaces and brackets.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields.length < 20) return null;
  const [letter, parent, , session] = fields;
  const threads = Number(fields[17]);
  if ((letter === 'Z' || letter === 'X') && threads <= 1) return null;
  const state = letter === 'T' || letter === 't' ? 'stopped' : 'running';
  return { pid, startTicks: Number(fields[19]), parentPid: Number(parent), session: Number(session), state };
}

/** The process of that identity, or null when it has ended. */
export function findProcess(identity: ProcessIdentity): ProcessView | null {
  const view = readProcess(identity.pid);
  return view !== null && view.startTicks === identity.startTicks ? view : null;
}

export interface Ownership {
  /** Working directories of what belongs are in this folder. */
  readonly dataDir: string;
  /** Standard output of what belongs goes to a file in this folder. */
  readonly logsDir: string;
  /** Or its environment had this variable when it started. */
  readonly marker: { readonly name: string; readonly value: string };
}

/**
 * Every process that was started for a deployment, known to a registry or not. The working directory alone would also
 * name the shell of a user who looks at the data, so its output must go to the deployment's logs as well.
 */
export function processesOwnedBy(owner: Ownership): readonly ProcessView[] {
  const spared = ownAncestry();
  const found: ProcessView[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || spared.has(Number(name)) || !isOwned(name, owner)) continue;
    const view = readProcess(Number(name));
    if (view !== null) found.push(view);
  }
  return found;
}

function isOwned(pid: string, { dataDir, logsDir, marker }: Ownership): boolean {
  const inside = (path: string | null, folder: string) => path === folder || path?.startsWith(`${folder}/`) === true;
  if (inside(linkOrNull(`/proc/${pid}/cwd`), dataDir)) {
    if (inside(linkOrNull(`/proc/${pid}/fd/1`), logsDir) || inside(linkOrNull(`/proc/${pid}/fd/2`), logsDir))
      return true;
  }
  const environment = readOrNull(`/proc/${pid}/environ`);
  return environment?.split('\0').includes(`${marker.name}=${marker.value}`) === true;
}

/** The two ends of a connection over 127.0.0.1, as the one that made it sees them. */
export interface LocalConnection {
  readonly localPort: number;
  readonly remotePort: number;
}

/**
 * For each connection, the folder of `dataDir` that the process which made it works in; null when it works elsewhere, or
 * has ended. Reads every process's files once, which takes milliseconds.
 */
export function connectionOwners(dataDir: string, connections: readonly LocalConnection[]): readonly (string | null)[] {
  const inodes = connectionInodes();
  const owners = new Map<string, string>();
  for (const pid of readdirSync('/proc')) {
    const cwd = /^\d+$/.test(pid) ? linkOrNull(`/proc/${pid}/cwd`) : null;
    if (cwd === null || !cwd.startsWith(`${dataDir}/`)) continue;
    const folder = cwd.slice(dataDir.length + 1).split('/')[0] ?? '';
    for (const inode of socketInodes(pid)) owners.set(inode, folder);
  }
  return connections.map(({ localPort, remotePort }) => {
    const inode = inodes.get(`${localPort}:${remotePort}`);
    return inode === undefined ? null : (owners.get(inode) ?? null);
  });
}

const appendFlag = 0o2000;
/** O_WRONLY or O_RDWR. */
const writeFlags = 0o3;

/**
 * Paths of files with content below one of the folders whose end the process writes: opened to append, or written to their
 * end and no further. Exact for a process that is stopped.
 */
export function appendedFiles(pid: number, folders: readonly string[]): readonly string[] {
  const paths = openFiles(pid).flatMap((name) => {
    const path = linkOrNull(`/proc/${pid}/fd/${name}`);
    if (path === null || !folders.some((folder) => path.startsWith(`${folder}/`)) || !existsSync(path)) return [];
    const info = /^pos:\s+(?<pos>\d+)\nflags:\s+(?<flags>\d+)$/m.exec(
      readOrNull(`/proc/${pid}/fdinfo/${name}`) ?? '',
    )?.groups;
    const flags = Number.parseInt(info?.flags ?? '0', 8);
    const { size } = statSync(path);
    const isAtEnd = (flags & appendFlag) !== 0 || ((flags & writeFlags) !== 0 && Number(info?.pos) === size);
    return isAtEnd && size > 0 ? [path] : [];
  });
  return [...new Set(paths)].sort();
}

/** Inode of each TCP socket by `local port:remote port`. */
function connectionInodes(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of (readOrNull('/proc/net/tcp') ?? '').split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , , , inode = ''] = line.trim().split(/\s+/);
    const port = (address: string) => Number.parseInt(address.split(':')[1] ?? '', 16);
    if (inode !== '' && inode !== '0') found.set(`${port(local)}:${port(remote)}`, inode);
  }
  return found;
}

/** Their numbers; none when the process has ended, or is another user's. */
function openFiles(pid: number | string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

function socketInodes(pid: string): readonly string[] {
  return openFiles(pid).flatMap(
    (name) => /^socket:\[(\d+)\]$/.exec(linkOrNull(`/proc/${pid}/fd/${name}`) ?? '')?.[1] ?? [],
  );
}

/** This process and the ones it was started from. */
function ownAncestry(): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let pid = process.pid; pid > 0 && !pids.has(pid); pid = readProcess(pid)?.parentPid ?? 0) pids.add(pid);
  return pids;
}

/** The first port that the kernel hands out itself. */
export function ephemeralPortStart(): number {
  const first = Number(readOrNull('/proc/sys/net/ipv4/ip_local_port_range')?.trim().split(/\s+/)[0]);
  return Number.isInteger(first) && first > 0 ? first : 32_768;
}

/** Memory that can be used without swapping, or null where the kernel does not say. */
export function availableMemoryMiB(): number | null {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readOrNull('/proc/meminfo') ?? '')?.[1];
  return kib === undefined ? null : Math.floor(Number(kib) / 1024);
}

/** How many files this process, and what it starts, may have open; null when the kernel does not say. */
export function openFileLimit(): number | null {
  const soft = /^Max open files\s+(\S+)/m.exec(readOrNull(join('/proc', 'self', 'limits')) ?? '')?.[1];
  if (soft === undefined) return null;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function linkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
