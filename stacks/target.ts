/** Where on Kubernetes the parts run, and with which images. */

import { type Output, type Resource, secret } from '@pulumi/pulumi';
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
