/**
 * Where a project keeps what it needs to find its deployment on Kubernetes again: `.dsp/kubernetes/`, readable by its
 * owner alone. The folder is a git repository of its own, which `git clean -fdx` leaves alone: losing the state or the
 * passphrase would leave a running system that nobody can change.
 */

import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { randomToken } from '../../random.ts';
import { writeWhole } from '../local/registry.ts';

export interface Home {
  /** Of the project, without symbolic links. */
  readonly root: string;
  readonly dir: string;
  readonly recordPath: string;
  /** Under it Pulumi's own `.pulumi/`, when the backend is the project's. */
  readonly stateDir: string;
  readonly passphrasePath: string;
}

/** What was deployed last, and where: what `status`, `logs`, `bench` and `destroy` go by. */
export interface DeploymentRecord {
  readonly schemaVersion: 1;
  readonly name: string;
  readonly context: string;
  readonly namespace: string;
  readonly stack: string;
  /** URL of Pulumi's backend; null: the project's own. */
  readonly backend: string | null;
  /** Of the plan that was deployed: a bench judges no other. */
  readonly requirementsDigest: string;
  /** By bundle or engine program; what was deployed with. */
  readonly images: Readonly<Record<string, string>>;
  /** Names of the secrets that the stack has, and when the first of their certificates has to be renewed. */
  readonly secrets: { readonly names: readonly string[]; readonly renewMs: number | null };
  /** False from the first change of a deployment until its end. */
  readonly settled: boolean;
}

export function homeOf(root: string): Home {
  const real = realpathSync(root);
  const dir = join(real, '.dsp', 'kubernetes');
  return {
    root: real,
    dir,
    recordPath: join(dir, 'deployment.json'),
    stateDir: join(dir, 'state'),
    passphrasePath: join(dir, 'passphrase'),
  };
}

/** Null when nothing was deployed, or its record is of another version. */
export function readRecord(home: Home): DeploymentRecord | null {
  try {
    const record = JSON.parse(readFileSync(home.recordPath, 'utf8')) as DeploymentRecord;
    return record.schemaVersion === 1 ? record : null;
  } catch {
    return null;
  }
}

export async function writeRecord(home: Home, record: DeploymentRecord): Promise<void> {
  await writeWhole(home.recordPath, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Makes the folder. Resolves to what the user should know about its safety, or null: without git to make it a
 * repository of its own, `git clean -fdx` would take it along.
 */
export async function makeHome(home: Home): Promise<string | null> {
  mkdirSync(home.stateDir, { recursive: true, mode: 0o700 });
  if (existsSync(join(home.dir, '.git'))) return null;
  const made = await execa('git', ['init', '--quiet', home.dir], { reject: false, env: { GIT_DIR: undefined } });
  if (made.exitCode === 0) return null;
  if (!existsSync(join(home.root, '.git'))) return null;
  return `${home.dir} holds the deployment's state and passphrase: \`git clean -fdx\` would delete it, keep a copy`;
}

/** The project's own passphrase, made once. */
export function passphraseOf(home: Home): string {
  if (!existsSync(home.passphrasePath)) writeFileSync(home.passphrasePath, `${randomToken(32)}\n`, { mode: 0o600 });
  return readFileSync(home.passphrasePath, 'utf8').trim();
}
