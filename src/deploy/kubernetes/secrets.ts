/**
 * The secrets of a deployment on Kubernetes: in Pulumi's configuration, encrypted by the stack, and nowhere else. The
 * record knows only their names, so that a deployment without change need not open them.
 */

import type { Secret } from '../../pattern.ts';
import { certificateExpiries, keepSecrets, renewBeforeMs, type SecretValues } from '../secrets.ts';
import type { DeploymentRecord } from './home.ts';
import type { Stack } from './workspace.ts';

export type KnownSecrets = DeploymentRecord['secrets'];

const key = (project: string) => `${project}:secrets`;

/** Makes what is missing and replaces what ends soon; resolves to what the record may know. */
export async function readyStackSecrets(
  stack: Stack,
  project: string,
  secrets: readonly Secret[],
  known: KnownSecrets | null,
  nowMs: number,
): Promise<KnownSecrets> {
  const names = secrets.map(({ name }) => name).sort();
  if (names.length === 0) return { names, renewMs: null };
  const { config = {} } = await stack.workspace.stackSettings(stack.name);
  const isThere = config[key(project)] !== undefined;
  const isFresh = isThere && known !== null && (known.renewMs === null || nowMs < known.renewMs);
  if (isFresh && names.join() === known.names.join()) return known;
  const kept = isThere ? await readStackSecrets(stack, project) : {};
  const values = await keepSecrets(secrets, kept, nowMs);
  if (values !== kept) await stack.setConfig(key(project), { value: JSON.stringify(values), secret: true });
  const expiries = Object.values(certificateExpiries(values));
  return { names, renewMs: expiries.length === 0 ? null : Math.min(...expiries) - renewBeforeMs };
}

/** Of a stack that has some. */
export async function readStackSecrets(stack: Stack, project: string): Promise<SecretValues> {
  const { value } = await stack.getConfig(key(project));
  return JSON.parse(value) as SecretValues;
}
