/** The secrets of a deployment: made once, kept up, and never part of a plan, a project or a record of what runs. */

import { X509Certificate } from 'node:crypto';
import { sha256 } from '../digest.ts';
import type { Secret, SecretText } from '../pattern.ts';
import { randomToken } from '../random.ts';

/** Texts by key; of a certificate also `ca.key`, which no reference can name. */
export type SecretTexts = Readonly<Record<string, string>>;
/** By the secret's name. */
export type SecretValues = Readonly<Record<string, SecretTexts>>;

const dayMs = 86_400_000;
/** A certificate with less time left is replaced, by the same authority. */
export const renewBeforeMs = 30 * dayMs;
const passwordBytes = 32;

/**
 * `kept` with those of `secrets` made that are missing, and certificates replaced that end soon. The same object when
 * nothing changed. What nobody asks for any more stays: processes that are about to leave may still need it.
 */
export async function keepSecrets(
  secrets: readonly Secret[],
  kept: SecretValues,
  nowMs: number,
): Promise<SecretValues> {
  const entries = await Promise.all(
    secrets.map(async (secret) => [secret.name, await keepSecret(secret, kept[secret.name], nowMs)] as const),
  );
  const isSame = entries.every(([name, texts]) => kept[name] === texts);
  return isSame ? kept : { ...kept, ...Object.fromEntries(entries) };
}

async function keepSecret({ content }: Secret, kept: SecretTexts | undefined, nowMs: number): Promise<SecretTexts> {
  if (content.kind === 'password') {
    return kept?.password === undefined ? { password: randomToken(passwordBytes) } : kept;
  }
  const known = kept === undefined ? null : certificateOf(kept);
  if (kept !== undefined && known !== null && isGood(known, content.serverName, nowMs)) return kept;
  // An X.509 library takes a tenth of a second to load, and most deployments have no certificate to make.
  const { issueCertificate } = await import('./certificates.ts');
  const { 'ca.crt': crt, 'ca.key': key } = kept ?? {};
  const isAuthorityGood = crt !== undefined && key !== undefined && expiryMs(crt) > nowMs + 2 * 365 * dayMs;
  const issued = await issueCertificate(
    content.serverName,
    nowMs,
    isAuthorityGood ? { 'ca.crt': crt, 'ca.key': key } : undefined,
  );
  return { ...issued };
}

function certificateOf(texts: SecretTexts): X509Certificate | null {
  const { 'ca.crt': ca, 'tls.crt': certificate, 'tls.key': key } = texts;
  return ca === undefined || certificate === undefined || key === undefined ? null : new X509Certificate(certificate);
}

function isGood(certificate: X509Certificate, serverName: string, nowMs: number): boolean {
  return certificate.checkHost(serverName) !== undefined && Date.parse(certificate.validTo) > nowMs + renewBeforeMs;
}

function expiryMs(pem: string): number {
  return Date.parse(new X509Certificate(pem).validTo);
}

/** When each certificate ends, in ms since 1970, by the secret's name. */
export function certificateExpiries(values: SecretValues): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, { 'tls.crt': pem }]) => (pem === undefined ? [] : [[name, expiryMs(pem)]])),
  );
}

/** Throws when there is no such text: a defect of the pattern, not of the user's input. */
export function secretText(values: SecretValues, { secret, key }: SecretText): string {
  const texts = values[secret];
  const text = key === 'sha256' && texts?.password !== undefined ? sha256(texts.password) : texts?.[key];
  if (text === undefined) throw new Error(`topology: there is no ${key} of a secret ${secret}`);
  return text;
}
