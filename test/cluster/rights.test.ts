/**
 * An account with rights in one namespace alone, as who deploys into a shared cluster has: what it lacks is said before
 * anything is done, and what dsp asks for is enough for a deployment's whole life.
 */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  absent,
  benchImage,
  deployArgs,
  dsp,
  kubectl,
  kubectlJson,
  makeProject,
  partOf,
  removeProject,
  sweep,
} from './cluster.ts';

const namespace = `dsp-guarded-${process.pid}`;
const inNamespace = ['--namespace', namespace];
const projectName = `guarded-${process.pid}`;
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
const written = 'get,create,patch,delete';
const watched = 'get,list,watch,create,patch,delete';
const words = (verbs: string) => verbs.replaceAll(',', ', ');
let project = '';
let images: readonly string[] = [];
/** Where the account's credentials are, and nobody else's. */
let asDeployer: Record<string, string> = {};

async function grant(role: string, verbs: string, resources: string): Promise<void> {
  await kubectl(...inNamespace, 'create', 'role', role, '--verb', verbs, '--resource', resources);
  const subject = `--serviceaccount=${namespace}:deployer`;
  await kubectl(...inNamespace, 'create', 'rolebinding', role, '--role', role, subject);
}

async function makeAccount(): Promise<Record<string, string>> {
  interface Config {
    readonly users: { user: unknown }[];
  }
  await kubectl(...inNamespace, 'create', 'serviceaccount', 'deployer');
  const token = await kubectl(...inNamespace, 'create', 'token', 'deployer', '--duration', '1h');
  const config = await kubectlJson<Config>('config', 'view', '--minify', '--raw');
  const path = `${project}/../deployer.kubeconfig`;
  writeFileSync(path, JSON.stringify({ ...config, users: config.users.map((user) => ({ ...user, user: { token } })) }));
  return { KUBECONFIG: path };
}

describe.skipIf(absent !== null)(`an account of one namespace${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  beforeAll(async () => {
    const flags = ['--set', `name=${projectName}`, '--set', 'needs=keep-hot-data'];
    ({ project, images } = await makeProject(requirements, flags));
    await kubectl('create', 'namespace', namespace);
    asDeployer = await makeAccount();
  }, 300_000);

  afterAll(async () => {
    await sweep(namespace);
    removeProject(project);
  }, 180_000);

  it('learns each right that it lacks: 4, and nothing is left of the attempt', async () => {
    await grant('sets', watched, 'statefulsets.apps,deployments.apps,services');
    await grant('files', written, 'configmaps,serviceaccounts');
    await grant('some', 'get,list', 'persistentvolumeclaims,jobs.batch');
    await grant('look', 'get', 'secrets');
    const { exitCode, err } = await dsp(project, [...deployArgs(namespace), ...images], asDeployer);
    expect(err).toContain(`in namespace ${namespace} you may not `);
    const lacking = [
      'watch, create, patch, delete jobs',
      'create, patch, delete secrets',
      `${words(written)} poddisruptionbudgets`,
      `${words(written)} networkpolicies`,
      'get, list, watch pods',
      'get pods/log',
      'list events',
      'watch, delete persistentvolumeclaims',
    ];
    expect(/you may not (?<missing>.*) \[kubernetes\.no-rights\]/.exec(err)?.groups?.missing?.split('; ')).toEqual(
      lacking,
    );
    expect(exitCode).toBe(4);
    expect(await kubectl(...inNamespace, 'get', 'statefulsets,services,secrets', '--output', 'name')).toBe('');
  });

  it('has no rights in another namespace, though it cannot see whether there is one: 4', async () => {
    const { exitCode, err } = await dsp(project, [...deployArgs(`${namespace}-other`), ...images], asDeployer);
    expect(err).toContain(`in namespace ${namespace}-other you may not `);
    expect(exitCode).toBe(4);
  });

  it('deploys with what dsp asks for, looks at it, and is told what a bench takes beyond that', async () => {
    await grant('jobs', watched, 'jobs.batch');
    await grant('rest', written, 'secrets,poddisruptionbudgets.policy,networkpolicies.networking.k8s.io');
    await grant('pods', 'get,list,watch', 'pods');
    await grant('logs', 'get', 'pods/log');
    await grant('events', 'list', 'events');
    await grant('volumes', 'watch,delete', 'persistentvolumeclaims');
    const deployed = await dsp(project, [...deployArgs(namespace), ...images], asDeployer);
    expect(deployed.err).not.toContain('error:');
    expect(deployed.exitCode).toBe(0);
    expect((await dsp(project, ['status'], asDeployer)).exitCode).toBe(0);
    expect((await dsp(project, ['logs', '--lines', '1'], asDeployer)).out).toContain('store-redis-0');
    const benched = await dsp(project, ['bench', '--image', 'bench=none'], asDeployer);
    expect(benched.err).toContain(`list, watch secrets; list, watch serviceaccounts; list, watch networkpolicies;`);
    expect(benched.err).toContain(`; ${words(watched)} roles; ${words(watched)} rolebindings; create pods/exec`);
    expect(benched.exitCode).toBe(4);
  });

  it('benches once it may give a Job its rights', async () => {
    await grant('accounts', watched, 'roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io');
    await grant('lists', 'list,watch', 'secrets,serviceaccounts,networkpolicies.networking.k8s.io');
    await grant('kills', 'delete', 'pods');
    await grant('exec', 'create', 'pods/exec');
    await grant('pauses', 'patch', 'pods/ephemeralcontainers');
    const load = ['--duration', '4', '--warmup', '1', '--fault', 'kill:store.primary', '--json'];
    const { out, err } = await dsp(project, ['bench', '--image', `bench=${await benchImage()}`, ...load], asDeployer);
    expect(err).not.toContain('error:');
    // Other tests run beside it: what is asked here is that the run came back whole with its fault.
    expect(JSON.parse(out)).toMatchObject({ target: 'kubernetes', faults: [{ kind: 'kill', hit: true }] });
  });

  it('destroys it to nothing, volumes included', async () => {
    const { exitCode, err } = await dsp(project, ['destroy'], asDeployer);
    expect(err).toMatch(/deleted \d+ resources/);
    expect(exitCode).toBe(0);
    const kinds = 'all,pvc,secrets,configmaps,networkpolicies,pdb,roles,rolebindings';
    const own = [...partOf(projectName), ...inNamespace];
    expect(await kubectl('get', kinds, '--output', 'name', ...own)).toBe('');
    expect(await kubectl(...inNamespace, 'get', 'jobs,roles', '--selector', 'dsp/bench-of', '--output', 'name')).toBe(
      '',
    );
  });
});
