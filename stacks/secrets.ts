/**
 * The secrets of a part as Kubernetes Secrets: each under the topology's name with its texts as keys, so that one made
 * elsewhere can stand in; and the files that have text around their secrets. Their texts come from Pulumi's encrypted
 * configuration and stay secret in its state.
 */

import { createHash } from 'node:crypto';
import { Secret as KubernetesSecret } from '@pulumi/kubernetes/core/v1/secret.js';
import { secret as asSecret, type CustomResourceOptions, type Output } from '@pulumi/pulumi';
import type { Target } from './target.ts';
import type { ProcessSet, Secret, SecretFile, SecretText, Value } from './topology.ts';

/** The environment variable's source. */
export function secretKeyRef({ secret, key }: SecretText): { secretKeyRef: { name: string; key: string } } {
  return { secretKeyRef: { name: secret, key } };
}

export function isSecretText(value: Value): value is SecretText {
  return typeof value === 'object' && 'secret' in value;
}

/** Declares a part's secret; its texts are the keys that references can name. */
export function secretResource(secret: Secret, target: Target, options: CustomResourceOptions): KubernetesSecret {
  const keys: readonly SecretText['key'][] =
    secret.content.kind === 'password' ? ['password', 'sha256'] : ['ca.crt', 'tls.crt', 'tls.key'];
  const stringData = target.secrets.apply((texts) =>
    Object.fromEntries(keys.map((key) => [key, textOf(texts, { secret: secret.name, key })])),
  );
  const labels = { 'app.kubernetes.io/component': secret.part, 'app.kubernetes.io/part-of': target.project };
  const metadata = { name: secret.name, namespace: target.namespace, labels };
  return new KubernetesSecret(secret.name, { metadata, stringData: asSecret(stringData) }, options);
}

/** A file whose whole text is one secret text needs no Secret of its own. */
export function isPlainSecretFile(file: SecretFile): file is SecretFile & { readonly text: SecretText } {
  return isSecretText(file.text);
}

/** The Secret that holds a set's composed secret files, by the file's name; undefined when it has none. */
export function composedSecretFiles(
  set: Pick<ProcessSet, 'id' | 'part' | 'secretFiles'>,
  target: Target,
  options: CustomResourceOptions,
): KubernetesSecret | undefined {
  const files = (set.secretFiles ?? []).filter((file) => !isPlainSecretFile(file));
  if (files.length === 0) return undefined;
  const stringData = target.secrets.apply((texts) =>
    Object.fromEntries(files.map(({ name, text }) => [name, compose(text, texts)])),
  );
  const labels = { 'app.kubernetes.io/component': set.part, 'app.kubernetes.io/part-of': target.project };
  const name = composedName(set);
  const metadata = { name, namespace: target.namespace, labels };
  return new KubernetesSecret(name, { metadata, stringData: asSecret(stringData) }, options);
}

export const composedName = (set: Pick<ProcessSet, 'id'>) => `${set.id}-secret-files`;

type Texts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Of all texts that a process reads: pods roll when one changes. The digest is of high-entropy texts, and no secret. */
export function secretsDigest(names: readonly string[], target: Target): Output<string> | undefined {
  if (names.length === 0) return undefined;
  return target.secrets.apply((texts) =>
    createHash('sha256')
      .update(JSON.stringify(names.map((name) => texts[name] ?? {})))
      .digest('hex')
      .slice(0, 16),
  );
}

function compose(value: Value, texts: Texts): string {
  if (typeof value === 'string') return value;
  if ('concat' in value) return value.concat.map((part) => compose(part, texts)).join('');
  if (isSecretText(value)) return textOf(texts, value);
  throw new Error(`a secret file holds ${JSON.stringify(value)}, which is neither text nor a secret`);
}

function textOf(texts: Texts, { secret, key }: SecretText): string {
  const found = texts[secret];
  if (key === 'sha256' && found?.password !== undefined) {
    return createHash('sha256').update(found.password).digest('hex');
  }
  const text = found?.[key];
  if (text === undefined) {
    throw new Error(`the configuration's secrets have no ${key} of ${secret}: dsp deploy makes it`);
  }
  return text;
}
