/** A process set on Kubernetes: its workload, the services it is reached by, and what keeps it standing. */

import { Deployment } from '@pulumi/kubernetes/apps/v1/deployment.js';
import { StatefulSet } from '@pulumi/kubernetes/apps/v1/statefulSet.js';
import { Service } from '@pulumi/kubernetes/core/v1/service.js';
import { PodDisruptionBudget } from '@pulumi/kubernetes/policy/v1/podDisruptionBudget.js';
import type * as types from '@pulumi/kubernetes/types/index.js';
import {
  ComponentResource,
  type ComponentResourceOptions,
  type CustomResourceOptions,
  type Resource,
} from '@pulumi/pulumi';
import { configFiles } from './config-files.ts';
import { allow } from './network-policy.ts';
import { hasStableNames, labelsOf, podSpec, valuesOf } from './pod.ts';
import { composedSecretFiles, secretsDigest } from './secrets.ts';
import type { Target } from './target.ts';
import type { ProcessSet } from './topology.ts';
import { referencedSecrets } from './values.ts';

/** A container beside those of the topology that only Kubernetes needs: it restarts on its own. */
export type Companion = (set: ProcessSet, target: Target) => types.input.core.v1.Container;

export interface ProcessSetArgs {
  readonly set: ProcessSet;
  readonly target: Target;
  /** What is there before its pods start. */
  readonly after: readonly Resource[];
  readonly companion?: Companion;
}

export class ProcessSetComponent extends ComponentResource {
  /** `http://host:port` inside the cluster of the exposed port; undefined when nothing is exposed. */
  readonly url: string | undefined;

  constructor(args: ProcessSetArgs, options: ComponentResourceOptions = {}) {
    const { set, target } = args;
    super('dsp:stacks:ProcessSet', set.id, {}, options);
    const child = { parent: this, dependsOn: [...target.ground] };
    const stable = hasStableNames(set, target.peers);
    const files = configFiles(set, target, child);
    const secretFiles = composedSecretFiles(set, target, child);
    const template = podTemplate(args, files?.name);
    const around = [files?.configMap, secretFiles].filter((resource) => resource !== undefined);
    const afterAll = { parent: this, dependsOn: [...target.ground, ...args.after, ...around] };
    if (stable) statefulSet(set, target, template, afterAll);
    else deployment(set, target, template, afterAll);
    const reachedBy = services(set, target, stable, child);
    if (set.replicas > 1) disruptionBudget(set, target, child);
    allow(set, set, target, child);
    const exposed = set.ports.find((port) => port.exposed);
    this.url = exposed && `http://${reachedBy}.${target.namespace}.svc:${exposed.containerPort}`;
    this.registerOutputs({ url: this.url });
  }
}

function podTemplate(
  { set, target, companion }: ProcessSetArgs,
  configMap: string | undefined,
): types.input.core.v1.PodTemplateSpec {
  const labels = labelsOf(set, target);
  const spread = set.spread && set.replicas > 1 ? apart(labels) : {};
  const spec = podSpec(set, target, configMap);
  const beside = companion === undefined ? {} : { containers: [...containersOf(spec), companion(set, target)] };
  return { metadata: { labels, ...secretAnnotation(set, target) }, spec: { ...spec, ...spread, ...beside } };
}

function containersOf(spec: types.input.core.v1.PodSpec): types.input.core.v1.Container[] {
  return spec.containers as types.input.core.v1.Container[];
}

/** A program reads its secrets when it starts: other texts roll the pods. */
function secretAnnotation(set: ProcessSet, target: Target): Pick<types.input.meta.v1.ObjectMeta, 'annotations'> {
  const digest = secretsDigest(secretNames(set), target);
  return digest === undefined ? {} : { annotations: { 'dsp/secrets': digest } };
}

function secretNames(set: ProcessSet): readonly string[] {
  const names = [...valuesOf(set), ...(set.secretFiles ?? []).map(({ text }) => text)].flatMap(referencedSecrets);
  return [...new Set(names)].sort();
}

/** On different machines and in different zones where there are some; a small cluster still takes them all. */
function apart(
  labels: Record<string, string>,
): Pick<types.input.core.v1.PodSpec, 'affinity' | 'topologySpreadConstraints'> {
  const labelSelector = { matchLabels: labels };
  const term = { labelSelector, topologyKey: 'kubernetes.io/hostname' };
  return {
    affinity: {
      podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }] },
    },
    topologySpreadConstraints: [
      { labelSelector, maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
    ],
  };
}

function statefulSet(
  set: ProcessSet,
  target: Target,
  template: types.input.core.v1.PodTemplateSpec,
  options: CustomResourceOptions,
): void {
  const claims = set.volumes.map((volume) => ({
    metadata: { name: volume.name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(target.storageClass === undefined ? {} : { storageClassName: target.storageClass }),
      resources: { requests: { storage: `${volume.sizeGiB}Gi` } },
    },
  }));
  const spec = {
    serviceName: set.id,
    replicas: set.replicas,
    // Replicas find each other through a job, so none waits for the one before it.
    podManagementPolicy: 'Parallel',
    selector: { matchLabels: labelsOf(set, target) },
    template,
    volumeClaimTemplates: claims,
  };
  // Kubernetes would take the whole set down to change the size that is asked for; claims are enlarged one by one.
  const ignoreChanges = ['spec.volumeClaimTemplates'];
  new StatefulSet(set.id, { metadata: metadata(set, target), spec }, { ...options, ignoreChanges });
}

function deployment(
  set: ProcessSet,
  target: Target,
  template: types.input.core.v1.PodTemplateSpec,
  options: CustomResourceOptions,
): void {
  const spec = {
    replicas: set.replicas,
    // A new replica is ready before an old one stops.
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    selector: { matchLabels: labelsOf(set, target) },
    template,
  };
  new Deployment(set.id, { metadata: metadata(set, target), spec }, options);
}

/**
 * A stateful set has a headless service, which names each replica, also one that is not ready yet: an engine finds its
 * peers before it is. What is exposed beside that gets a balanced one. Returns the service that callers use.
 */
function services(set: ProcessSet, target: Target, stable: boolean, options: CustomResourceOptions): string {
  const ports = set.ports.map((port) => ({ name: port.name, port: port.containerPort, targetPort: port.name }));
  if (ports.length === 0 && !stable) return set.id;
  const selector = labelsOf(set, target);
  const headless = stable ? { clusterIP: 'None', publishNotReadyAddresses: true } : {};
  new Service(set.id, { metadata: metadata(set, target), spec: { selector, ports, ...headless } }, options);
  if (!stable || !set.ports.some((port) => port.exposed)) return set.id;
  const name = `${set.id}-endpoint`;
  new Service(name, { metadata: { ...metadata(set, target), name }, spec: { selector, ports } }, options);
  return name;
}

/** Draining nodes takes one replica at a time. */
function disruptionBudget(set: ProcessSet, target: Target, options: CustomResourceOptions): void {
  const spec = { maxUnavailable: 1, selector: { matchLabels: labelsOf(set, target) } };
  new PodDisruptionBudget(set.id, { metadata: metadata(set, target), spec }, options);
}

function metadata(set: ProcessSet, target: Target): types.input.meta.v1.ObjectMeta {
  return { name: set.id, namespace: target.namespace, labels: labelsOf(set, target) };
}
