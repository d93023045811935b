/** The images of a project's own programs: named by the user, or built here, tagged by what is in them. */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import type { Topology } from '../../pattern.ts';
import { bundlesOf } from '../../plan/bundles.ts';
import { writeWhole } from '../local/registry.ts';
import { bundlePath } from '../local/resolve.ts';
import { type Builder, pushArgs, requireBuilder } from './builder.ts';
import type { Home } from './home.ts';

export interface ImageRequest {
  readonly home: Home;
  readonly project: string;
  readonly topology: Topology;
  /** By bundle or engine program: used as they are. */
  readonly given: Readonly<Record<string, string>>;
  /** Before the names of built images, which are pushed there; null: they stay where they are built. */
  readonly registry: string | null;
  readonly context: string;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

const shownLines = 20;

/** By bundle or engine program. Builds what nobody named and what has changed since it was built. */
export async function provideImages(request: ImageRequest): Promise<Readonly<Record<string, string>>> {
  const { topology, given } = request;
  const bundles = bundlesOf(topology);
  checkGiven(given, [...bundles, ...enginesOf(topology)]);
  const missing = bundles.filter((bundle) => given[bundle] === undefined);
  if (missing.length === 0) return given;
  const images = Object.fromEntries(missing.map((bundle) => [bundle, imageName(request, bundle)]));
  await buildStale(request, images);
  return { ...given, ...images };
}

/** By bundle. Who builds is asked for once, and only when something is to be built. */
async function buildStale(request: ImageRequest, images: Readonly<Record<string, string>>): Promise<void> {
  const { home, signal } = request;
  const built = readBuilt(home);
  // Where it was loaded or pushed to is part of what was done.
  const place = request.registry ?? request.context;
  const stale = Object.entries(images).filter(([, image]) => built[image] !== place);
  if (stale.length === 0) return;
  const builder = await requireBuilder(Object.keys(images), process.env.PATH ?? '', signal);
  for (const [bundle, image] of stale) {
    const dockerfile = join(home.root, dockerfileOf(bundle));
    await buildAndShip({ ...request, builder, image, folder: home.root, dockerfile });
    built[image] = place;
    await writeWhole(builtPath(home), `${JSON.stringify(built, null, 1)}\n`);
  }
}

function enginesOf({ processSets }: Topology): readonly string[] {
  return processSets.flatMap(({ program }) => (program.kind === 'engine' ? [program.program] : []));
}

function checkGiven(given: Readonly<Record<string, string>>, known: readonly string[]): void {
  const wrong = Object.keys(given).find((name) => !known.includes(name));
  if (wrong !== undefined) throw new DspError('input.choice', { key: '--image', given: wrong, choices: known });
}

/** The tag is the content's, so that a change rolls the pods and no change does nothing. */
function imageName({ home, project, registry }: ImageRequest, bundle: string): string {
  const content = [dockerfileOf(bundle), bundlePath(bundle)].map((path) => readFileSync(join(home.root, path)));
  const tag = sha256(Buffer.concat(content)).slice(0, 12);
  return `${registry === null ? '' : `${registry}/`}${project}/${bundle}:${tag}`;
}

const dockerfileOf = (bundle: string) => join('docker', bundle, 'Dockerfile');

export interface Build extends Pick<ImageRequest, 'registry' | 'context' | 'signal' | 'report'> {
  readonly builder: Builder;
  readonly image: string;
  /** What is copied from. */
  readonly folder: string;
  readonly dockerfile: string;
}

/** Builds one image, and takes it to where the cluster finds it, as far as that is known. */
export async function buildAndShip(request: Build): Promise<void> {
  const { builder, image, folder, dockerfile, registry, context, report } = request;
  report(`building ${image} (${builder.name})`);
  await run(request, builder.path, ['build', '--file', dockerfile, '--tag', image, folder]);
  if (registry !== null) return run(request, builder.path, pushArgs(builder, image));
  const load = loader(context, image);
  if (load !== null) return run(request, load[0], load[1]);
  report(`  ${image} is not pushed anywhere: unless the cluster shares this machine's images, give --registry`);
}

/** Clusters that run in containers of this machine take images by a command of their own. */
function loader(context: string, image: string): readonly [string, readonly string[]] | null {
  const [kind, ...name] = context.split('-');
  if (kind === 'kind') return ['kind', ['load', 'docker-image', image, '--name', name.join('-')]];
  if (kind === 'k3d') return ['k3d', ['image', 'import', image, '--cluster', name.join('-')]];
  return context === 'minikube' ? ['minikube', ['image', 'load', image]] : null;
}

async function run({ signal }: Pick<Build, 'signal'>, program: string, args: readonly string[]): Promise<void> {
  const outcome = await execa(program, args, { all: true, reject: false, stdin: 'ignore', cancelSignal: signal });
  signal.throwIfAborted();
  if (outcome.exitCode === 0) return;
  const lines = (outcome.all ?? '').split('\n').slice(-shownLines);
  throw new DspError('kubernetes.image-failed', { step: [program, ...args].join(' '), lines });
}

function builtPath(home: Home): string {
  mkdirSync(home.dir, { recursive: true });
  return join(home.dir, 'images.json');
}

function readBuilt(home: Home): Record<string, string> {
  const path = builtPath(home);
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}
