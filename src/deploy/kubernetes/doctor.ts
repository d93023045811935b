/** What the Kubernetes target needs: its tools, a cluster that answers, the rights, and somebody who builds images. */

import { execa } from 'execa';
import { DspError } from '../../errors.ts';
import type { Check } from '../doctor-check.ts';
import { findExecutable, isAtLeast } from '../engines.ts';
import { searchBuilder } from './builder.ts';
import { type Cluster, checkReachable, chooseContext } from './cluster.ts';
import { homeOf, readRecord } from './home.ts';
import { checkNamespace } from './rights.ts';

export interface ClusterNeeds {
  readonly project: string | null;
  readonly context?: string;
  readonly namespace?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** The oldest whose Automation API the generated project's copy speaks with. */
const leastPulumi = '3.95.0';

export async function examineCluster(needs: ClusterNeeds): Promise<readonly Check[]> {
  const searchPath = needs.env.PATH ?? '';
  const kubectl = findExecutable('kubectl', searchPath);
  const checks: Check[] = [
    check('kubectl', 'kubectl', kubectl, 'install it: https://kubernetes.io/docs/tasks/tools'),
    await checkPulumi(searchPath),
    await checkBuilder(searchPath, needs.signal),
  ];
  if (kubectl === null) return checks;
  return [...checks, ...(await checkCluster(needs))];
}

function check(id: string, need: string, found: string | null, mend: string): Check {
  return {
    id,
    need,
    ok: found !== null,
    found: found ?? 'not on PATH',
    mend: found === null ? mend : null,
    install: [],
  };
}

async function checkPulumi(searchPath: string): Promise<Check> {
  const need = `the Pulumi CLI ≥ ${leastPulumi}`;
  const mend = 'install it: https://www.pulumi.com/docs/install';
  const path = findExecutable('pulumi', searchPath);
  if (path === null) return check('pulumi', need, null, mend);
  const env = { PULUMI_SKIP_UPDATE_CHECK: 'true' };
  const { stdout, failed } = await execa(path, ['version'], { env, reject: false, stdin: 'ignore', timeout: 20_000 });
  const version = stdout.trim().replace(/^v/, '');
  const ok = !failed && isAtLeast(version.replace(/[-+].*$/, ''), leastPulumi);
  return { ...check('pulumi', need, `${path} ${version}`, mend), ok, mend: ok ? null : mend };
}

/** Without one, every image has to be named. */
async function checkBuilder(searchPath: string, signal: AbortSignal): Promise<Check> {
  const need = 'docker with its daemon, or buildah, to build images';
  const { builder, found } = await searchBuilder(searchPath, signal);
  const named = 'name the images: dsp deploy --target kubernetes --image <bundle>=<ref>';
  const mend = `start docker's daemon, install buildah, or ${named}`;
  return { ...check('builder', need, builder && found, mend), found };
}

async function checkCluster({ project, signal, ...place }: ClusterNeeds): Promise<readonly Check[]> {
  const record = project === null ? null : readRecord(homeOf(project));
  const reached = await attempt('cluster', 'a cluster that answers', async () => {
    const { context } = await chooseContext(place.context ?? record?.context);
    await checkReachable(context, signal);
    return { found: `context ${context}`, context };
  });
  const { value } = reached;
  if (value === null) return [reached.check];
  const namespace = place.namespace ?? record?.namespace ?? 'default';
  const rights = await attempt('rights', 'the rights to deploy', async () => {
    const cluster: Cluster = { context: value.context, namespace };
    await checkNamespace(cluster, signal);
    return { found: `in namespace ${namespace}` };
  });
  return [reached.check, rights.check];
}

/** An error of the catalogue is what is found, and its command mends it. */
async function attempt<T extends { readonly found: string }>(
  id: string,
  need: string,
  look: () => Promise<T>,
): Promise<{ readonly check: Check; readonly value: T | null }> {
  try {
    const value = await look();
    return { check: { id, need, ok: true, found: value.found, mend: null, install: [] }, value };
  } catch (error) {
    if (!(error instanceof DspError)) throw error;
    return { check: { id, need, ok: false, found: error.message, mend: error.mend, install: [] }, value: null };
  }
}
