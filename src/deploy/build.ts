/**
 * Makes what services run: installs the project's packages, type-checks it, bundles it. Each only when what it reads
 * has changed since it last succeeded.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DspError } from '../errors.ts';
import { runLogged } from './local/command.ts';
import { logPathOf, markerOf, type Paths } from './local/paths.ts';
import { lastLines } from './local/ready.ts';
import { writeWhole } from './local/registry.ts';

export interface BuildOptions {
  /** Bundles, relative to the root, that must be there afterwards. */
  readonly outputs: readonly string[];
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

/** What the last successful steps read. It is kept in node_modules, so that it goes when they go. */
interface Built {
  readonly manifests: string;
  readonly sources: string;
}

const shownLines = 20;

/** Throws `deploy.build-failed` with the last lines of the step that failed; all of them are in the log `build`. */
export async function buildProject(paths: Paths, options: BuildOptions): Promise<void> {
  const built = readBuilt(paths);
  let manifests = digestFiles(paths.root, isManifest);
  if (built?.manifests !== manifests || !existsSync(join(paths.root, 'node_modules'))) {
    options.report('installing packages (npm install)');
    // Compilers and bundlers are development dependencies, whatever NODE_ENV says.
    await runStep(paths, ['install', '--include=dev', '--no-audit', '--no-fund'], options);
    // The install writes the lockfile.
    manifests = digestFiles(paths.root, isManifest);
    await writeBuilt(paths, { manifests, sources: '' });
  } else if (built.sources === digestFiles(paths.root, isSource) && missing(paths, options.outputs).length === 0) {
    return;
  }
  const sources = digestFiles(paths.root, isSource);
  options.report('checking types (npm run typecheck)');
  await runStep(paths, ['run', 'typecheck'], options);
  options.report('bundling services (npm run build)');
  await runStep(paths, ['run', 'build'], options);
  const absent = missing(paths, options.outputs);
  if (absent.length > 0) {
    const reason = `made no ${absent.join(', ')}`;
    throw new DspError('deploy.build-failed', { step: 'npm run build', reason, lines: [] });
  }
  await writeBuilt(paths, { manifests, sources });
}

function missing(paths: Paths, outputs: readonly string[]): readonly string[] {
  return outputs.filter((path) => !existsSync(join(paths.root, path)));
}

async function runStep(paths: Paths, args: readonly string[], options: BuildOptions): Promise<void> {
  const step = `npm ${args.filter((arg) => !arg.startsWith('--')).join(' ')}`;
  const logPath = logPathOf(paths, 'build');
  mkdirSync(paths.logsDir, { recursive: true });
  const from = existsSync(logPath) ? statSync(logPath).size : 0;
  const outcome = await runLogged({
    command: 'npm',
    args,
    cwd: paths.root,
    env: { ...buildEnv(process.env), ...markerOf(paths) },
    logPath,
    signal: options.signal,
  });
  if (outcome === null) return;
  throw new DspError(
    'deploy.build-failed',
    { step, reason: outcome, lines: lastLines(logPath, shownLines, from) },
    { where: logPath },
  );
}

/**
 * The user's environment, for proxies and registries, without what an npm that runs dsp says about its own project;
 * the node that runs dsp comes first.
 */
function buildEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const foreign =
    /^(npm_(package|lifecycle|command|execpath|node_execpath|config_(local_prefix|workspace))|INIT_CWD$|NODE_OPTIONS$)/;
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || foreign.test(name) ? [] : [[name, value]],
  );
  return { ...Object.fromEntries(kept), PATH: `${dirname(process.execPath)}:${env.PATH ?? ''}` };
}

const notSources = new Set(['node_modules', 'dist', '.dsp', '.git', 'report']);

const isManifest = (name: string) => name === 'package.json' || name === 'package-lock.json' || name === '.npmrc';
const isSource = (name: string) => isManifest(name) || /\.[cm]?[jt]sx?$|^tsconfig.*\.json$/.test(name);

/** Over the paths and contents of the files whose name is `wanted`, and over what they are built by. */
function digestFiles(root: string, wanted: (name: string) => boolean): string {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}`);
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !notSources.has(entry.name)) visit(path);
      else if (entry.isFile() && wanted(entry.name)) {
        const content = readFileSync(path);
        hash.update(`\0${relative(root, path)}\0${content.length}\0`).update(content);
      }
    }
  };
  visit(root);
  return hash.digest('hex');
}

function builtPath(paths: Paths): string {
  return join(paths.root, 'node_modules', '.dsp-build.json');
}

function readBuilt(paths: Paths): Built | null {
  try {
    return JSON.parse(readFileSync(builtPath(paths), 'utf8')) as Built;
  } catch {
    return null;
  }
}

async function writeBuilt(paths: Paths, built: Built): Promise<void> {
  await writeWhole(builtPath(paths), `${JSON.stringify(built)}\n`);
}
