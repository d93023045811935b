/** The engines that dsp runs and did not write: which programs will do, how old they may be, and where they come from. */

import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DspError } from '../errors.ts';

export interface Alternative {
  readonly program: string;
  /** Least version, `major.minor`. */
  readonly minimum: string;
  readonly versionArgs: readonly string[];
  /** Its first group is the version in the output. */
  readonly versionPattern: RegExp;
  readonly debianPackage: string;
  /** The unit that the package would start as a daemon. */
  readonly debianUnit: string;
}

export interface Engine {
  /** The name that a topology uses. */
  readonly program: string;
  /** The first that is there wins. */
  readonly alternatives: readonly [Alternative, ...Alternative[]];
}

const redisVersion = { versionArgs: ['--version'], versionPattern: /\bv=(\d+\.\d+\.\d+)/ };

export const engines: readonly Engine[] = [
  {
    program: 'redis-server',
    alternatives: [
      {
        program: 'redis-server',
        minimum: '7.0',
        ...redisVersion,
        debianPackage: 'redis-server',
        debianUnit: 'redis-server',
      },
      {
        program: 'valkey-server',
        minimum: '7.2',
        ...redisVersion,
        debianPackage: 'valkey-server',
        debianUnit: 'valkey-server',
      },
    ],
  },
];

export interface FoundEngine {
  readonly path: string;
  readonly version: string;
}

export interface EngineSearch {
  readonly engine: Engine;
  readonly found: FoundEngine | null;
  /** What was on PATH and will not do, in words. */
  readonly rejected: readonly string[];
}

function engineOf(program: string): Engine {
  const found = engines.find((engine) => engine.program === program);
  if (found === undefined) throw new Error(`topology: no engine is called ${program}`);
  return found;
}

/** Looks through `searchPath` (as in PATH) for a program that will do. */
export async function searchEngine(program: string, searchPath: string): Promise<EngineSearch> {
  const engine = engineOf(program);
  const rejected: string[] = [];
  for (const alternative of engine.alternatives) {
    const path = findExecutable(alternative.program, searchPath);
    if (path === null) continue;
    const version = await versionOf(path, alternative);
    if (version !== null && isAtLeast(version, alternative.minimum))
      return { engine, found: { path, version }, rejected };
    rejected.push(version === null ? `${path}, which does not tell its version` : `${path} ${version}`);
  }
  return { engine, found: null, rejected };
}

/** By program name. Throws `env.engine-missing`. */
export async function findEngines(
  programs: readonly string[],
  searchPath: string,
): Promise<Readonly<Record<string, FoundEngine>>> {
  const searches = await Promise.all([...new Set(programs)].map((program) => searchEngine(program, searchPath)));
  return Object.fromEntries(
    searches.map(({ engine, found, rejected }) => {
      if (found !== null) return [engine.program, found];
      const { minimum } = engine.alternatives[0];
      throw new DspError('env.engine-missing', { program: engine.program, minimum, found: rejected });
    }),
  );
}

/** Compares dotted numbers; a missing part counts as 0. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [have, need] = [version, minimum].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(have?.length ?? 0, need?.length ?? 0); i++) {
    const difference = (have?.[i] ?? 0) - (need?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

export function findExecutable(program: string, searchPath: string): string | null {
  for (const folder of searchPath.split(delimiter)) {
    // An empty entry of PATH means the working directory: a program of the project must not pose as an engine.
    if (folder === '') continue;
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

function versionOf(path: string, { versionArgs, versionPattern }: Alternative): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(path, [...versionArgs], { timeout: 10_000 }, (error, stdout) => {
      resolve(error === null ? (versionPattern.exec(stdout)?.[1] ?? null) : null);
    });
  });
}
