/** What a deployment says when the cluster, or what it is given, is not as it should be; and that a rerun goes on. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { absent, dsp, kubectl, makeProject, removeProject, sweep } from './cluster.ts';

const namespace = `dsp-bad-${process.pid}`;
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
let project = '';
let images: readonly string[] = [];

/** The provider gives up on a resource early. */
const impatient = { DSP_READY_TIMEOUT: '20s' };
const deployArgs = (...more: string[]) => [
  'deploy',
  '--target',
  'kubernetes',
  '--namespace',
  namespace,
  '--overcommit',
  '20',
  ...more,
];

describe.skipIf(absent !== null)(`bad input${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  beforeAll(async () => {
    ({ project, images } = await makeProject(requirements, ['--set', 'needs=limit-callers']));
  }, 300_000);

  afterAll(async () => {
    await dsp(project, ['destroy']);
    await sweep(namespace);
    removeProject(project);
  }, 240_000);

  it('a context that kubectl does not know: 4, and those that it knows', async () => {
    const { exitCode, err } = await dsp(project, deployArgs('--context', 'nowhere'));
    expect(err).toMatch(/kubectl has no context "nowhere"; it has \S+/);
    expect(exitCode).toBe(4);
  });

  it('a cluster that does not answer: 4', async () => {
    const config = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'gone',
      clusters: [{ name: 'gone', cluster: { server: 'http://127.0.0.1:1' } }],
      contexts: [{ name: 'gone', context: { cluster: 'gone', user: 'u' } }],
      users: [{ name: 'u', user: {} }],
    });
    const path = `${project}/../gone.kubeconfig`;
    writeFileSync(path, config);
    const { exitCode, err } = await dsp(project, deployArgs(), { KUBECONFIG: path });
    expect(err).toContain('the cluster of context gone does not answer');
    expect(exitCode).toBe(4);
  });

  it('no pulumi: 4, and where it is to be had', async () => {
    const path = (process.env.PATH ?? '').split(':');
    const { stdout } = await execa('sh', ['-c', 'command -v kubectl']);
    mkdirSync(`${project}/../only`, { recursive: true });
    symlinkSync(stdout, `${project}/../only/kubectl`);
    const without = path.filter((folder) => !stdout.startsWith(`${folder}/`)).concat(`${project}/../only`);
    const { exitCode, err } = await dsp(project, deployArgs(...images), { PATH: without.join(':') });
    expect(err).toContain('pulumi is not on PATH');
    expect(exitCode).toBe(4);
  });

  it('an image that cannot be pulled: 5, the resource, its events, and a rerun that goes on', async () => {
    // A registry that refuses at once: others are waited for.
    const nowhere = 'redis-server=127.0.0.1:1/redis:no-such';
    const wrong = images.map((flag) => (flag.startsWith('redis-server=') ? nowhere : flag));
    const { exitCode, err } = await dsp(project, deployArgs(...wrong), impatient);
    expect(err).toMatch(/StatefulSet \S+-redis did not come up: image \S*redis:no-such cannot be pulled/);
    expect(err).toMatch(/events:\n {2}\| Failed/);
    expect(exitCode).toBe(5);
    expect((await dsp(project, ['status'])).exitCode).toBe(1);
    const again = await dsp(project, deployArgs(...images));
    expect(again.err).not.toContain('error:');
    expect(again.exitCode).toBe(0);
  });

  it('a quota that is exceeded: 5, and which', async () => {
    await kubectl('--namespace', namespace, 'create', 'quota', 'tight', '--hard=pods=1');
    const wrong = ['--image', `rate-limiter=${imageOf('rate-limiter')}@sha256:${'0'.repeat(64)}`];
    const { exitCode, err } = await dsp(project, deployArgs(...wrong), impatient);
    expect(err).toContain('quota');
    expect(exitCode).toBe(5);
    await kubectl('--namespace', namespace, 'delete', 'quota', 'tight');
    expect((await dsp(project, deployArgs(...images))).exitCode).toBe(0);
  });

  function imageOf(bundle: string): string {
    return (images.find((flag) => flag.startsWith(`${bundle}=`)) ?? '').slice(bundle.length + 1);
  }
});
