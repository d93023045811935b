import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { removeProject } from '../cluster/cluster.ts';

it('a cluster test deletes only a folder that it made itself', () => {
  const foreign = mkdtempSync(join(tmpdir(), 'dsp-not-a-cluster-test-'));
  const own = mkdtempSync(join(tmpdir(), 'dsp-cluster-'));
  for (const folder of [foreign, own]) mkdirSync(join(folder, 'project'));
  expect(() => removeProject(join(foreign, 'project'))).toThrow('was not made by newProject');
  expect(existsSync(foreign)).toBe(true);
  removeProject(join(own, 'project'));
  expect(existsSync(own)).toBe(false);
  rmSync(foreign, { recursive: true });
});
