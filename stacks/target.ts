/** Where on Kubernetes the parts run, and with which images: read once from Pulumi's configuration. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Namespace } from '@pulumi/kubernetes/core/v1/namespace.js';
import { Config, type Output, type Resource, secret } from '@pulumi/pulumi';
import { defaultPolicies } from './network-policy.ts';
import type { ProcessSet, Topology } from './topology.ts';

/** By the name of a secret and the key of a text. */
export type SecretTexts = Record<string, Record<string, string>>;

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
  /**
   * What was planned ÷ what is requested, of CPU and memory: above 1 the system fits a smaller cluster, and has to share
   * when all of it is busy at once. Limits stay as planned.
   */
  readonly overcommit: number;
  readonly secrets: Output<SecretTexts>;
  /** The content of a project's file; the path is relative to the project's root. */
  files(path: string): string;
  /** Every process set of the system, so that a reference to another part resolves. */
  readonly peers: readonly ProcessSet[];
  /** What everything else waits for: the namespace, where the program makes it. */
  readonly ground: readonly Resource[];
  /** What is declared so far, by the id of a process set or job: `dependsOn` waits for these. */
  readonly started: Map<string, Resource>;
}

export interface TargetOptions extends Partial<Omit<Target, 'peers' | 'started' | 'project' | 'secrets'>> {
  readonly files: Target['files'];
  readonly secrets?: SecretTexts;
}

/** A target from plain values; `project` is the default namespace. */
export function makeTarget(project: string, topologies: readonly Topology[], options: TargetOptions): Target {
  return {
    namespace: project,
    images: {},
    tag: 'dev',
    overcommit: 1,
    ground: [],
    ...options,
    secrets: secret<SecretTexts>(options.secrets ?? {}) as Output<SecretTexts>,
    project,
    peers: topologies.flatMap((topology) => topology.processSets),
    started: new Map(),
  };
}

/**
 * The target that Pulumi's configuration describes: `namespace`, `createNamespace`, `images`, `registry`, `tag`,
 * `storageClass`, `overcommit` and the secret `secrets`, all optional as long as the topologies name no secret.
 * `moduleUrl` is the program's import.meta.url; files are read from the project around it. Declares the namespace, if it
 * is to be made, and what forbids in it all traffic that no part allows.
 */
export function configuredTarget(project: string, moduleUrl: string, topologies: readonly Topology[]): Target {
  const config = new Config(project);
  const registry = config.get('registry');
  const storageClass = config.get('storageClass');
  const root = projectRoot(moduleUrl);
  const namespace = config.get('namespace') ?? project;
  const settings = {
    namespace,
    images: config.getObject<Record<string, string>>('images') ?? {},
    tag: config.get('tag') ?? 'dev',
    overcommit: config.getNumber('overcommit') ?? 1,
    ...(registry === undefined ? {} : { registry }),
    ...(storageClass === undefined ? {} : { storageClass }),
    files: (path: string) => readFileSync(join(root, path), 'utf8'),
  };
  const ground = config.getBoolean('createNamespace') === true ? [ownNamespace(project, namespace)] : [];
  const target = { ...makeTarget(project, topologies, { ...settings, ground }), secrets: configuredSecrets(config) };
  defaultPolicies(target);
  return target;
}

function configuredSecrets(config: Config): Target['secrets'] {
  const found = config.getSecretObject<SecretTexts>('secrets');
  return (found ?? secret<SecretTexts>({})) as Output<SecretTexts>;
}

/** A namespace that admits only pods of the strictest of Kubernetes' standards. */
function ownNamespace(project: string, name: string): Namespace {
  const labels = {
    'app.kubernetes.io/part-of': project,
    'pod-security.kubernetes.io/enforce': 'restricted',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  return new Namespace('namespace', { metadata: { name, labels } });
}

/** The program runs as it is or bundled into dist/: the root is the folder above it that holds plan.json. */
function projectRoot(moduleUrl: string): string {
  for (let dir = dirname(fileURLToPath(moduleUrl)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'plan.json'))) return dir;
    if (dirname(dir) === dir) throw new Error(`no plan.json above ${moduleUrl}`);
  }
}
