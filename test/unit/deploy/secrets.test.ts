import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { issueCertificate } from '../../../src/deploy/certificates.ts';
import { certificateExpiries, keepSecrets, renewBeforeMs, secretText } from '../../../src/deploy/secrets.ts';
import { sha256 } from '../../../src/digest.ts';
import type { Secret } from '../../../src/pattern.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2027-03-01T12:00:00Z');
const password: Secret = { name: 'store-service', part: 'store', content: { kind: 'password' } };
const certificate: Secret = {
  name: 'store-tls',
  part: 'store',
  content: { kind: 'certificate', serverName: 'store.internal' },
};

describe('keepSecrets', () => {
  it('makes each password once, from 256 bits of chance', async () => {
    const made = await keepSecrets([password, { ...password, name: 'other' }], {}, nowMs);
    expect(made['store-service']?.password).toMatch(/^[0-9a-f]{64}$/);
    expect(made.other).not.toEqual(made['store-service']);
    expect(await keepSecrets([password, { ...password, name: 'other' }], made, nowMs)).toBe(made);
  });

  it('makes what is new, and keeps what nobody asks for any more', async () => {
    const made = await keepSecrets([password], {}, nowMs);
    const grown = await keepSecrets([{ ...password, name: 'other' }], made, nowMs);
    expect(Object.keys(grown).sort()).toEqual(['other', 'store-service']);
    expect(grown['store-service']).toBe(made['store-service']);
  });

  it('replaces a certificate before it ends, by the authority that everybody trusts already', async () => {
    const made = await keepSecrets([certificate], {}, nowMs);
    const endsMs = certificateExpiries(made)['store-tls'] as number;
    expect(endsMs - nowMs).toBe(365 * dayMs);
    expect(await keepSecrets([certificate], made, endsMs - renewBeforeMs - 1000)).toBe(made);
    const laterMs = endsMs - renewBeforeMs + 1000;
    const renewed = await keepSecrets([certificate], made, laterMs);
    expect(certificateExpiries(renewed)['store-tls']).toBe(Math.floor(laterMs / 1000) * 1000 + 365 * dayMs);
    expect(renewed['store-tls']?.['ca.crt']).toBe(made['store-tls']?.['ca.crt']);
    expect(renewed['store-tls']?.['tls.key']).not.toBe(made['store-tls']?.['tls.key']);
  });

  it('makes another certificate for another name, and another authority before the old one ends', async () => {
    const made = await keepSecrets([certificate], {}, nowMs);
    const content = { kind: 'certificate', serverName: 'other.internal' } as const;
    const renamed = await keepSecrets([{ ...certificate, content }], made, nowMs);
    expect(new X509Certificate(renamed['store-tls']?.['tls.crt'] ?? '').checkHost('other.internal')).toBe(
      'other.internal',
    );
    const old = await keepSecrets([certificate], made, nowMs + 9 * 365 * dayMs);
    expect(old['store-tls']?.['ca.crt']).not.toBe(made['store-tls']?.['ca.crt']);
  });
});

describe('a certificate', () => {
  it('is for one name, by its authority, with a key of its own', async () => {
    const texts = await issueCertificate('store.internal', nowMs);
    const [authority, leaf] = [new X509Certificate(texts['ca.crt']), new X509Certificate(texts['tls.crt'])];
    expect([authority.ca, leaf.ca]).toEqual([true, false]);
    expect(leaf.checkIssued(authority)).toBe(true);
    expect(leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(texts['tls.key']))).toBe(true);
    expect(leaf.subjectAltName).toBe('DNS:store.internal');
    expect(leaf.checkHost('elsewhere.internal')).toBe(undefined);
    expect(Date.parse(leaf.validFrom)).toBeLessThan(nowMs);
    const other = await issueCertificate('store.internal', nowMs);
    expect(leaf.verify(new X509Certificate(other['ca.crt']).publicKey)).toBe(false);
  });
});

describe('secretText', () => {
  const values = { 'store-service': { password: 'p' }, 'store-tls': { 'ca.crt': 'C', 'ca.key': 'K' } };

  it('gives a text or its digest', () => {
    expect(secretText(values, { secret: 'store-service', key: 'password' })).toBe('p');
    expect(secretText(values, { secret: 'store-service', key: 'sha256' })).toBe(sha256('p'));
    expect(secretText(values, { secret: 'store-tls', key: 'ca.crt' })).toBe('C');
  });

  it('throws for what is not there', () => {
    expect(() => secretText(values, { secret: 'store-service', key: 'tls.key' })).toThrow('no tls.key of a secret');
    expect(() => secretText(values, { secret: 'nobody', key: 'password' })).toThrow('nobody');
  });
});
