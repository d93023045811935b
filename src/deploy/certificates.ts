/**
 * A small certificate authority: what TLS between the processes of one deployment needs. Keys are on P-256, because the
 * handshake of an RSA key costs a single-threaded server ten times as much.
 */

import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { randomToken } from '../random.ts';

/** PEM texts. */
export interface Certificate {
  readonly 'ca.crt': string;
  /** Stays with the target: with it the next certificate is made, and no process is ever given it. */
  readonly 'ca.key': string;
  readonly 'tls.crt': string;
  readonly 'tls.key': string;
}

const dayMs = 86_400_000;
const authorityDays = 3650;
const certificateDays = 365;
/** A clock that is behind must not find it in the future. */
const backdatedMs = 3_600_000;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate for servers and clients called `serverName`, by `authority` or by one that is made with it. */
export async function issueCertificate(
  serverName: string,
  nowMs: number,
  authority?: Pick<Certificate, 'ca.crt' | 'ca.key'>,
): Promise<Certificate> {
  const signer = authority ?? (await makeAuthority(serverName, nowMs));
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = new x509.X509Certificate(signer['ca.crt']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${serverName}`,
    issuer: issuer.subject,
    ...validity(nowMs, certificateDays),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(signer['ca.key']),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: serverName }]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return {
    'ca.crt': signer['ca.crt'],
    'ca.key': signer['ca.key'],
    'tls.crt': `${certificate.toString('pem')}\n`,
    'tls.key': await exportKey(keys.privateKey),
  };
}

async function makeAuthority(serverName: string, nowMs: number): Promise<Pick<Certificate, 'ca.crt' | 'ca.key'>> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=authority of ${serverName}`,
    ...validity(nowMs, authorityDays),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { 'ca.crt': `${certificate.toString('pem')}\n`, 'ca.key': await exportKey(keys.privateKey) };
}

function validity(nowMs: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(nowMs - backdatedMs), notAfter: new Date(nowMs + days * dayMs) };
}

/** Positive, as DER's first bit would be a sign. */
function serial(): string {
  return `0${randomToken(16).slice(1)}`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, false, ['sign']);
}
