/** A real cluster for tests, its images, and dsp as its user runs it there. */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect } from 'vitest';
import { withBenchContext } from '../../src/deploy/kubernetes/bench-image.ts';
import { withPackages } from '../fixtures/packages.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
/** `<loader> add <tag> <folder>` builds a folder's Dockerfile and gives the image to the cluster. */
const loader = process.env.DSP_CLUSTER_IMAGES;
const attempt = `${process.pid}`;
const ownFolder = join(tmpdir(), 'dsp-cluster-');

/** Why the tests cannot run; null when they can. */
export const absent: string | null = reasonOfAbsence();

function reasonOfAbsence(): string | null {
  if (loader === undefined) return 'DSP_CLUSTER_IMAGES names no command that gives images to a cluster';
  try {
    execFileSync('kubectl', ['get', '--raw', '/readyz', '--request-timeout', '5s'], { stdio: 'ignore' });
    execFileSync('pulumi', ['version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'no cluster answers to kubectl, or there is no pulumi';
  }
}

export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await execa('kubectl', args, { stdin: 'ignore', timeout: 120_000 });
  return stdout;
}

export async function kubectlJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl(...args, '--output', 'json')) as T;
}

export interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** `dsp` with the environment of the tests. */
export async function dsp(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return startDsp(cwd, args, env).ended;
}

export interface Running {
  readonly pid: number;
  /** Resolves when stderr has said it; rejects when it ends without. */
  said(what: RegExp): Promise<void>;
  readonly ended: Promise<Ran>;
}

export function startDsp(cwd: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = execa(process.execPath, [join(repository, 'bin', 'dsp.js'), ...args], {
    cwd,
    env,
    reject: false,
    stdin: 'ignore',
    timeout: 420_000,
  });
  const ended = child.then(({ exitCode, stdout, stderr }) => ({ exitCode: exitCode ?? -1, out: stdout, err: stderr }));
  let heard = '';
  const listeners = new Set<() => void>();
  child.stderr.on('data', (data: Buffer) => {
    heard += data.toString();
    for (const listener of listeners) listener();
  });
  const said = (what: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const listen = () => {
        if (what.test(heard)) resolve();
      };
      listeners.add(listen);
      listen();
      void ended.then(({ err }) => reject(new Error(`ended without ${what}: ${err}`)));
    });
  return { pid: child.pid ?? -1, said, ended };
}

/** The image of each engine that the cluster has, as flags. */
export const engineImages: readonly string[] = ['--image', 'redis-server=redis:7.0'];

/** A project of `requirements` in a folder of its own, with its packages; not built. */
export async function newProject(requirements: string, flags: readonly string[] = []): Promise<string> {
  const project = join(mkdtempSync(ownFolder), 'project');
  const made = await dsp(dirname(project), ['new', project, '--answers', requirements, '--yes', ...flags]);
  if (made.exitCode !== 0) throw new Error(made.err);
  await withPackages(project);
  return project;
}

/** A new project, built; with the flags that name its images in the cluster. */
export async function makeProject(
  requirements: string,
  flags: readonly string[] = [],
): Promise<{ readonly project: string; readonly images: readonly string[] }> {
  const project = await newProject(requirements, flags);
  await execa('npm', ['run', 'build'], { cwd: project });
  const images = [...engineImages];
  for (const bundle of readdirSync(join(project, 'docker'))) {
    const context = mkdtempSync(join(dirname(project), 'image-'));
    mkdirSync(join(context, 'dist'));
    cpSync(join(project, 'dist', `${bundle}.mjs`), join(context, 'dist', `${bundle}.mjs`));
    cpSync(join(project, 'docker', bundle, 'Dockerfile'), join(context, 'Dockerfile'));
    images.push('--image', `${bundle}=${await load(bundle, context)}`);
  }
  return { project, images };
}

/** Deletes the folder that `newProject` made; nothing when it made none, as after a failure. */
export function removeProject(project: string): void {
  if (project === '') return;
  const folder = dirname(project);
  // What is above an empty or relative path is somebody else's.
  if (!folder.startsWith(ownFolder)) throw new Error(`${folder} was not made by newProject`);
  rmSync(folder, { recursive: true, force: true });
}

export const deployArgs = (namespace: string): readonly string[] => [
  ...['deploy', '--target', 'kubernetes', '--namespace', namespace],
  ...['--overcommit', '20', '--json'],
];

/** What a script prints in a pod of the store, where `cli` is redis-cli as that user. */
export async function inStore(
  namespace: string,
  { user, pod, script }: { readonly user: 'service' | 'observer'; readonly pod: string; readonly script: string },
): Promise<string> {
  const inNamespace = ['--namespace', namespace];
  const secret = await kubectlJson<{ data: { password: string } }>(...inNamespace, 'get', 'secret', `store-${user}`);
  const password = Buffer.from(secret.data.password, 'base64').toString();
  const cli = `cli() { redis-cli -c --no-auth-warning --user ${user} -h $DSP_POD_IP "$@"; }`;
  const whole = `export REDISCLI_AUTH=${password}; ${cli}; ${script}`;
  return (await kubectl(...inNamespace, 'exec', pod, '--container', 'main', '--', 'sh', '-c', whole)).trim();
}

/** Selects what belongs to a project. */
export const partOf = (projectName: string): readonly string[] => [
  '--selector',
  `app.kubernetes.io/part-of=${projectName}`,
];

/** Destroys a deployment as its user does, and sees that nothing of it is left: namespace, claims, secrets, anywhere. */
export async function destroyToNothing(project: string, namespace: string, projectName: string): Promise<void> {
  const { exitCode, err } = await dsp(project, ['destroy']);
  expect(err).toMatch(/deleted \d+ resources/);
  expect(exitCode).toBe(0);
  expect(await kubectl('get', 'namespace', namespace, '--ignore-not-found')).toBe('');
  const kinds = 'all,pvc,secrets,configmaps,networkpolicies,pdb';
  expect(await kubectl('get', kinds, '--all-namespaces', '--output', 'name', ...partOf(projectName))).toBe('');
}

/** The image of this dsp for a bench. */
export async function benchImage(): Promise<string> {
  return withBenchContext(new AbortController().signal, (folder) => load('bench', folder));
}

async function load(name: string, folder: string): Promise<string> {
  const image = `dsp-test/${name}:${attempt}`;
  await execa(loader ?? '', ['add', `docker.io/${image}`, folder]);
  return image;
}

/**
 * Deletes what a failed test left of the namespace, and makes its volumes available again: the cluster keeps what was in
 * them until somebody says that it may go.
 */
export async function sweep(namespace: string): Promise<void> {
  await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait');
  interface Volume {
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly hostPath?: { readonly path: string };
      readonly claimRef?: { readonly namespace: string };
    };
  }
  const { items } = await kubectlJson<{ items: readonly Volume[] }>('get', 'persistentvolumes');
  for (const { metadata, spec } of items) {
    if (spec.claimRef?.namespace !== namespace) continue;
    const path = spec.hostPath?.path;
    if (path !== undefined && existsSync(path)) {
      for (const entry of readdirSync(path)) rmSync(join(path, entry), { recursive: true, force: true });
    }
    const release = '[{"op":"remove","path":"/spec/claimRef"}]';
    await kubectl('patch', 'persistentvolume', metadata.name, '--type', 'json', '--patch', release);
  }
}

export function write(path: string, text: string): void {
  writeFileSync(path, text);
}
