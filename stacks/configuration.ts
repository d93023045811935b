/** Where on Kubernetes the parts run, as Pulumi's configuration says it. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Namespace } from '@pulumi/kubernetes/core/v1/namespace.js';
import { Config, type Output, secret } from '@pulumi/pulumi';
import { defaultPolicies } from './network-policy.ts';
import { makeTarget, type SecretTexts, type Target } from './target.ts';
import type { Topology } from './topology.ts';

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
