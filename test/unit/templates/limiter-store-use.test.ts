/** What the limiter is allowed in its store is what its scripts and names say: no less, and no more. */

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { storeUse } from '../../../templates/rate-limiter/size.ts';

const source = (name: string) =>
  readFileSync(new URL(`../../../templates/rate-limiter/service/src/${name}.ts`, import.meta.url), 'utf8');

it('is every command that a script calls by its name, and nothing that none mentions', () => {
  const script = source('script');
  const called = [...script.matchAll(/redis\.call\('(\w+)'/g)].map(([, name = '']) => name.toLowerCase());
  expect(called.length).toBeGreaterThan(5);
  expect(storeUse.scriptCommands).toEqual(expect.arrayContaining([...new Set(called)]));
  for (const command of storeUse.scriptCommands) expect(script).toContain(`'${command.toUpperCase()}'`);
});

it('is on the keys that it names', () => {
  expect(source('bucket-names')).toContain(`\`${storeUse.keyPrefixes[0]}{`);
});
