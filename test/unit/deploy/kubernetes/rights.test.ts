import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { checkBenchRights, checkNamespace, notGranted, type Right } from '../../../../src/deploy/kubernetes/rights.ts';

const createJobs: Right = { verb: 'create', resource: 'jobs', group: 'batch' };
const listPods: Right = { verb: 'list', resource: 'pods', group: '' };
const wanted = [createJobs, listPods];

it.each([
  ['everything, by wildcards', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], []],
  ['one of several', [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['services', 'pods'] }], [createJobs]],
  ['another group', [{ verbs: ['*'], apiGroups: ['apps'], resources: ['*'] }], wanted],
  ['another verb', [{ verbs: ['get'], apiGroups: ['*'], resources: ['*'] }], wanted],
  ['a subresource', [{ verbs: ['*'], apiGroups: ['*'], resources: ['pods/log', 'jobs/status'] }], wanted],
  ['named objects alone', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: ['a'] }], wanted],
  ['verb and resource by different rules', [{ verbs: ['list'] }, { verbs: ['get'], resources: ['pods'] }], wanted],
  ['paths that are no resources', [{ verbs: ['*'], nonResourceURLs: ['*'] }], wanted],
  ['nothing', [], wanted],
])('rules that grant %s', (_, rules, open) => {
  expect(notGranted(wanted, rules)).toEqual(open);
});

describe('a cluster that does not list all its rules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dsp-kubectl-'));
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** A kubectl whose cluster allows all but what `denied` says of a review's attributes. */
  function kubectl(listing: string, denied: string): void {
    const path = join(folder, 'kubectl');
    writeFileSync(
      path,
      `#!${process.execPath}
      if (process.argv.includes('get')) { console.log('namespace/n'); process.exit(0); }
      const asked = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      if (asked.kind === 'SelfSubjectRulesReview') { ${listing} process.exit(0); }
      const denied = (it) => ${denied};
      console.log(asked.items.map(({ spec }) => String(!denied(spec.resourceAttributes))).join(' '));`,
    );
    chmodSync(path, 0o755);
    vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
  }

  const cluster = { context: 'c', namespace: 'n' };
  const { signal } = new AbortController();
  const partial = `console.log(JSON.stringify({ status: { resourceRules: [
    { verbs: ['*'], apiGroups: ['apps'], resources: ['*'] }] } }));`;

  it('is asked for each right that its rules leave open, by subresource too', async () => {
    kubectl(
      partial,
      `it.group === 'apps' || it.subresource === 'log' || (it.verb === 'patch' && it.resource === 'jobs')`,
    );
    // What a rule grants is not asked for: the answer would be no.
    await expect(checkNamespace(cluster, signal)).rejects.toMatchObject({
      code: 'kubernetes.no-rights',
      params: { namespace: 'n', missing: ['patch jobs', 'get pods/log'] },
    });
  });

  it('may forbid to ask for its rules', async () => {
    kubectl(`console.error('Error from server (Forbidden): no'); process.exit(1);`, `it.resource === 'roles'`);
    expect(await checkNamespace(cluster, signal)).toBe(true);
    await expect(checkBenchRights(cluster, signal)).rejects.toMatchObject({
      params: { missing: ['get, list, watch, create, patch, delete roles'] },
    });
  });
});
