import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkBenchRights, checkNamespace, notGranted, type Right } from '../../../../src/deploy/kubernetes/rights.ts';
import { fakeProgram } from '../../../fixtures/fake-program.ts';
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts';

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
  /** A kubectl whose cluster allows all but what `denied` says of a review's attributes. */
  function kubectl(found: string, listing: string, denied: string): void {
    const folder = temporaryFolder('kubectl');
    const path = join(folder, 'answer.cjs');
    writeFileSync(
      path,
      `if (process.argv.includes('get')) { console.log('${found}'); process.exit(0); }
      const asked = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
      if (asked.kind === 'SelfSubjectRulesReview') { ${listing} process.exit(0); }
      const denied = (it) => ${denied};
      console.log(asked.items.map(({ spec }) => String(!denied(spec.resourceAttributes))).join(' '));`,
    );
    fakeProgram(folder, 'kubectl', `exec '${process.execPath}' '${path}' "$@"`);
    vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
  }

  const cluster = { context: 'c', namespace: 'n' };
  const there = 'namespace/n';
  const { signal } = new AbortController();
  const partial = `console.log(JSON.stringify({ status: { resourceRules: [
    { verbs: ['*'], apiGroups: ['apps'], resources: ['*'] }] } }));`;
  const forbidden = `console.error('Error from server (Forbidden): no'); process.exit(1);`;

  it('is asked for each right that its rules leave open, by subresource too', async () => {
    const denied = `it.group === 'apps' || it.subresource === 'log' || (it.verb === 'patch' && it.resource === 'jobs')`;
    kubectl(there, partial, denied);
    // What a rule grants is not asked for: the answer would be no.
    await expect(checkNamespace(cluster, signal)).rejects.toMatchObject({
      code: 'kubernetes.no-rights',
      params: { namespace: 'n', missing: ['patch jobs', 'get pods/log'] },
    });
  });

  it('may forbid to ask for its rules', async () => {
    kubectl(there, forbidden, `it.resource === 'roles'`);
    expect(await checkNamespace(cluster, signal)).toBe(true);
    await expect(checkBenchRights(cluster, signal)).rejects.toMatchObject({
      params: { missing: ['get, list, watch, create, patch, delete roles'] },
    });
  });

  it('has to allow a namespace only where it is to be made', async () => {
    kubectl('', partial, `it.resource === 'namespaces'`);
    await expect(checkNamespace(cluster, signal)).rejects.toMatchObject({ params: { missing: ['create namespaces'] } });
    kubectl('', partial, 'false');
    expect(await checkNamespace(cluster, signal)).toBe(false);
    kubectl(there, partial, `it.resource === 'namespaces'`);
    expect(await checkNamespace(cluster, signal)).toBe(true);
  });
});
