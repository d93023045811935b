/** Where on Kubernetes the parts run, and with which images: read once from Pulumi's configuration. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Config, type Resource } from '@pulumi/pulumi';
import type { ProcessSet, Program, Topology } from './topology.ts';

export interface Target {
  /** Of the project; first in the names of its images. */
  readonly project: string;
  readonly namespace: string;
  /** By bundle or engine program: replaces the image of that name (air-gapped registries, pinned digests). */
  readonly images: Readonly<Record<string, string>>;
  /** Put before the images of the project's own services, e.g. `registry.example.com/team`. */
  readonly registry?: string;
  /** Tag of the project's own images. */
  readonly tag: string;
  /** Absent: the cluster's default storage class. */
  readonly storageClass?: string;
  /** By job: `host:port,…` of replicas that this update takes away; the job moves their data off first. */
  readonly leaving: Readonly<Record<string, string>>;
  /** The content of a project's file; the path is relative to the project's root. */
  files(path: string): string;
  /** Every process set of the system, so that a reference to another part resolves. */
  readonly peers: readonly ProcessSet[];
  /** What is declared so far, by the id of a process set or job: `dependsOn` waits for these. */
  readonly started: Map<string, Resource>;
}

export interface TargetOptions extends Partial<Omit<Target, 'peers' | 'started' | 'project'>> {
  readonly files: Target['files'];
}

/** A target from plain values; `project` is the default namespace. */
export function makeTarget(project: string, topologies: readonly Topology[], options: TargetOptions): Target {
  return {
    namespace: project,
    images: {},
    tag: 'dev',
    leaving: {},
    ...options,
    project,
    peers: topologies.flatMap((topology) => topology.processSets),
    started: new Map(),
  };
}

/**
 * The target that Pulumi's configuration describes: `namespace`, `images`, `registry`, `tag`, `storageClass` and
 * `leaving`, all optional. `moduleUrl` is the program's import.meta.url; files are read from the project around it.
 */
export function configuredTarget(project: string, moduleUrl: string, topologies: readonly Topology[]): Target {
  const config = new Config(project);
  const registry = config.get('registry');
  const storageClass = config.get('storageClass');
  const root = projectRoot(moduleUrl);
  return makeTarget(project, topologies, {
    namespace: config.get('namespace') ?? project,
    images: config.getObject<Record<string, string>>('images') ?? {},
    tag: config.get('tag') ?? 'dev',
    leaving: config.getObject<Record<string, string>>('leaving') ?? {},
    ...(registry === undefined ? {} : { registry }),
    ...(storageClass === undefined ? {} : { storageClass }),
    files: (path) => readFileSync(join(root, path), 'utf8'),
  });
}

/** The image of a program: the override, else the engine's own, else `<registry>/<project>/<bundle>:<tag>`. */
export function imageOf(program: Program, target: Target): string {
  const override = target.images[program.kind === 'engine' ? program.program : program.bundle];
  if (override !== undefined) return override;
  if (program.kind === 'engine') return program.image;
  const prefix = target.registry === undefined ? '' : `${target.registry}/`;
  return `${prefix}${target.project}/${program.bundle}:${target.tag}`;
}

/** The program runs as it is or bundled into dist/: the root is the folder above it that holds plan.json. */
function projectRoot(moduleUrl: string): string {
  for (let dir = dirname(fileURLToPath(moduleUrl)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'plan.json'))) return dir;
    if (dirname(dir) === dir) throw new Error(`no plan.json above ${moduleUrl}`);
  }
}
