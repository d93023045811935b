/** The files of a process as a ConfigMap; its name carries the content's hash, so that a change rolls the pods. */

import { ConfigMap } from '@pulumi/kubernetes/core/v1/configMap.js';
import type { CustomResourceOptions } from '@pulumi/pulumi';
import { contentHash, labelsOf, type Process } from './pod.ts';
import type { Target } from './target.ts';

export interface ConfigFiles {
  readonly name: string;
  readonly configMap: ConfigMap;
}

/** Undefined when the process reads no file. */
export function configFiles(process: Process, target: Target, options: CustomResourceOptions): ConfigFiles | undefined {
  const files = process.files ?? [];
  if (files.length === 0) return undefined;
  const data = Object.fromEntries(files.map((file) => [file.name, target.files(file.path)]));
  const name = `${process.id}-files-${contentHash(data)}`;
  const metadata = { name, namespace: target.namespace, labels: labelsOf(process, target) };
  return { name, configMap: new ConfigMap(`${process.id}-files`, { metadata, data, immutable: true }, options) };
}
