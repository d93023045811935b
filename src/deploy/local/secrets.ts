/**
 * The secrets of a local deployment: one file beside its data, which nobody else may read, and the files that engines read
 * them from. They reach a process by its environment or such a file, never by its arguments, which everybody can see.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DspError } from '../../errors.ts';
import type { Secret } from '../../pattern.ts';
import { attempt } from '../../project/files.ts';
import type { Deployment } from '../deployment.ts';
import { keepSecrets, type SecretValues, secretText } from '../secrets.ts';
import { type Paths, pathsOf, secretsPathOf } from './paths.ts';
import { readState, writeWhole } from './registry.ts';
import type { InstanceSpec, PrivateText } from './resolve.ts';

/** None before the first deployment. Throws `deploy.secrets-unreadable`. */
export function readSecrets(paths: Paths): SecretValues {
  const path = secretsPathOf(paths);
  try {
    const { schemaVersion, secrets } = JSON.parse(readFileSync(path, 'utf8'));
    if (schemaVersion !== 1 || typeof secrets !== 'object' || secrets === null) throw new Error('it is no file of dsp');
    return secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    // A parser's message quotes what it read.
    const reason = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message;
    throw new DspError('deploy.secrets-unreadable', { reason }, { where: path });
  }
}

/** Makes what is missing, and writes it down before anybody is given it. */
export async function readyLocalSecrets(
  paths: Paths,
  secrets: readonly Secret[],
  nowMs: number,
): Promise<SecretValues> {
  const kept = readSecrets(paths);
  const values = await keepSecrets(secrets, kept, nowMs);
  if (values !== kept) {
    await writeWhole(secretsPathOf(paths), `${JSON.stringify({ schemaVersion: 1, secrets: values }, null, 1)}\n`);
  }
  return values;
}

/** What a process gets in its environment beside what its record shows. Its secret files are there when it resolves. */
export async function handOver(
  paths: Paths,
  { secretEnv, secretFiles = [] }: Pick<InstanceSpec, 'secretEnv'> & Partial<Pick<InstanceSpec, 'secretFiles'>>,
): Promise<Readonly<Record<string, string>>> {
  const references = Object.entries(secretEnv);
  if (references.length === 0 && secretFiles.length === 0) return {};
  const values = readSecrets(paths);
  for (const { path, parts } of secretFiles) {
    await attempt(path, async () => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }));
    await writeWhole(path, textOf(parts, values));
  }
  return Object.fromEntries(references.map(([name, reference]) => [name, secretText(values, reference)]));
}

/** The deployment with what looking into its instances from outside needs: for the memory of one command only. */
export function withAccess(deployment: Deployment): Deployment {
  const paths = pathsOf(deployment.root);
  const recorded = readState(paths)?.instances ?? {};
  const values = readSecrets(paths);
  const accessOf = (id: string) =>
    Object.fromEntries(
      Object.entries(recorded[id]?.spec.access ?? {}).map(([name, parts]) => [name, textOf(parts, values)]),
    );
  return { ...deployment, instances: deployment.instances.map((one) => ({ ...one, access: accessOf(one.id) })) };
}

function textOf(parts: readonly PrivateText[], values: SecretValues): string {
  return parts.map((part) => (typeof part === 'string' ? part : secretText(values, part))).join('');
}
